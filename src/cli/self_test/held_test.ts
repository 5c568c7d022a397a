import assert from "node:assert/strict";
import { Fd, O_RDONLY } from "../../ffi/mod.ts";
import { heldAgain, heldMore, type HostResources, hostResources } from "./held.ts";

Deno.test("a descriptor that is open is seen, by what it leads to, until it is closed", async () => {
  // The threads of the tests' runner come and go.
  const more = (before: HostResources, after: HostResources) =>
    heldMore(before, after).filter((line) => line.startsWith("descriptor"));
  const before = hostResources();
  assert.deepEqual(more(before, before), []);
  const fd = Fd.open("/dev/full", O_RDONLY);
  const during = hostResources();
  assert.deepEqual(more(before, during), ["descriptor of /dev/full"]);
  assert.deepEqual(more(during, before), [], "less is not more");
  assert.deepEqual(more(before, await heldAgain(before, 30)), ["descriptor of /dev/full"]);
  setTimeout(() => fd.close(), 30);
  assert.deepEqual(more(before, await heldAgain(before, 5000)), []);
});

Deno.test("what is there more often than before is more, for each kind", () => {
  const before = { fds: ["a", "b"], threads: ["w"], mappings: 1, live: 2 };
  const after = { fds: ["a", "b", "b"], threads: ["w", "x"], mappings: 3, live: 3 };
  assert.deepEqual(heldMore(before, after), [
    "descriptor of b",
    "thread x",
    "2 mappings of guest memory or vCPUs",
    "1 mappings that are kept alive",
  ]);
});
