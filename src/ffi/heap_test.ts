import assert from "node:assert/strict";
import { limitFreeHeap, trimHeap } from "./mod.ts";

const { symbols: libc } = Deno.dlopen("libc.so.6", {
  // void *malloc(size_t size);
  malloc: { parameters: ["usize"], result: "pointer" },
  // void free(void *ptr);
  free: { parameters: ["pointer"], result: "void" },
  // void *memcpy(void *dest, const void *src, size_t n);
  memcpy: { parameters: ["pointer", "buffer", "usize"], result: "pointer" },
});
const decoder = new TextDecoder();

/** What this process has of memory that is no file's, in KiB. */
function anonymous(): number {
  const text = Deno.readTextFileSync("/proc/self/smaps_rollup");
  return Number(/^Anonymous:\s+(\d+) kB$/m.exec(text)?.[1]);
}

/** A script of its own process, since the C library's settings are the process's. */
async function run(...words: string[]): Promise<Record<string, number>> {
  const { stdout, success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", import.meta.url, ...words],
  }).output();
  assert(success);
  return JSON.parse(decoder.decode(stdout));
}

/** Blocks below the size from which on they're mapped each for itself, together 32 MiB. */
const BLOCKS = 512;
const BLOCK_BYTES = 64 << 10;
const KIB = 1024;

/** Allocates and frees; nothing else may come to lie behind the blocks meanwhile. */
function allocate(): void {
  const bytes = new Uint8Array(BLOCK_BYTES).fill(1);
  const blocks: Deno.PointerValue[] = new Array(BLOCKS).fill(null);
  for (let i = 0; i < BLOCKS; i++) {
    blocks[i] = libc.malloc(BigInt(BLOCK_BYTES));
    libc.memcpy(blocks[i], bytes, BigInt(BLOCK_BYTES));
  }
  for (const block of blocks) libc.free(block);
}

if (import.meta.main) {
  // As a program that was read and freed does: the threshold is twice this then.
  const large = libc.malloc(24n << 20n);
  assert(large !== null);
  libc.free(large);
  const limited = Deno.args.includes("limited") ? Number(limitFreeHeap()) : -1;
  allocate();
  const left = anonymous();
  trimHeap();
  const result = { limited, left, trimmed: anonymous() };
  Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(result)));
} else {
  Deno.test("a heap that is limited gives back what is freed at its end", async () => {
    const [limited, free] = await Promise.all([run("limited"), run()]);
    assert.equal(limited.limited, 1);
    const less = free.left - limited.left;
    assert(less > 0.25 * BLOCKS * BLOCK_BYTES / KIB, `${free.left} KiB, and ${limited.left} KiB`);
  });

  Deno.test("a heap that is trimmed gives back what is free in it", async () => {
    const { left, trimmed } = await run();
    assert(left - trimmed > 0.25 * BLOCKS * BLOCK_BYTES / KIB, `${left} KiB, then ${trimmed} KiB`);
  });
}
