/**
 * How users describe a console device: by its ports.
 * @module
 */
import { defineOptions, field, flag, optional, path, type ValuesOf } from "../../options.ts";

/** The longest name of a port; it becomes a file's name in the guest (/dev/virtio-ports/NAME). */
const MAX_NAME = 63;

/** `--port NAME,...` and the file's `ports`. */
export const CONSOLE_OPTIONS = defineOptions({
  flag: "port",
  field: "ports",
  multiplicity: "parts",
  summary: "a byte channel to the guest, /dev/virtio-ports/NAME there",
  main: "name",
  fields: {
    name: field("NAME", "what the guest calls it", readName),
    file: optional(path("PATH", "append what the guest writes to a file")),
    uds: optional(path("PATH", "a Unix socket that one client at a time may connect to")),
    pty: optional(path("LINK", "a pseudo-terminal of the host, with a symbolic link to it")),
    stdio: flag("standard input and output, where the machine's console leaves them alone"),
  },
});

/** One port as its user wants it. */
export type PortOptions = ValuesOf<typeof CONSOLE_OPTIONS>;

/** The name that stands for the port with the machine's console, which no user can give. */
export const CONSOLE_NAME = "";

function readName(given: unknown): string {
  if (
    typeof given === "string" && /^[A-Za-z0-9][\w.:-]*$/.test(given) && given.length <= MAX_NAME
  ) {
    return given;
  }
  throw new TypeError(
    `it is 1 to ${MAX_NAME} letters, digits and .:_-, and begins with one of the first`,
  );
}
