/**
 * Talks to a guest by its console, which any guest has. This one is fifteen bytes long, runs on any host with KVM, and
 * gives back what is typed.
 *
 *     deno run -A tests/examples/console.ts
 *
 * @module
 */
import { Machine } from "denovisor";

const bytes = Uint8Array.of(
  ...[0xba, 0xfd, 0x03], // again: mov dx, 0x3fd  (the serial port's line status)
  ...[0xec, 0xa8, 0x01], // wait:  in al, dx; test al, 1
  ...[0x74, 0xfb], //              jz wait
  ...[0xba, 0xf8, 0x03], //        mov dx, 0x3f8  (its data)
  ...[0xec, 0xee], //              in al, dx; out dx, al
  ...[0xeb, 0xf1], //              jmp again
);

await using vm = await Machine.start({
  kernel: { name: "echo", bytes },
  protocol: "flat",
  memory: "16M",
});
await vm.console.sendLine("hello, 42 times");
const [, times] = await vm.console.expect(/(\d+) times\n/);
console.log(`it said ${times}`);
await vm.stop();
console.log(await vm.ended);
