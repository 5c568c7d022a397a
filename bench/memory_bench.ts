/**
 * What checked access to guest memory costs: a million words of 4 bytes, in an order that strides over 64 MiB; 64 MiB
 * copied in pages; and 512 MiB of RAM made, touched in each 2 MiB, and given back. Beside each, a monitor's plain array
 * in C, compiled for the occasion, and for the words a bare DataView without checks of its range.
 * @module
 */
import { GuestRam } from "../src/memory/mod.ts";
import { Peer } from "./peer.ts";

const SIZE = 64 << 20;
const WORDS = 1_000_000;
const STRIDE = 4 * 4099;
const PAGE = 4096;
const LARGE = 512 << 20;
const HUGE_PAGE = 2 << 20;

const directory = await Deno.makeTempDir();
const peer = await Peer.start(directory, "memory_peer").finally(() =>
  Deno.remove(directory, { recursive: true })
);
const ram = GuestRam.allocate([{ guestAddress: 0, size: SIZE }]);
const { memory } = ram;
memory.fill(0, SIZE, 1);
const slice = memory.slice(0, SIZE);
const view = new DataView(slice.buffer, slice.byteOffset, SIZE);
const page = new Uint8Array(PAGE);
/** What was read goes somewhere, so that reading can't be left out. */
let sink = 0;

function eachWord(access: (at: number, i: number) => void): void {
  for (let i = 0, at = 0; i < WORDS; i++, at = (at + STRIDE) % SIZE) access(at, i);
}

const reads = `${WORDS} words read`;
Deno.bench(`${reads}, C`, { group: reads, baseline: true }, async () => await peer.run("r"));
Deno.bench(`${reads}, DataView`, { group: reads }, () => {
  eachWord((at) => sink += view.getUint32(at, true));
});
Deno.bench(`${reads}, guest memory`, { group: reads }, () => {
  eachWord((at) => sink += memory.readU32(at));
});

const writes = `${WORDS} words written`;
Deno.bench(`${writes}, C`, { group: writes, baseline: true }, async () => await peer.run("w"));
Deno.bench(`${writes}, DataView`, { group: writes }, () => {
  eachWord((at, i) => view.setUint32(at, i, true));
});
Deno.bench(`${writes}, guest memory`, { group: writes }, () => {
  eachWord((at, i) => memory.writeU32(at, i));
});

const out = `${SIZE >> 20} MiB copied out in pages`;
Deno.bench(`${out}, C`, { group: out, baseline: true }, async () => await peer.run("c"));
Deno.bench(`${out}, guest memory`, { group: out }, () => {
  for (let at = 0; at < SIZE; at += PAGE) memory.read(at, page);
});

const into = `${SIZE >> 20} MiB copied in in pages`;
Deno.bench(`${into}, C`, { group: into, baseline: true }, async () => await peer.run("i"));
Deno.bench(`${into}, guest memory`, { group: into }, () => {
  for (let at = 0; at < SIZE; at += PAGE) memory.write(at, page);
});

const made = `${LARGE >> 20} MiB made and given back`;
Deno.bench(`${made}, C`, { group: made, baseline: true }, async () => await peer.run("m"));
Deno.bench(`${made}, guest RAM`, { group: made }, () => {
  using large = GuestRam.allocate([{ guestAddress: 0, size: LARGE }]);
  for (let at = 0; at < LARGE; at += HUGE_PAGE) large.memory.writeU8(at, 1);
});
if (Number.isNaN(sink)) throw new Error("a word is no number");
