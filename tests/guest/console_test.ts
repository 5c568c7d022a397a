/**
 * The serial console of a stock kernel, in both directions.
 * @module
 */
import assert from "node:assert/strict";
import { bootGuest, guestTest } from "./boot.ts";

const encoder = new TextEncoder();

guestTest("a line that is typed is echoed, and reaches the program that reads it", async () => {
  let typed = false;
  const { end, text } = await bootGuest({
    guest: { command: 'echo ready; read line; echo "got <$line>"' },
    onOutput: (text, machine) => {
      if (typed || !/^ready$/m.test(text)) return;
      typed = true;
      machine.console.write(encoder.encode("hello from the host\r"));
    },
  });
  assert.deepEqual(end, { kind: "exit", status: 0 }, text);
  assert.match(text, /^hello from the host$/m, "the terminal's echo");
  assert.match(text, /^got <hello from the host>$/m);
});

guestTest("what is typed before the kernel has booted waits for the program", async () => {
  let typed = false;
  const { text } = await bootGuest({
    guest: { command: 'read line; echo "got <$line>"' },
    onOutput: (_text, machine) => {
      if (typed) return;
      typed = true;
      machine.console.write(encoder.encode("early bird\r"));
    },
  });
  assert.match(text, /^got <early bird>$/m);
});

guestTest("64 KiB typed at a raw terminal arrive whole", async () => {
  const line = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-";
  const all = `${line}\n`.repeat(64 * 1024 / (line.length + 1) | 0);
  const digest = await crypto.subtle.digest("SHA-256", encoder.encode(all));
  const hex = [...new Uint8Array(digest)].map((b) => b.toString(16).padStart(2, "0")).join("");
  let typed = false;
  const { text } = await bootGuest({
    guest: {
      command: `stty raw -echo; echo ready; head -c ${all.length} | sha256sum; stty sane`,
      terminal: true,
    },
    onOutput: (text, machine) => {
      if (typed || !/^ready\s/m.test(text)) return;
      typed = true;
      machine.console.write(encoder.encode(all));
    },
  });
  assert(text.includes(hex), text.slice(-500));
});
