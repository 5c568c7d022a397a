/**
 * What a guest was told is on the disk is on the disk, though the monitor was killed the next moment.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { spawnDenovisor } from "../cli/process.ts";
import { emptyImage, knowsDirect } from "../guest/block_images.ts";
import { compile, COMPILER } from "../payloads/compile.ts";
import { type Way, WAYS } from "./native_machine.ts";
import { PATIENCE_MS, testDirect } from "./payload_machine.ts";

/** In the lab a machine takes seconds. */
const KILLS = Deno.env.has("DENOVISOR_LAB") ? 6 : 50;
/** So many are started at a time: most of a short run is its start. */
const AT_ONCE = 2;
/** A guest writes for less than so long. */
const LIFE_MS = 120;

/** As tests/payloads/native/block_writer.c has them. */
const RECORD_BYTES = 4096;
const WORDS = RECORD_BYTES / 4;
/** More than are written in such a life. */
const RECORDS = 65536;

const CACHES = ["writeback", "writethrough", "unsafe", ...await knowsDirect() ? ["direct"] : []];

/** One life of a monitor. */
interface Life {
  /** Unlike that of all lives before with the same image. */
  readonly salt: number;
  readonly way: Way;
  readonly cache: string;
  /** Whether the guest flushes what it writes before it counts on it. */
  readonly flush: boolean;
}

function lifeOf(salt: number): Life {
  const among = <T>(all: readonly T[], step: number) => all[Math.floor(salt / step) % all.length];
  return {
    salt,
    flush: among([false, true], 1),
    way: among(WAYS, 2),
    cache: among(CACHES, 2 * WAYS.length),
  };
}

/** Lives one, is killed under load, and gives the records that the guest believes to be written. */
async function live(image: string, { salt, way, cache, flush }: Life): Promise<number[]> {
  const cmdline = `${way.parameters} salt=${salt} flush=${Number(flush)}`;
  const disk = `${image},cache=${cache},sector=${RECORD_BYTES}`;
  const machine = ["--memory", "32M", "--transport", way.transport, "--cmdline", cmdline];
  const program = await compile("block_writer");
  const child = spawnDenovisor(["run", program, ...machine, "--disk", disk]);
  const errors = new Response(child.stderr).text();
  const kill = () => child.kill("SIGKILL");
  let timer = setTimeout(kill, PATIENCE_MS);
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout) {
    const begins = text === "";
    text += decoder.decode(chunk, { stream: true });
    if (!begins) continue;
    clearTimeout(timer);
    timer = setTimeout(kill, Math.random() * LIFE_MS);
  }
  clearTimeout(timer);
  await child.stdin.close();
  const { signal } = await child.status;
  assert.equal(signal, "SIGKILL", `it ended by itself: ${text.slice(-200)}\n${await errors}`);
  // The last line may have been cut off.
  return [...text.matchAll(/^done=(\d+)\n/gm)].map(([, record]) => Number(record));
}

/** What the guest has written to a record. */
function pattern(record: number, salt: number): Uint32Array {
  const first = Math.imul(record, 2654435761) + Math.imul(salt, 2246822519) + 1;
  return Uint32Array.from({ length: WORDS }, (_, i) => first + Math.imul(i, 40503));
}

/** Reads what is in the file, of which the monitor was the only other user. */
async function check(image: string, records: readonly number[], life: Life): Promise<void> {
  using file = await Deno.open(image);
  const bytes = new Uint8Array(RECORD_BYTES);
  const words = new Uint32Array(bytes.buffer);
  for (const record of records) {
    await file.seek(record * RECORD_BYTES, Deno.SeekMode.Start);
    assert.equal(await file.read(bytes), RECORD_BYTES);
    const expected = pattern(record, life.salt);
    const wrong = words.findIndex((word, i) => word !== expected[i]);
    const { way, cache, flush, salt } = life;
    const where = `record ${record} of ${records.length} in life ${salt}`;
    assert.equal(wrong, -1, `${where} (${way.name}, ${cache}, flush=${flush}), word ${wrong}`);
  }
}

testDirect(
  `of what a guest was told is written nothing is lost when the monitor is killed, ${KILLS} times (${
    CACHES.join(", ")
  })`,
  async () => {
    const folder = await Deno.makeTempDir({ prefix: "denovisor-kill-" });
    try {
      let next = 0;
      let total = 0;
      const lives = async (_: unknown, index: number) => {
        const image = await emptyImage(join(folder, `${index}.img`), RECORDS * RECORD_BYTES);
        while (next < KILLS) {
          const life = lifeOf(next++);
          const records = await live(image, life);
          await check(image, records, life);
          total += records.length;
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, lives));
      assert(total > 10 * KILLS, `only ${total} records were written in ${KILLS} lives`);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
  COMPILER,
);
