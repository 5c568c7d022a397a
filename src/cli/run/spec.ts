/**
 * The table of `denovisor run`.
 * @module
 */
import { EXIT_STATUSES } from "../exit_status.ts";
import { defineVerb } from "../verb.ts";
import { deviceOptions, deviceSections } from "./device_options.ts";
import { runOperands, runOptions } from "./options.ts";

/** `denovisor run [KERNEL]`. */
export const runVerb = defineVerb({
  name: "run",
  summary: "boot a kernel in a machine of its own",
  description:
    "Boots a kernel in a machine of its own and connects the guest's serial console. The kernel may be a " +
    "bzImage (the vmlinuz of a distribution), an ELF vmlinux, a PVH or multiboot kernel, or a flat image; " +
    "its format is detected. Without a kernel, a small built-in guest runs: it tries a disk in memory (or the disks " +
    "that are given, writing to none but those in memory), and answers on its console until Ctrl-D or the input's end.",
  operands: runOperands,
  options: { ...runOptions, ...deviceOptions },
  examples: [
    { command: "denovisor run", does: "see a guest at once: the built-in one" },
    {
      command: "denovisor run vmlinuz --initrd initrd.cpio",
      does: "boot Linux; its console is this terminal",
    },
    {
      command: 'denovisor run vmlinuz --cpus 2 --memory 1G --cmdline "console=ttyS0 panic=-1"',
      does: "two vCPUs, 1 GiB, and a command line of your own",
    },
    {
      command: "denovisor run vmlinuz --console file:boot.log --timeout 30s --json",
      does: "boot without a terminal, in a script",
    },
    {
      command: "denovisor run --rootfs busybox --name box",
      does: "Linux with what is needed fetched or built; then elsewhere: denovisor exec -it box sh",
    },
    {
      command: "denovisor run --name web vmlinuz --console file:web.log",
      does: "a machine that other command lines can control: denovisor console web",
    },
    {
      command: "denovisor run --protocol flat --flat-mode 64 payload.bin",
      does: "run bare code",
    },
    {
      command: "echo poweroff | denovisor run vmlinuz --initrd initrd.cpio",
      does: "type into the guest from a pipe",
    },
  ],
  sections: [
    ...deviceSections,
    {
      title: "Keys, where the console is a terminal:",
      chapter: "KEYS",
      rows: [
        ["Ctrl-A x", "end the machine"],
        ["Ctrl-A s", "show the machine's status"],
        ["Ctrl-A h", "show these keys"],
        ["Ctrl-A Ctrl-A", "send Ctrl-A to the guest"],
      ],
      lines: ["Every other key, Ctrl-C too, goes to the guest."],
    },
    { title: "Exit status:", chapter: "EXIT STATUS", rows: EXIT_STATUSES, lines: [] },
  ],
  load: async () => (await import("./run.ts")).run,
});
