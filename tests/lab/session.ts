/**
 * The script that the lab's first process is given for one command.
 *
 * @module
 */

import { findCommand } from "../assets/command.ts";
import { MOUNT_9P, PORT_PREFIX } from "./init.ts";
import type { TerminalSize } from "./options.ts";

/** One command, with all that it needs to know. */
export interface Session {
  /** The program and its arguments. */
  readonly argv: readonly [string, ...string[]];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Folders of the host that the command may write to, in the order of their mount tags. */
  readonly shares: readonly string[];
  /** The terminal's size, when the command has one. */
  readonly terminal?: TerminalSize;
  /** What the lab writes after the last byte of each output stream; see {@linkcode endMark}. */
  readonly endMark: string;
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
  return `
${session.shares.map(mountShare).join("\n")}
printf %s ${shellQuote(commandScript(session))} > $lab/command
mark=${session.endMark}
${session.terminal === undefined ? WITH_PIPES : withTerminal(session.terminal)}
status=$?
# Whatever the command left running goes with it, and lets go of the streams.
echo 1 > /sys/fs/cgroup/command/cgroup.kill
finish
sync
echo "exit $status" >&3
while :; do sleep 1000; done
`;
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
  const program = name.includes("/") ? name : findCommand(name, env.PATH);
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
setsid sh $lab/command < $lab/stdin > $lab/stdout 2> $lab/stderr 3>&-`;

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
