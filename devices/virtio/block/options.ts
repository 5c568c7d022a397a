/**
 * How users describe a disk.
 * @module
 */
import {
  count,
  defineOptions,
  field,
  flag,
  oneOf,
  optional,
  path,
  size,
  type ValuesOf,
  withDefault,
} from "../../options.ts";
import { limitFields } from "../../limits/mod.ts";
import { BLOCK_FAULTS_FIELD } from "./fault_rules.ts";
import { ID_SIZE } from "./protocol.ts";

/**
 * When a write is on the disk.
 *
 * | mode           | a write that was reported done         | a flush of the guest's            |
 * | -------------- | -------------------------------------- | --------------------------------- |
 * | `writeback`    | survives the end of this process       | makes it survive a power cut      |
 * | `writethrough` | survives a power cut (RWF_DSYNC)       | is done, and finds nothing to do  |
 * | `direct`       | is past the host's cache (O_DIRECT)    | makes it survive a power cut      |
 * | `unsafe`       | survives the end of this process       | **is ignored**                    |
 *
 * A guest that doesn't flush, or that switches its write cache off, gets `writethrough` instead of `writeback` and
 * `direct`.
 */
export const CACHE_MODES = ["writeback", "writethrough", "direct", "unsafe"] as const;
/** One of {@linkcode CACHE_MODES}. */
export type CacheMode = typeof CACHE_MODES[number];

/** The most queues of a disk. */
const MAX_QUEUES = 16;

/** `--disk PATH,...` or `--disk memory=SIZE,...`, and the file's `disks`. */
export const BLOCK_OPTIONS = defineOptions({
  flag: "disk",
  field: "disks",
  multiplicity: "many",
  summary: "a disk: a raw image or a block device of the host, or with memory=SIZE one in memory",
  main: "path",
  fields: {
    path: optional(path("PATH", "the raw image or block device")),
    memory: optional(
      size("SIZE", "instead, an empty disk in the host's memory, which ends with the machine", 512),
    ),
    ro: flag("the guest can't write to it, and other machines may read it"),
    serial: optional(
      field("TEXT", "what the disk calls itself, up to 20 characters (its name)", readSerial),
    ),
    cache: withDefault(
      oneOf(
        "when a write is safe: at a flush, at once, at a flush and not cached by the host, or never",
        CACHE_MODES,
      ),
      "writeback",
    ),
    sector: withDefault(
      {
        ...field("512|4096", "the logical block size in bytes", readSectorSize),
        choices: ["512", "4096"],
      },
      512,
    ),
    queues: optional(count("N", "request queues (one for each vCPU, up to 4)", 1, MAX_QUEUES)),
    discard: withDefault(
      oneOf("whether discarded blocks are given back to the host", ["on", "off"]),
      "on",
    ),
    ...limitFields(""),
    faults: BLOCK_FAULTS_FIELD,
  },

  check({ path, memory, cache, sector }) {
    if (path === undefined && memory === undefined) {
      throw new TypeError("a disk needs a PATH, or memory=SIZE for one in the host's memory");
    }
    if (memory === undefined) return;
    if (path !== undefined) {
      throw new TypeError(
        `a disk is ${path} or in the host's memory; give either the path or memory=SIZE`,
      );
    }
    if (memory % sector !== 0) {
      throw new TypeError(
        `memory: it is a multiple of the sector's ${sector} bytes (got ${memory})`,
      );
    }
    if (cache === "direct") {
      throw new TypeError("cache: a disk in memory has no cache to go past; leave direct out");
    }
  },
});

/** A disk as its user wants it. */
export type BlockOptions = ValuesOf<typeof BLOCK_OPTIONS>;

function readSerial(given: unknown): string {
  // Drivers show it as text, and sysfs and udev make names of it.
  if (typeof given === "string" && /^[\x21-\x7e]+$/.test(given) && given.length <= ID_SIZE) {
    return given;
  }
  throw new TypeError(`it is 1 to ${ID_SIZE} printable ASCII characters without a space`);
}

function readSectorSize(given: unknown): 512 | 4096 {
  const number = Number(given);
  if (number === 512 || number === 4096) return number;
  throw new TypeError("it is 512 or 4096");
}
