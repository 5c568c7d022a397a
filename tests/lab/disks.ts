/**
 * The lab's disks: archives of what commands read most, and room to write.
 *
 * @module
 */

import { CommandError } from "../../src/rootfs/errors.ts";
import { run } from "../../src/rootfs/command.ts";
import { ensureDebianPackages } from "../../src/rootfs/packages.ts";
import { type CacheSelection, IMAGE_NEEDS } from "./deno_files.ts";

/** A disk of the lab's. */
export interface Disk {
  /** Its serial number, by which the lab finds it; at most 20 bytes (virtio 1.2, 5.2.6.1). */
  readonly serial: string;
  readonly path: string;
  readonly writable: boolean;
  /** Whether the file is removed as soon as QEMU has it open. */
  readonly temporary: boolean;
}

/** Makes the lab's temporary disks, and removes those that QEMU never got. */
export class TemporaryDisks implements Disposable {
  readonly #paths: string[] = [];

  /** Archives the checkout without its history, as it is now. */
  async checkout(folder: string): Promise<Disk> {
    return await this.#archive("checkout", folder, ["--exclude=./.git", "--", "."]);
  }

  /** Archives what is chosen from Deno's cache. */
  async denoCache(folder: string, { packed }: CacheSelection): Promise<Disk> {
    return await this.#archive("deno-cache", folder, ["--", ...packed]);
  }

  /** Makes an empty ext4 file system; it takes room on this machine as it fills. */
  async scratch(mebibytes: number): Promise<Disk> {
    await ensureDebianPackages(IMAGE_NEEDS);
    const disk = this.#create("scratch", true);
    // Neither inode tables nor journal are written now: the file is sparse, which reads as zeros.
    const lazy = "lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0";
    await run(["mkfs.ext4", "-q", "-F", "-m", "0", "-E", lazy, disk.path, `${mebibytes}M`]);
    return disk;
  }

  #create(serial: string, writable: boolean): Disk {
    const path = Deno.makeTempFileSync({ prefix: `denovisor-lab-${serial}-` });
    this.#paths.push(path);
    return { serial, path, writable, temporary: true };
  }

  async #archive(serial: string, folder: string, what: readonly string[]): Promise<Disk> {
    const disk = this.#create(serial, false);
    const options = ["--create", "--file", disk.path, "--directory", folder, "--sort=none"];
    try {
      await run(["tar", ...options, ...what]);
    } catch (error) {
      // 1: "some files differ": they were written meanwhile, and the command sees the one or the other.
      if (!(error instanceof CommandError && error.code === 1)) throw error;
    }
    return disk;
  }

  [Symbol.dispose](): void {
    for (const path of this.#paths.splice(0)) {
      try {
        Deno.removeSync(path);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
  }
}

/** Where the scratch disk is mounted in the lab. */
export const SCRATCH_FOLDER = "/scratch";
