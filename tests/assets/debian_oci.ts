/**
 * An OCI image of Debian 12, made by umoci from a folder: what others' tools make, for the tests of
 * whoever reads it.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join } from "node:path";
import { cached, removeUnused } from "../../src/rootfs/cache.ts";
import { run } from "../../src/rootfs/command.ts";
import { RootfsError } from "../../src/rootfs/errors.ts";
import { ensureDebianPackages } from "../../src/rootfs/packages.ts";
import { Progress } from "../../src/rootfs/progress.ts";

/** What the image says of itself. */
const SETTINGS = [
  ["--config.entrypoint", "/usr/local/bin/greet"],
  ["--config.cmd", "hello from"],
  ["--config.env", "GREETING_END=!"],
  ["--config.user", "nobody:nogroup"],
  ["--config.workingdir", "/usr/share"],
].flat();

/** The entrypoint: shows its arguments, the release, a variable, its user and folder. */
const GREET = `#!/bin/sh
. /etc/os-release
echo "$* $PRETTY_NAME $VERSION_ID$GREETING_END $(id -un):$(id -gn) $PWD"
`;

const PACKAGES = ["mmdebstrap", "umoci"];

/** An image that no one has asked for in so many days is removed from the cache. */
const KEPT_DAYS = 14;

/**
 * Gives the path of a tar archive of an OCI layout, building it the first time, which takes a minute. The image has a
 * second layer with the entrypoint, and a third that removes /etc/debian_version.
 *
 * @throws {RootfsError} when it would have to be built and we are not root.
 */
export async function debianOciArchive(): Promise<string> {
  const recipe = JSON.stringify([SETTINGS, GREET, PACKAGES]);
  const digest = createHash("sha256").update(recipe).digest("hex").slice(0, 16);
  const folder = await cached(`debian-oci-${digest}`, async (fresh, signal) => {
    if (Deno.uid() !== 0) throw new RootfsError("only root can build a Debian root file system");
    await ensureDebianPackages({
      mmdebstrap: "mmdebstrap",
      umoci: "umoci",
      "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
    });
    using _progress = new Progress("building an OCI image of Debian");
    const [tree, layout, greet] = ["tree", "layout", "greet"].map((name) => join(fresh, name));
    const leftOut = ["doc", "man", "locale", "info"].map((name) =>
      `--dpkgopt=path-exclude=/usr/share/${name}/*`
    );
    await run([
      "mmdebstrap",
      "--quiet",
      "--mode=root",
      "--variant=essential",
      ...leftOut,
      "bookworm",
      tree,
    ], { signal });
    await Deno.writeTextFile(greet, GREET, { mode: 0o755 });
    const image = `${layout}:v1`;
    for (
      const command of [
        ["init", "--layout", layout],
        ["new", "--image", image],
        ["insert", "--image", image, tree, "/"],
        ["insert", "--image", image, greet, "/usr/local/bin/greet"],
        ["insert", "--image", image, "--whiteout", "/etc/debian_version"],
        ["config", "--image", image, ...SETTINGS],
      ]
    ) await run(["umoci", ...command], { signal });
    await run(["tar", "-cf", join(fresh, "image.tar"), "-C", layout, "."], { signal });
    for (const part of [tree, layout, greet]) await Deno.remove(part, { recursive: true });
    await removeUnused("debian-oci-", KEPT_DAYS);
  });
  const now = new Date();
  await Deno.utime(folder, now, now);
  return join(folder, "image.tar");
}
