/**
 * The table of `denovisor completions`.
 * @module
 */
import { UsageError } from "../errors.ts";
import { defineVerb, list, type ValuesOf } from "../verb.ts";

/** The shells that there are scripts for. */
export const SHELLS = ["bash", "zsh", "fish"] as const;
/** One of {@linkcode SHELLS}. */
export type Shell = typeof SHELLS[number];

/** A name that needs no quoting in any shell. @throws {UsageError} */
function parseName(text: string): string {
  if (/^[A-Za-z0-9_][\w.+-]*$/.test(text)) return text;
  throw new UsageError("A program's name is letters, digits and the characters _ . + -");
}

/** The options of `denovisor completions`. */
export const completionsOptions = {
  name: list(
    "NAME",
    parseName,
    "another name that the program is called by; may be repeated",
  ),
} as const;

/** The parsed options of `denovisor completions`. */
export type CompletionsOptions = ValuesOf<typeof completionsOptions>;

/** `denovisor completions SHELL`. */
export const completionsVerb = defineVerb({
  name: "completions",
  summary: "print a shell's completion script",
  description:
    "Prints a script that has a shell complete verbs, options, values, names of files, and the properties of " +
    "devices. Install it anew with each new version.",
  operands: [{ name: "SHELL", summary: "the shell", choices: SHELLS }],
  options: completionsOptions,
  examples: [
    {
      command: 'eval "$(denovisor completions bash)"',
      does: "complete in this bash only",
    },
    {
      command: "denovisor completions bash --name dv",
      does: "for denovisor and for another name of it",
    },
  ],
  sections: [{
    title: "Where to install it:",
    lines: [
      "bash, with the package bash-completion:",
      "  mkdir -p ~/.local/share/bash-completion/completions",
      "  denovisor completions bash > ~/.local/share/bash-completion/completions/denovisor",
      "  (for all users: /usr/share/bash-completion/completions/denovisor)",
      "bash, without it:",
      "  denovisor completions bash > ~/.denovisor-completion.bash",
      "  echo 'source ~/.denovisor-completion.bash' >> ~/.bashrc",
      "zsh:",
      "  mkdir -p ~/.zfunc && denovisor completions zsh > ~/.zfunc/_denovisor",
      "  and in ~/.zshrc, before compinit: fpath=(~/.zfunc $fpath)",
      "  (for all users: /usr/local/share/zsh/site-functions/_denovisor)",
      "fish:",
      "  mkdir -p ~/.config/fish/completions",
      "  denovisor completions fish > ~/.config/fish/completions/denovisor.fish",
      "  (for all users: /usr/share/fish/vendor_completions.d/denovisor.fish)",
    ],
  }],
  load: async () => (await import("./completions.ts")).completions,
});
