/**
 * Running a command in the lab.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { interruptible } from "../../src/rootfs/interrupt.ts";
import { kernelAsset, vmlinuxAsset } from "../../src/rootfs/kernels.ts";
import { ensureDebianPackages } from "../../src/rootfs/packages.ts";
import { Conversation } from "./conversation.ts";
import { labEnvironment } from "./environment.ts";
import { denoCacheFolder, denoImage, selectCache, transpile } from "./deno_files.ts";
import { type Disk, TemporaryDisks } from "./disks.ts";
import { LabError } from "./errors.ts";
import { labInitramfs, PORT_PREFIX } from "./init.ts";
import { loadableModules } from "./loadable_modules.ts";
import { availableMemoryMiB } from "./memory.ts";
import type { LabOptions, LabResult } from "./options.ts";
import { type Port, PortListeners } from "./ports.ts";
import { Qemu, QEMU_NEEDS } from "./qemu.ts";
import { type DenoCache, endMark, sessionScript } from "./session.ts";

/** The checkout that this file is part of; commands in the lab may write to it. */
export const CHECKOUT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

const DEFAULT_CPUS = 2;
/** Enough for Deno beside the largest guests that the tests have. */
const DEFAULT_MEMORY_MAX_MIB = 8192;
const DEFAULT_BOOT_TIMEOUT_MS = 120_000;

/**
 * Runs a command in the lab: a virtual machine, emulated in software, whose host has a KVM that
 * behaves as on hardware. It sees this machine's files, and works on a copy of the checkout as it is
 * now. What it writes there is written here when it has ended (with `live`, as in `shares`, at once);
 * what it writes elsewhere, or into the checkout's `.git`, is gone with the lab.
 *
 * Labs may run at the same time. When a signal ends this process the lab ends with it.
 *
 * @param argv the program and its arguments.
 * @throws {LabError} when the lab fails before the command ends.
 * @throws {RootfsError} when what it needs cannot be had.
 * @throws the reason of `options.signal`, when that is aborted; a stream's error, when one fails.
 */
export async function runInLab(
  argv: readonly [string, ...string[]],
  options: LabOptions = {},
): Promise<LabResult> {
  const begin = performance.now();
  const now = () => performance.now() - begin;
  options.signal?.throwIfAborted();
  const shares = [CHECKOUT, ...options.shares ?? []];
  const mark = endMark();
  await ensureDebianPackages(QEMU_NEEDS);
  const kernel = await vmlinuxAsset("generic");
  const kernelFiles = await kernelAsset("generic");
  const initramfs = await labInitramfs(kernelFiles, options.modules ?? []);
  const modules = await loadableModules(kernelFiles);

  using resources = new DisposableStack();
  return await interruptible(() => resources.dispose(), async (interrupted) => {
    const temporary = resources.use(new TemporaryDisks());
    const { disks, denoCache } = await makeDisks(temporary, options);
    interrupted.throwIfAborted();
    const script = sessionScript({
      argv,
      cwd: options.cwd ?? Deno.cwd(),
      env: labEnvironment(options.env ?? {}),
      checkout: { path: CHECKOUT, live: options.live ?? false },
      shares: options.shares ?? [],
      deno: Deno.execPath(),
      denoCache,
      scratch: options.scratchMiB !== undefined,
      modules: { version: kernelFiles.version, folder: modules },
      terminal: options.terminal?.size(),
      endMark: mark,
    });
    const prepared = now();
    const names: Port[] = options.terminal
      ? ["control", "terminal"]
      : ["control", "stdin", "stdout", "stderr"];
    const listeners = resources.use(new PortListeners(names));
    const serialPorts = names.filter((name) => name !== "terminal");
    const qemu = resources.use(
      new Qemu({
        kernel,
        initramfs,
        memoryMiB: options.memoryMiB ?? Math.min(DEFAULT_MEMORY_MAX_MIB, availableMemoryMiB() / 2),
        cpus: options.cpus ?? DEFAULT_CPUS,
        root: "/",
        shares,
        disks,
        ports: serialPorts.map((name) => ({
          name: `${PORT_PREFIX}${name}`,
          socket: listeners.path(name),
        })),
        terminal: options.terminal && listeners.path("terminal"),
      }),
    );
    const stop = Promise.withResolvers<never>();
    stop.promise.catch(() => {}); // it may come when nobody waits for it any more
    qemu.ended.then((how) => stop.reject(new LabError("died", how, qemu.output)));
    const abort = () => stop.reject(options.signal?.reason);
    options.signal?.addEventListener("abort", abort);
    interrupted.addEventListener("abort", () => stop.reject(interrupted.reason));
    const limit = options.bootTimeout ?? DEFAULT_BOOT_TIMEOUT_MS;
    const timer = setTimeout(() => {
      const problem = `the lab did not start the command within ${limit / 1000} s`;
      stop.reject(new LabError("timeout", problem, qemu.output));
    }, limit);
    try {
      const connections = await Promise.race([listeners.accept(), stop.promise]);
      const conversation = resources.use(
        new Conversation(
          connections,
          { script, endMark: mark },
          options,
          () => clearTimeout(timer),
        ),
      );
      const { code, stdout, stderr, ...timing } = await Promise.race([
        conversation.run(now, qemu),
        stop.promise,
      ]);
      return { code, stdout, stderr, timing: { prepared, ...timing } };
    } finally {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", abort);
      resources.dispose();
      await qemu.ended;
    }
  });
}

/** Makes the lab's disks; says what of Deno's cache is on one of them. */
async function makeDisks(
  temporary: TemporaryDisks,
  options: LabOptions,
): Promise<{ disks: Disk[]; denoCache: DenoCache | undefined }> {
  const image = await denoImage();
  const disks: Disk[] = [{ serial: "deno", path: image, writable: false, temporary: false }];
  if (options.scratchMiB !== undefined) disks.push(await temporary.scratch(options.scratchMiB));
  // First, for it adds to Deno's cache.
  await transpile(CHECKOUT);
  if (!options.live) disks.push(await temporary.checkout(CHECKOUT));
  const folder = denoCacheFolder();
  if (folder === undefined || folder.startsWith(`${CHECKOUT}/`)) {
    return { disks, denoCache: undefined };
  }
  const selection = await selectCache(folder, CHECKOUT);
  disks.push(await temporary.denoCache(folder, selection));
  return { disks, denoCache: { folder, hidden: selection.hidden } };
}
