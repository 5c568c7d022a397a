/**
 * What the comparison of boots takes for a boot, told by commands that only look like monitors; tests/guest has one
 * with real ones.
 * @module
 */
import assert from "node:assert/strict";
import { timeBoot } from "../../bench/linux_boots.ts";

const monitor = (script: string) => ["sh", "-c", script] as const;

Deno.test("a boot's times are those of the first process's line and of the monitor's end", async () => {
  const { init, exit, processors } = await timeBoot(monitor(
    "printf 'warning: init sees 9\\n'; sleep 0.2; printf 'init sees 3 '; sleep 0.2; " +
      "printf 'processors\\r\\nRestarting'; sleep 0.2",
  ));
  assert.equal(processors, 3);
  assert(init >= 0.4 && exit >= init + 0.2, `${init} s, ${exit} s`);
});

Deno.test("a monitor that fails or whose guest has no first process is told of with what was said", async () => {
  await assert.rejects(
    timeBoot(monitor("echo init sees 1 processors; echo no disk >&2; exit 4")),
    /ended with status 4: init sees 1 processors\nno disk$/,
  );
  await assert.rejects(timeBoot(monitor("echo Kernel panic")), /ended with status 0: Kernel panic/);
});

Deno.test("a monitor that does not end is ended", async () => {
  await assert.rejects(timeBoot(monitor("echo hanging; exec sleep 1000"), 300), /: hanging$/);
});
