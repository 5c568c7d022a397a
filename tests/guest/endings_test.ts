/**
 * The ways in which a guest ends.
 * @module
 */
import assert from "node:assert/strict";
import { bootGuest, guestTest } from "./boot.ts";

guestTest("a power-off ends the machine as one", async () => {
  const { end, text } = await bootGuest({ cpus: 2, guest: { end: "power-off" } });
  assert.equal(end.kind, "power-off", text);
});

guestTest("a reboot ends the machine as a reset", async () => {
  const { end, text } = await bootGuest({ cpus: 2, guest: { end: "reboot" } });
  assert.equal(end.kind, "reset", text);
});

for (const way of ["acpi", "kbd", "bios"]) {
  guestTest(`a reboot through reboot=${way} ends the machine as a reset`, async () => {
    const { end, text } = await bootGuest({
      cmdline: `console=ttyS0 panic=-1 reboot=${way}`,
      guest: { end: "reboot" },
    });
    assert.equal(end.kind, "reset", text);
  });
}

guestTest("a kernel panic is reported with its message", async () => {
  const { end, text } = await bootGuest({ cpus: 2, guest: { end: "panic", command: "exit 3" } });
  assert.equal(end.kind, "panic", text);
  assert.match(
    end.kind === "panic" ? end.message : "",
    /^Attempted to kill init! exitcode=0x00000300/,
  );
});

guestTest("the guest's status is the machine's", async () => {
  const { end, text } = await bootGuest({ guest: { command: "exit 99" } });
  assert.deepEqual(end, { kind: "exit", status: 99 }, text);
});
