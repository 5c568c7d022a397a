import assert from "node:assert/strict";
import { Fd, O_RDONLY } from "../../ffi/mod.ts";
import { heldAgain, heldMore, hostResources } from "./held.ts";

Deno.test("a descriptor that is open is seen, by what it leads to, until it is closed", async () => {
  const before = hostResources();
  assert.deepEqual(heldMore(before, before), []);
  const fd = Fd.open("/dev/full", O_RDONLY);
  const during = hostResources();
  assert.deepEqual(heldMore(before, during), ["descriptor of /dev/full"]);
  assert.deepEqual(heldMore(during, before), [], "less is not more");
  assert.deepEqual(heldMore(before, await heldAgain(before, 30)), ["descriptor of /dev/full"]);
  setTimeout(() => fd.close(), 30);
  assert.deepEqual(heldMore(before, await heldAgain(before, 5000)), []);
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
