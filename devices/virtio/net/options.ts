/**
 * How users describe a network card.
 * @module
 */
import {
  count,
  defineOptions,
  field,
  flag,
  optional,
  type ValuesOf,
  withDefault,
} from "../../options.ts";
import { INTERFACE_NAME_LIMIT } from "../../../src/ffi/mod.ts";
import { limitFields } from "../../limits/mod.ts";
import { NET_FAULTS_FIELD } from "./fault_rules.ts";
import { formatMac, isCardAddress, parseMac } from "./mac.ts";

/** The most pairs of queues. */
const PAIRS_MAX = 16;
/** The least and the most that an MTU can be (5.1.4.1). */
const MTU_MIN = 68;
const MTU_MAX = 65535;

/** The directions that are limited, as the guest sees them. */
export const LIMIT_PREFIXES = ["rx-", "tx-"] as const;

/**
 * `--net TAP,...` and the file's `nets`.
 *
 * The limits `rx-` are on what the guest receives, `tx-` on what it sends; each packet is an operation. Packets beyond
 * them wait: the guest's in its queue, the host's in the tap, which drops what it has no room for (its `txqueuelen`).
 */
export const NET_OPTIONS = defineOptions({
  flag: "net",
  field: "nets",
  multiplicity: "many",
  summary: "a network card on a tap interface of the host",
  main: "tap",
  fields: {
    tap: field(
      "NAME",
      "the tap interface; one that doesn't exist is made, if permitted, and lasts as long as the machine",
      readInterface,
    ),
    mac: optional(field("MAC", "the card's address (made of its name and the tap's)", readMac)),
    mtu: optional(
      count(
        "BYTES",
        "the largest packet, as the guest is told; set the tap's alike",
        MTU_MIN,
        MTU_MAX,
      ),
    ),
    queues: withDefault(
      count("N", "pairs of queues; more than one needs a tap made with multi_queue", 1, PAIRS_MAX),
      1,
    ),
    offload: withDefault(
      flag("whether segmentation and checksums are left to the other side"),
      true,
    ),
    ...limitFields(LIMIT_PREFIXES[0]),
    ...limitFields(LIMIT_PREFIXES[1]),
    faults: NET_FAULTS_FIELD,
  },
});

/** A network card as its user wants it. */
export type NetOptions = ValuesOf<typeof NET_OPTIONS>;

function readMac(given: unknown): string {
  const mac = typeof given === "string" ? parseMac(given) : undefined;
  if (mac === undefined) {
    throw new TypeError("it is six bytes in hexadecimal, such as 52:54:00:12:34:56");
  }
  if (!isCardAddress(mac)) {
    throw new TypeError(
      "it is one card's address: its first byte is even, and it is not all zeros",
    );
  }
  return formatMac(mac);
}

/** The kernel's rules for names (dev_valid_name), without `%`, which would have it choose one. */
function readInterface(given: unknown): string {
  const name = typeof given === "string" ? given : "";
  const bytes = new TextEncoder().encode(name).length;
  if (bytes > INTERFACE_NAME_LIMIT) {
    throw new TypeError(`it is an interface's name, of at most ${INTERFACE_NAME_LIMIT} bytes`);
  }
  if (name === "" || name === "." || name === ".." || /[\s/:%\0]/.test(name)) {
    throw new TypeError(
      "it is an interface's name, without spaces, slashes, colons and percent signs",
    );
  }
  return name;
}
