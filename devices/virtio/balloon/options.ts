/**
 * How users describe a balloon.
 * @module
 */
import { count, defineOptions, flag, oneOf, size, withDefault } from "../../options.ts";

/** `--balloon` and the file's `balloon`. */
export const BALLOON_OPTIONS = defineOptions({
  flag: "balloon",
  field: "balloon",
  multiplicity: "one",
  summary: "a memory balloon: memory that the guest gives back to the host",
  main: "size",
  fields: {
    size: withDefault(size("SIZE", "how much memory the guest is to give back at first", 0), 0),
    "deflate-on-oom": withDefault(
      oneOf("whether the guest may take memory back when it has none left", ["on", "off"]),
      "on",
    ),
    stats: withDefault(
      count("SECONDS", "how often the guest tells its memory's statistics; 0: never", 0, 86_400),
      0,
    ),
    "free-page-reporting": flag("the guest tells which pages it does not use, as it frees them"),
  },
});
