/**
 * Sixteen machines at once in this process, each of which prints its number and ends.
 *
 *     deno run -A tests/examples/many.ts
 *
 * @module
 */
import { Machine } from "denovisor";

/** Prints a letter, and ends with status 0: mov dx, 0x3f8; mov al, letter; out dx, al; mov al, 0; out 0xf4, al. */
function program(letter: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(0xba, 0xf8, 0x03, 0xb0, letter, 0xee, 0xb0, 0, 0xe6, 0xf4);
}

const letters = Array.from("ABCDEFGHIJKLMNOP", (letter) => letter.charCodeAt(0));
const printed = await Promise.all(letters.map(async (letter) => {
  await using vm = await Machine.start({
    kernel: { name: "letter", bytes: program(letter) },
    protocol: "flat",
    memory: "4M",
  });
  await vm.ended;
  return vm.console.text;
}));
console.log(printed.join(""));
