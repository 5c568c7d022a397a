/**
 * The table of `denovisor man`.
 * @module
 */
import { defineVerb } from "../verb.ts";

/** `denovisor man`. */
export const manVerb = defineVerb({
  name: "man",
  summary: "print the manual page denovisor(1)",
  description:
    "Prints the manual page denovisor(1): every verb, option and property of a device. It is in the macros of " +
    "mdoc(7), which man, mandoc and groff read.",
  operands: [],
  options: {},
  examples: [
    { command: "denovisor man | man -l -", does: "read the manual" },
    {
      command: "denovisor man > /usr/local/share/man/man1/denovisor.1",
      does: "install it, as root; for one user: ~/.local/share/man/man1/denovisor.1",
    },
  ],
  sections: [],
  load: async () => (await import("./man.ts")).man,
});
