import assert from "node:assert/strict";
import { parseMemory, readMemory } from "./process_memory.ts";

const mapping = (head: string, pss: number, anonymous: number) =>
  [head, `Rss:  ${pss * 2} kB`, `Pss:   ${pss} kB`, "Pss_Dirty: 8 kB", `Anonymous: ${anonymous} kB`]
    .join("\n");

Deno.test("guests' memory is told apart from the monitor's own, by its name", () => {
  const text = [
    mapping("55d0-55e0 r-xp 00000000 fe:00 1234                       /usr/bin/deno", 2048, 0),
    mapping("7f00-7f10 rw-s 00000000 00:01 7      /memfd:guest-memory (deleted)", 10240, 0),
    mapping("7f10-7f20 rw-s 00000000 00:01 7  /memfd:memory-backend-memfd (deleted)", 1024, 0),
    mapping("7f20-7f30 rw-p 00000000 00:00 0", 512, 512),
    mapping("7f30-7f40 rw-p 00000000 00:00 0                          [heap]", 1024, 1024),
  ].join("\n");
  assert.deepEqual(parseMemory(text), { own: 3.5, anonymous: 1.5, guests: 11 });
});

Deno.test("this process has memory of its own and no guest's", () => {
  const { own, anonymous, guests } = readMemory(Deno.pid);
  assert.ok(own > anonymous && anonymous > 1, `${own} MiB, of which ${anonymous} are anonymous`);
  assert.equal(guests, 0);
});

Deno.test("text of another kind is refused", () => {
  assert.throws(() => parseMemory("nothing\n"), /no text of an smaps file/);
});
