import assert from "node:assert/strict";
import { Settling } from "./settling.ts";

/** How many KiB of the program's code are in this process's memory. */
function mappedCode(): number {
  const smaps = Deno.readTextFileSync("/proc/self/smaps");
  const code = smaps.split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/)
    .filter((text) => /^\S+ r-xp /.test(text) && text.split("\n")[0].endsWith(Deno.execPath()));
  assert(code.length > 0);
  return Math.max(...code.map((text) => Number(/^Rss:\s+(\d+) kB$/m.exec(text)?.[1])));
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

Deno.test("a second after the last of several starts the program's pages are given back", async () => {
  const before = mappedCode();
  using _first = new Settling();
  await pause(600);
  using _second = new Settling();
  await pause(600);
  assert(mappedCode() >= before, "not while another one starts");
  await pause(700);
  assert(mappedCode() < before / 2, `of ${before} KiB ${mappedCode()} are left`);
});

Deno.test("nothing is done, and nothing left behind, for machines that have ended before", async () => {
  const waits = [new Settling(), new Settling()];
  for (const wait of waits) wait[Symbol.dispose]();
  waits[0][Symbol.dispose]();
  await pause(10);
});
