/**
 * The options of `denovisor run` that ask for no devices, and its operands.
 * @module
 */
import { parseName } from "../control/name.ts";
import {
  parseAddress,
  parseConsole,
  parseCount,
  parseDuration,
  parseModule,
  parsePath,
  parsePicture,
} from "../values.ts";
import { choice, FILE, file, flag, list, value, type ValuesOf } from "../verb.ts";
import type { Candidate, OperandSpec, Place, Shape, ValueSpec } from "../verb.ts";

/** The boot protocols of the machine, with which the machine's own list is compared by a test. */
const PROTOCOLS = ["auto", "linux64", "linux32", "pvh", "multiboot", "flat"] as const;

const text = (given: string) => given;

/** Where a console goes. */
const CONSOLE_TARGETS: Place<Candidate> = {
  words: [
    { word: "stdio", summary: "this terminal, or standard input and output" },
    { word: "none", summary: "nowhere" },
    { word: "file:", summary: "a file, which is replaced", then: { path: "file" } },
  ],
};

/** What carries a console, and where it goes. */
const CONSOLE: Shape = {
  first: {
    words: [
      { word: "serial", summary: "the serial port carries it" },
      { word: "virtio", summary: "a virtio device carries it" },
      ...CONSOLE_TARGETS.words ?? [],
    ],
  },
  next: CONSOLE_TARGETS,
};

const consoleOption: ValueSpec<ReturnType<typeof parseConsole>> = {
  ...value(
    "[DEVICE,]WHERE",
    parseConsole,
    "what carries the console, serial or virtio, and where it goes: stdio, none or file:PATH",
    "serial,stdio",
  ),
  shape: CONSOLE,
};

const timelineOption: ValueSpec<string | true> = {
  ...value(
    "FILE.svg",
    parsePicture,
    "tell on standard error when each step was done, from the process's start on; or draw a picture of it",
  ),
  shape: FILE,
  bare: true,
};

/** The options of `denovisor run`. Those that the machine's configuration has too bear the same names. */
export const runOptions = {
  rootfs: {
    ...value(
      "WHAT",
      parsePath,
      "boot Linux with this root and an agent that takes commands from exec: a folder, an archive, an image, or busybox",
      "the kernel's own way, without an agent",
    ),
    shape: {
      first: { path: "file", words: [{ word: "busybox", summary: "a small one in memory" }] },
    },
  },
  initrd: file("initial RAM disk (initramfs) for a Linux kernel"),
  cmdline: value(
    "TEXT",
    text,
    "the kernel's command line",
    "one that suits the console",
  ),
  memory: value("SIZE", text, "the guest's RAM, such as 512M or 2G", "512M"),
  cpus: value("N", parseCount, "number of vCPUs", "1"),
  module: list(
    "PATH[,CMDLINE]",
    parseModule,
    "a file for a PVH or multiboot kernel; may be repeated",
    { first: { path: "file" }, next: {} },
  ),
  protocol: choice("NAME", PROTOCOLS, "how the kernel is entered", "auto"),
  flatMode: choice("BITS", ["16", "32", "64"], "how a flat image is entered", "16"),
  flatAddress: value(
    "ADDR",
    parseAddress,
    "where a flat image is loaded",
    "what its mode suggests",
  ),
  flatEntry: value("ADDR", parseAddress, "where a flat image is entered", "its first byte"),
  hugePages: choice(
    "KIND",
    ["auto", "none", "transparent", "2M"],
    "host pages behind the guest's RAM",
    "transparent from 128M on",
  ),
  transport: choice(
    "KIND",
    ["pci", "mmio", "mmio-cmdline"],
    "how virtio devices are plugged in",
    "pci",
  ),
  console: consoleOption,
  config: file("a JSON file with the machine's configuration"),
  timeout: value("TIME", parseDuration, "stop the machine after a time, such as 30s or 2m"),
  name: value(
    "NAME",
    parseName,
    "what the machine is called by ps, exec, console, pause, resume, stop and stats",
    "it can't be controlled from elsewhere",
  ),
  onReboot: choice("WHAT", ["exit", "restart"], "what a reset by the guest does", "exit"),
  timeline: timelineOption,
  json: flag("end with one line of JSON on standard error: how the run ended"),
  jsonFile: file("write that JSON to a file"),
} as const;

/** The parsed options of `denovisor run`; those that ask for devices are found by the tables of the devices. */
export type RunOptions = ValuesOf<typeof runOptions>;

/** Its operands. */
export const runOperands: readonly OperandSpec[] = [{
  name: "KERNEL",
  summary:
    "the kernel's file, unless --config has it; without any, the built-in guest, or with --rootfs the host's or Debian's",
  optional: true,
  shape: FILE,
}];
