/**
 * The script that the lab's first process is given for one command.
 *
 * @module
 */

import { findCommand } from "../../src/rootfs/command.ts";
import { SCRATCH_FOLDER } from "./disks.ts";
import { MOUNT_9P, PORT_PREFIX, PROGRAMS_FOLDER } from "./init.ts";
import { MODULE_PROGRAMS } from "./loadable_modules.ts";
import type { TerminalSize } from "./options.ts";

/** One command, with all that it needs to know. */
export interface Session {
  /** The program and its arguments. */
  readonly argv: readonly [string, ...string[]];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** The checkout, whose mount tag is the first; the lab works on a copy of it unless it is live. */
  readonly checkout: { readonly path: string; readonly live: boolean };
  /** Other folders of the host that the command may write to, in the order of their mount tags. */
  readonly shares: readonly string[];
  /** Path of the Deno that the disk `deno` holds. */
  readonly deno: string;
  readonly denoCache?: DenoCache;
  /** Whether there is a disk `scratch`. */
  readonly scratch: boolean;
  /** The kernel's modules: what `uname -r` says, and the folder that has them. */
  readonly modules: { readonly version: string; readonly folder: string };
  /** The terminal's size, when the command has one. */
  readonly terminal?: TerminalSize;
  /** What the lab writes after the last byte of each output stream; see {@linkcode endMark}. */
  readonly endMark: string;
}

/** Deno's cache folder in the lab. */
export interface DenoCache {
  /** Its path; the disk `deno-cache` has what belongs there. */
  readonly folder: string;
  /** Names in it that are not to be seen. */
  readonly hidden: readonly string[];
}

/**
 * Quotes a word for a shell.
 *
 * @throws {TypeError} for a word with a NUL in it, which no command can be given.
 */
export function shellQuote(word: string): string {
  if (word.includes("\0")) throw new TypeError(`NUL in ${JSON.stringify(word)}`);
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/**
 * Makes the mark that ends an output stream. A port does not tell the host where its data ends; a
 * mark of 128 random bits does, since no command writes it by chance.
 */
export function endMark(): string {
  return crypto.getRandomValues(new Uint8Array(16)).toHex();
}

/** Mount tag of a share, by its place in the list. */
export function shareTag(index: number): string {
  return `share${index}`;
}

/**
 * Writes the script; process 1 reads it, so it must not end. The command is in the foreground: a
 * shell without job control has what it runs in the background ignore SIGINT.
 */
export function sessionScript(session: Session): string {
  const { checkout, shares, denoCache, modules } = session;
  return `
${useDeno(session.deno)}
${denoCache === undefined ? "" : unpackDenoCache(denoCache)}
${checkout.live ? mountShare(checkout.path, 0) : unpackCheckout(checkout.path)}
${shares.map((path, index) => mountShare(path, index + 1)).join("\n")}
${session.scratch ? MOUNT_SCRATCH : ""}
${useModules(modules)}
printf %s ${shellQuote(commandScript(session))} > $lab/command
mark=${session.endMark}
${session.terminal === undefined ? WITH_PIPES : withTerminal(session.terminal)}
status=$?
# Whatever the command left running goes with it, and lets go of the streams.
echo 1 > /sys/fs/cgroup/command/cgroup.kill
finish
${checkout.live ? "" : giveBack(checkout.path)}
sync
echo "exit $status" >&3
while :; do sleep 1000; done
`;
}

function useDeno(program: string): string {
  return `
mkdir $lab/deno
mount -t ext4 -o ro "$(disk deno)" $lab/deno || fail cannot mount the disk with Deno
mount --bind $lab/deno/deno ${shellQuote(program)} || fail cannot put Deno in its place`;
}

function unpackDenoCache({ folder, hidden }: DenoCache): string {
  const path = shellQuote(folder);
  return `
mkdir -p ${path} && tar -xf "$(disk deno-cache)" -C ${path} || fail cannot unpack Deno\\'s cache
rm -f ${hidden.map((name) => shellQuote(`${folder}/${name}`)).join(" ")}`;
}

/** What the command writes comes into a folder of its own, so that it can be told from the rest. */
function unpackCheckout(path: string): string {
  const folder = shellQuote(path);
  return `
copy=$lab/checkout
mkdir -p $copy/before $copy/written $copy/work $copy/after
tar -xf "$(disk checkout)" -C $copy/before || fail cannot unpack the checkout
if [ -d ${folder}/.git ]; then
  mkdir $copy/before/.git $copy/git
  mount --bind ${folder}/.git $copy/git
elif [ -e ${folder}/.git ]; then
  cp ${folder}/.git $copy/before/
fi
mount -t overlay -o lowerdir=$copy/before,upperdir=$copy/written,workdir=$copy/work overlay ${folder} ||
  fail cannot mount the checkout
mount --bind ${folder} $copy/after || fail cannot mount the checkout twice
[ ! -d $copy/git ] || mount --bind $copy/git ${folder}/.git`;
}

/**
 * Writes to the checkout what the command changed in its copy. The overlay keeps what was removed
 * as a device 0,0, and what a folder had before it was made anew in an attribute; so both are found
 * by comparing what was there with what there is. Nothing that the command may have mounted in the
 * checkout is in the way of that: it is not in the second mount of the overlay.
 */
function giveBack(path: string): string {
  const folder = shellQuote(path);
  return `
if [ -n "$(ls -A $copy/written)" ]; then
  mkdir $copy/share
  mount -t 9p -o ${MOUNT_9P},cache=mmap ${shareTag(0)} $copy/share || fail cannot mount ${folder}
  kind() {
    if [ -L "$1" ]; then kind=link; elif [ -d "$1" ]; then kind=folder; elif [ -e "$1" ]; then kind=file; else kind=; fi
  }
  (cd $copy/before && find . -path ./.git -prune -o ! -name . -print) | while IFS= read -r name; do
    kind "$copy/before/$name"
    was=$kind
    kind "$copy/after/$name"
    [ "$was" = "$kind" ] || rm -rf "$copy/share/$name"
  done
  find $copy/written -type c -exec rm -f {} +
  cp -a $copy/written/. $copy/share/ || fail cannot write to ${folder}
  umount $copy/share
fi`;
}

const MOUNT_SCRATCH = `
mkdir -p ${SCRATCH_FOLDER}
mount -t ext4 -o discard "$(disk scratch)" ${SCRATCH_FOLDER} || fail cannot mount the scratch disk`;

function useModules({ version, folder }: Session["modules"]): string {
  return `
mkdir -p /lib/modules/${version} ${PROGRAMS_FOLDER}
mount --bind ${shellQuote(folder)} /lib/modules/${version}
for program in ${MODULE_PROGRAMS.join(" ")}; do
  ln -s $lab/bin/busybox ${PROGRAMS_FOLDER}/$program
done
echo ${PROGRAMS_FOLDER}/modprobe > /proc/sys/kernel/modprobe`;
}

function mountShare(path: string, index: number): string {
  const folder = shellQuote(path);
  // cache=mmap writes through, so that the host sees a file as soon as it is written.
  return `mount -t 9p -o ${MOUNT_9P},cache=mmap ${shareTag(index)} ${folder} || ` +
    `fail cannot mount ${folder}`;
}

/**
 * A script that becomes the command. Busybox's shell and env prefer their own programs to those on
 * PATH, so that the program is given by its path.
 */
function commandScript({ argv: [name, ...args], cwd, env }: Session): string {
  const own = MODULE_PROGRAMS.some((program) => program === name);
  const program = name.includes("/")
    ? name
    : findCommand(name, env.PATH) ?? (own ? `${PROGRAMS_FOLDER}/${name}` : undefined);
  if (program === undefined) {
    return `echo ${shellQuote(`lab: ${name}: not found`)} >&2\nexit 127`;
  }
  const variables = Object.entries(env).map(([key, value]) => `${key}=${value}`);
  const words = ["env", "-i", ...variables, program, ...args].map(shellQuote);
  return [
    "echo 0 > /sys/fs/cgroup/command/cgroup.procs",
    `cd ${shellQuote(cwd)} || exit 126`,
    `exec ${words.join(" ")}`,
  ].join("\n");
}

/** Ends with the status of the command. */
const WITH_PIPES = `
# Pipes, as without the lab; a port itself can be opened by one process only.
mkfifo $lab/stdin $lab/stdout $lab/stderr
cat < "$(port ${PORT_PREFIX}stdin)" > $lab/stdin 3>&- &
for stream in stdout stderr; do
  { cat; printf $mark; } < $lab/$stream > "$(port ${PORT_PREFIX}$stream)" 3>&- &
  pumps="$pumps $!"
done
finish() { wait $pumps; }
{ cat; poweroff -f; } <&3 > /dev/null 2>&1 &
echo started >&3
# In a shell of its own: opening a pipe waits for its other end, and here any child's end would interrupt that.
( exec 3>&- < $lab/stdin > $lab/stdout 2> $lab/stderr && exec setsid sh $lab/command )`;

/** The same with a terminal. */
function withTerminal({ rows, columns }: TerminalSize): string {
  return `
exec 4<> /dev/hvc0 # its settings last only while it is open
stty -F /dev/hvc0 rows ${rows} cols ${columns}
finish() {
  stty -F /dev/hvc0 sane
  printf $mark > /dev/hvc0
}
{
  while read -r _ rows columns; do stty -F /dev/hvc0 rows $rows cols $columns; done
  poweroff -f
} <&3 > /dev/null 2>&1 &
echo started >&3
setsid -c sh $lab/command < /dev/hvc0 > /dev/hvc0 2>&1 3>&- 4>&-`;
}
