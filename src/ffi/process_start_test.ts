import assert from "node:assert/strict";
import { ageOf } from "./process_start.ts";

Deno.test("a process is as old as its first thread was busy, within the tick that the kernel tells", () => {
  assert.equal(ageOf({ sinceTick: 25, tick: 10, busy: 18 }), 18);
  assert.equal(ageOf({ sinceTick: 25, tick: 10, busy: 3 }), 15, "a thread that slept");
  assert.equal(
    ageOf({ sinceTick: 25, tick: 10, busy: 26 }),
    25,
    "one that was busy before an exec",
  );
});

Deno.test("a process's start is told to 10 ms by whoever started it", async () => {
  const code = `import { processStart } from ${
    JSON.stringify(import.meta.resolve("./process_start.ts"))
  };
    const start = performance.timeOrigin + processStart();
    console.log(JSON.stringify({ start, origin: performance.timeOrigin }));`;
  const before = performance.timeOrigin + performance.now();
  const { stdout, success } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", code],
    env: { DENO_NO_UPDATE_CHECK: "1" },
  }).output();
  assert(success);
  const { start, origin } = JSON.parse(new TextDecoder().decode(stdout));
  assert(start <= origin, `it began at ${start}, after Deno's own ${origin}`);
  assert(start >= before - 11, `it began at ${start}, and was asked for at ${before}`);
});
