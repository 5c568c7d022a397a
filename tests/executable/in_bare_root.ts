/**
 * Runs a command whose `denovisor` lives in a bare root: the executable that `DENOVISOR_EXECUTABLE` names sees its shared
 * libraries, KVM's device, proc(5) and the folder for temporary files, and has no variable but XDG_RUNTIME_DIR, where the
 * command sets it. The command itself sees the host, and finds a program at `DENOVISOR_EXECUTABLE` that enters the root.
 *
 *     DENOVISOR_EXECUTABLE=dist/denovisor deno run -A tests/executable/in_bare_root.ts \
 *       deno test -A --filter "the executable" tests/cli
 *
 * What it mounts is seen by the command alone. Needs root.
 * @module
 */
import { join } from "node:path";
import { findCommand } from "../../src/rootfs/command.ts";
import { BARE_ROOT_VARIABLE, EXECUTABLE, EXECUTABLE_VARIABLE } from "../cli/process.ts";
import { shellQuote } from "../lab/session.ts";
import { makeBareRoot, PROGRAM_PATH } from "./bare_root.ts";

/** Mounts what the root lacks of this host, and becomes the command. */
const SCRIPT = `
set -e
root=$1
temporary=$2
shift 2
touch "$root/dev/kvm"
mount --bind /dev/kvm "$root/dev/kvm"
mount -t proc proc "$root/proc"
mkdir -p "$root$temporary"
mount --bind "$temporary" "$root$temporary"
exec "$@"
`;

/** Runs a command. @returns its exit status */
async function main(command: readonly string[]): Promise<number> {
  if (EXECUTABLE === undefined) throw new Error(`${EXECUTABLE_VARIABLE} names no executable`);
  const folder = await Deno.makeTempDir({ prefix: "denovisor-bare-root-" });
  try {
    const root = join(folder, "root");
    await Deno.mkdir(root);
    await makeBareRoot(EXECUTABLE, root);
    const program = join(folder, "denovisor");
    // With an empty environment, programs are not looked for in /usr/sbin.
    const chroot = findCommand("chroot") ?? "chroot";
    const enter = [chroot, root, PROGRAM_PATH].map(shellQuote).join(" ");
    // Where tests say it, machines have their sockets in a folder for temporary files: the root has no /run.
    const environment = '${XDG_RUNTIME_DIR+"XDG_RUNTIME_DIR=$XDG_RUNTIME_DIR"}';
    const script = `#!/bin/sh\nexec env -i ${environment} ${enter} "$@"\n`;
    await Deno.writeTextFile(program, script, { mode: 0o755 });
    const temporary = Deno.env.get("TMPDIR") ?? "/tmp";
    const { code } = await new Deno.Command("unshare", {
      args: ["--mount", "sh", "-c", SCRIPT, "sh", root, temporary, ...command],
      env: { [EXECUTABLE_VARIABLE]: program, [BARE_ROOT_VARIABLE]: "1" },
    }).spawn().status;
    return code;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
