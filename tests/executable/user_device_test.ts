/**
 * Devices that users have written, in the executable: it imports their files, in which `denovisor/devices` is named
 * though there is no such file.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { assemble } from "../payloads/assemble.ts";
import { compile } from "../payloads/compile.ts";
import { FOLDER, guestTest, PLAINLY, runBy } from "./host.ts";

/** Puts one of the examples into a folder that knows nothing of denovisor. */
async function example(name: string): Promise<void> {
  await Deno.copyFile(new URL(`../examples/${name}`, import.meta.url), join(FOLDER, name));
}

async function portKernel(): Promise<string> {
  return (await assemble("user_port", { defines: { PORT: 0xe00, SEED: 5 } })).path;
}

guestTest("runs a bus device of the user's, in TypeScript and with its options", async () => {
  await example("dice.ts");
  const args = ["run", await portKernel(), "--device", "dice.ts,sides=20"];
  const { status, out, err } = await runBy(PLAINLY, args, { cwd: FOLDER });
  assert.equal(status, 50, err);
  assert.match(out, /^00000006\n(000000[01][0-9a-f]\n){7}$/);
  assert.equal(err, "denovisor: dice0: it is at port 0xe00\n");
});

guestTest("runs a virtio device of the user's", async () => {
  await example("rot13.ts");
  const kernel = await compile("turned");
  const args = ["run", kernel, "--cmdline", "ports=0xcf8 text=Hello", "--device", "./rot13.ts"];
  const expected = { status: 0, out: "places=13\nUryyb\n".repeat(2) + "done\n", err: "" };
  assert.deepEqual(await runBy(PLAINLY, args, { cwd: FOLDER }), expected);
}, "gcc");

guestTest("runs a device that imports nothing but types, and files beside it", async () => {
  await Deno.writeTextFile(join(FOLDER, "seven.ts"), "export const seven: number = 7;");
  await Deno.writeTextFile(
    join(FOLDER, "plain.ts"),
    `import type { BusDeviceDefinition } from "denovisor/devices";
    import { seven } from "./seven.ts";
    export default {
      ranges: [{ space: "pio", base: 0xe00, size: 1 }],
      attach: () => ({ read: () => seven, write() {} }),
    } satisfies BusDeviceDefinition;`,
  );
  const args = ["run", await portKernel(), "--device", join(FOLDER, "plain.ts")];
  const expected = { status: 50, out: "00000007\n".repeat(8), err: "" };
  assert.deepEqual(await runBy(PLAINLY, args), expected);
});

guestTest("tells what is wrong with a device of the user's, by its file and line", async () => {
  await Deno.writeTextFile(
    join(FOLDER, "throws.ts"),
    `export default {
      ranges: [{ space: "pio", base: 0xe00, size: 1 }],
      attach: () => ({ read() { throw new Error("no luck"); }, write() {} }),
    };`,
  );
  const kernel = await portKernel();
  const failed = await runBy(PLAINLY, ["run", kernel, "--device", "throws.ts"], { cwd: FOLDER });
  assert.equal(failed.status, 125);
  assert.match(
    failed.err,
    /the device throws0 .*: read of 1 byte at offset 0 threw Error: no luck/,
  );
  assert.match(failed.err, /throws\.ts:3:\d+\)\n$/);
  const missing = await runBy(PLAINLY, ["run", kernel, "--device", "/missing.ts"]);
  assert.equal(missing.status, 123);
  assert.match(missing.err, /Module not found "file:\/\/\/missing\.ts"/);
});
