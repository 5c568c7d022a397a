import assert from "node:assert/strict";
import { e820Map } from "./e820.ts";
import { BootSetupError } from "./errors.ts";
import { COMMAND_LINE, PVH_START_INFO, ramRanges } from "./memory_map.ts";
import { buildPvhStartInfo } from "./pvh.ts";

const memoryMap = e820Map(ramRanges(5 * 2 ** 30));
const image = { protocol: "pvh", entry: 0x100_0000 } as const;

Deno.test("PVH's start info points at the command line, the RSDP, the initrd and the memory map", () => {
  const initrd = { address: 0x700_0000, size: 0x12_3456 };
  const bytes = buildPvhStartInfo({ ...image, initrd }, memoryMap, 0xe0000);
  const view = new DataView(bytes.buffer);
  const u64 = (at: number) => Number(view.getBigUint64(at, true));
  assert.equal(view.getUint32(0, true), 0x336ec578);
  assert.equal(view.getUint32(4, true), 1, "the version with a memory map");
  assert.equal(view.getUint32(12, true), 1, "one module");
  const modlist = u64(16) - PVH_START_INFO.base;
  assert.equal(u64(modlist), initrd.address);
  assert.equal(u64(modlist + 8), initrd.size);
  assert.equal(u64(24), COMMAND_LINE.base);
  assert.equal(u64(32), 0xe0000);
  assert.equal(view.getUint32(48, true), memoryMap.length);
  const memmap = u64(40) - PVH_START_INFO.base;
  const read = memoryMap.map((_, i) => ({
    base: u64(memmap + 24 * i),
    size: u64(memmap + 24 * i + 8),
    type: view.getUint32(memmap + 24 * i + 16, true),
  }));
  assert.deepEqual(read, memoryMap);
  assert.equal(bytes.length, 56 + 32 + 24 * memoryMap.length);
});

Deno.test("PVH's start info without an initrd has no module list", () => {
  const view = new DataView(buildPvhStartInfo(image, memoryMap, 0).buffer);
  assert.equal(view.getUint32(12, true), 0);
  assert.equal(view.getBigUint64(16, true), 0n);
});

Deno.test("PVH's start info refuses a memory map that does not fit its page", () => {
  const many = Array.from({ length: 200 }, (_, i) => ({ base: i * 4096, size: 4096, type: 1 }));
  assert.throws(() => buildPvhStartInfo(image, many, 0), BootSetupError);
});
