import assert from "node:assert/strict";
import { releaseProgramPages } from "./mod.ts";

/** Of the program's mappings that can't be written to, how many KiB are in memory. */
function mappedConstants(): number {
  let kibibytes = 0;
  let counts = false;
  for (const line of Deno.readTextFileSync("/proc/self/smaps").split("\n")) {
    const [, permissions, path] = /^[0-9a-f]+-[0-9a-f]+ (\S+) \S+ \S+ \d+\s*(.*)$/.exec(line) ?? [];
    if (permissions !== undefined) counts = permissions[1] === "-" && path === Deno.execPath();
    const [, rss] = /^Rss:\s+(\d+) kB$/.exec(line) ?? [];
    if (counts && rss !== undefined) kibibytes += Number(rss);
  }
  return kibibytes;
}

Deno.test("a program that gives its pages back has fewer of them, and goes on with the same", async () => {
  const text = "the same text";
  const digest = () => crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  const before = await digest();
  // What this needs itself is mapped.
  const mapped = mappedConstants();
  const released = releaseProgramPages();
  const left = mappedConstants();
  const { size } = await Deno.stat(Deno.execPath());
  assert(released > size / 2 && released <= size, `${released} of ${size} bytes`);
  assert(left < mapped / 2, `${left} KiB were left of ${mapped}`);
  assert.deepEqual(await digest(), before);
});

Deno.test("pages can be given back while Workers run the program, again and again", async () => {
  const source = `let sum = 0;
    for (let i = 0; i < 3e5; i++) sum += JSON.parse(JSON.stringify({ i })).i % 7;
    postMessage(sum);`;
  const url = `data:text/javascript,${encodeURIComponent(source)}`;
  const sums = await Promise.all([1, 2].map((name) => {
    const worker = new Worker(url, { type: "module", name: `worker ${name}` });
    return new Promise<number>((resolve) => {
      const timer = setInterval(releaseProgramPages, 5);
      worker.onmessage = ({ data }) => {
        clearInterval(timer);
        worker.terminate();
        resolve(data);
      };
    });
  }));
  assert.equal(sums[0], sums[1]);
  assert(sums[0] > 0);
});
