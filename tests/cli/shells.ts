/**
 * Real shells that are asked what they would complete a command line to.
 *
 * fish answers such a question (`complete -C`). bash and zsh are typed into on a terminal: a key of theirs inserts all
 * completions at once, another one writes the line to a file.
 * @module
 */
import assert from "node:assert/strict";
import { dirname } from "node:path";
import { findCommand } from "../../src/rootfs/command.ts";
import type { Shell } from "../../src/cli/completions/spec.ts";

/** Whether a shell can be asked on this host. */
export function canAsk(shell: Shell): boolean {
  return findCommand(shell) !== undefined &&
    (shell === "fish" || findCommand("python3") !== undefined);
}

/** What reads the script in an interactive shell, and binds Ctrl-X Ctrl-A and Ctrl-X Ctrl-P. */
const STARTS = {
  bash: (script: string, answers: string) => `
source ${script}
dump() {
  printf '%s\\n' "$READLINE_LINE" >> ${answers}
  READLINE_LINE=
  printf '@%d@' $((++count)) > /dev/tty
}
bind -x '"\\C-x\\C-p": dump'
bind '"\\C-x\\C-a": insert-completions'
PS1='ready> '
`,
  // Its script is installed as _denovisor in a folder of fpath, or sourced.
  zsh: (script: string, answers: string) => `
fpath=(${dirname(script)} $fpath)
autoload -U compinit && compinit -u -D
[[ ${script} == */_denovisor ]] || source ${script}
zstyle ':completion:all-matches::::' completer _all_matches _complete
zstyle ':completion:all-matches:*' insert yes
zle -C all-matches complete-word _generic
bindkey '^X^A' all-matches
dump() { print -r -- "$BUFFER" >> ${answers}; BUFFER=; print -n "@$((++count))@" > /dev/tty }
zle -N dump
bindkey '^X^P' dump
PS1='ready> '
`,
} as const;

/** The key that inserts all completions, and the one that every user has. */
const [ALL, TAB] = ["\x18\x01", "\t"];

/** Types each line and has it completed with a key. @returns the lines that came of it */
async function onTerminal(
  shell: "bash" | "zsh",
  script: string,
  lines: readonly string[],
  cwd: string,
  folder: string,
  key: string,
): Promise<string[]> {
  const answers = `${folder}/answers`;
  await Deno.writeTextFile(`${folder}/.${shell}rc`, STARTS[shell](script, answers));
  const steps = [
    { expect: "ready> " },
    ...lines.flatMap((line, index) => [
      { type: `${line}${key}\x18\x10` },
      { expect: `@${index + 1}@` },
    ]),
    { type: "exit\r" },
  ];
  const command = shell === "bash"
    ? ["--noprofile", "--rcfile", `${folder}/.bashrc`, "-i"]
    : ["-i"];
  const { stdout, success } = await new Deno.Command("python3", {
    args: [new URL("./pty.py", import.meta.url).pathname, JSON.stringify(steps), shell, ...command],
    cwd,
    // No file of the system's or of the user's changes what is asked here.
    env: { ZDOTDIR: folder, HOME: folder, INPUTRC: "/dev/null", LC_ALL: "C.UTF-8", TERM: "xterm" },
  }).output();
  assert(success, "the terminal's other end failed");
  const { error, output } = JSON.parse(new TextDecoder().decode(stdout));
  assert.equal(error, null, `${shell}: ${error}\n${output.slice(-1000)}`);
  return (await Deno.readTextFile(answers)).split("\n").slice(0, -1);
}

/** Where the last word of a line begins. */
function lastWord(line: string): number {
  return /(?:[^\s\\]|\\.)*$/.exec(line)!.index;
}

/** The words of a line, unquoted. */
function words(text: string): string[] {
  return (text.match(/(?:[^\s\\]|\\.)+/g) ?? []).map((word) => word.replace(/\\(.)/g, "$1"));
}

/**
 * A completion without what was typed before its last part: shells differ in how much of a word they replace.
 *
 * zsh puts `=` behind an option with a value, and shells differ in when `/` is put behind a folder.
 */
function part(completion: string, typed: string): string {
  const head = /^.*[=:,]/.exec(typed)?.[0] ?? "";
  const starts = [0, ...[...head.matchAll(/[=:]/g)].map(({ index }) => index + 1)];
  const common = starts.map((start) => head.slice(start)).find((text) =>
    completion.startsWith(text)
  );
  const rest = completion.slice(common?.length ?? 0);
  return rest.replace(/^(--[^=]*)=$/, "$1").replace(/(.)\/$/, "$1");
}

/**
 * Asks a shell what it would complete each line to, with the cursor at its end.
 *
 * @param script the completion script
 * @param cwd the folder whose files are completed
 * @param installed whether zsh is to find the script in a folder, instead of reading it at its start
 * @returns for each line the completions of its last word's last part, behind `=`, `:` and `,`, sorted
 */
export async function ask(
  shell: Shell,
  script: string,
  lines: readonly string[],
  cwd: string,
  installed = false,
): Promise<string[][]> {
  const folder = await Deno.makeTempDir();
  try {
    const file = `${folder}/${installed ? "_denovisor" : "script"}`;
    await Deno.writeTextFile(file, script);
    const found = shell === "fish"
      ? await askFish(file, lines, cwd, folder)
      : (await onTerminal(shell, file, lines, cwd, folder, ALL)).map((line, index) => {
        const start = lastWord(lines[index]);
        assert(line.startsWith(lines[index].slice(0, start)), `${line} is not of ${lines[index]}`);
        const completed = words(line.slice(start));
        // A line that is as it was has no completions.
        return line.trimEnd() === lines[index].trimEnd() ? [] : completed;
      });
    return found.map((completions, index) => {
      const typed = lines[index].slice(lastWord(lines[index]));
      const parts = completions.map((completion) => part(completion, typed));
      // Where nothing begins with what was typed, fish offers what contains it.
      const beginning = shell === "fish" ? words(part(typed, typed)).join("") : "";
      return [...new Set(parts.filter((text) => text.startsWith(beginning)))].sort();
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Types lines with a Tab behind each. @returns the lines that come of it, with what is put behind a completion */
export async function pressTab(
  shell: "bash" | "zsh",
  script: string,
  lines: readonly string[],
  cwd: string,
): Promise<string[]> {
  const folder = await Deno.makeTempDir();
  try {
    const file = `${folder}/script`;
    await Deno.writeTextFile(file, script);
    return await onTerminal(shell, file, lines, cwd, folder, TAB);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function askFish(file: string, lines: readonly string[], cwd: string, home: string) {
  const questions = [`source ${file}`];
  for (const line of lines) {
    const quoted = `'${line.replace(/[\\']/g, "\\$&")}'`;
    questions.push(`complete -C ${quoted}`, "echo @");
  }
  const { stdout, stderr, success } = await new Deno.Command("fish", {
    args: ["--no-config", "-c", questions.join("\n")],
    cwd,
    env: { HOME: home, XDG_CONFIG_HOME: home, XDG_DATA_HOME: home, LC_ALL: "C.UTF-8" },
  }).output();
  const decoder = new TextDecoder();
  assert.deepEqual([success, decoder.decode(stderr)], [true, ""]);
  const answers = decoder.decode(stdout).split("@\n").slice(0, -1);
  assert.equal(answers.length, lines.length);
  return answers.map((answer) =>
    answer.split("\n").filter((line) => line !== "").map((line) => line.split("\t")[0])
  );
}
