/**
 * The kernel's own header judges the rings: a C program lays them out, offers buffers in them, and reads what the
 * device has put there.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { GuestMemory } from "../../../src/memory/mod.ts";
import { passed } from "../testing/fake_queue.ts";
import { DescriptorChain } from "./chain.ts";
import { openQueue } from "./mod.ts";
import { DESC_F_INDIRECT, DESC_F_NEXT, DESC_F_WRITE } from "./ring_area.ts";

const MEMORY_SIZE = 0x10000;

const PROGRAM = String.raw`
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_ring.h>

static unsigned char memory[${MEMORY_SIZE}] __attribute__((aligned(4096)));
static struct vring ring;
static struct vring_packed_desc *packed = (void *)(memory + 0x1000);
static struct vring_packed_desc_event *driver_event = (void *)(memory + 0x2000);
static struct vring_packed_desc_event *device_event = (void *)(memory + 0x2004);

static unsigned at(void *p) { return (unsigned char *)p - memory; }

static void constants(void)
{
  printf("{\"next\":%d,\"write\":%d,\"indirect\":%d,\"size\":%zu,\"packedSize\":%zu,", VRING_DESC_F_NEXT,
    VRING_DESC_F_WRITE, VRING_DESC_F_INDIRECT, sizeof(struct vring_desc), sizeof(struct vring_packed_desc));
  printf("\"needEvent\":[");
  unsigned x = 1;
  for (int i = 0; i < 3000; i++) {
    unsigned short v[3];
    for (int j = 0; j < 3; j++) v[j] = (x = x * 1103515245 + 12345) >> 16;
    /* Mostly near each other, or they would seldom matter. */
    if (i % 4) v[1] = v[0] + v[1] % 40 - 20, v[2] = v[1] - v[2] % 30;
    printf("%s[%u,%u,%u,%d]", i ? "," : "", v[0], v[1], v[2], vring_need_event(v[0], v[1], v[2]));
  }
  printf("]}");
}

/* A buffer of 7 bytes to read and 16 to write, and one of a table with 5 and 6. */
static void offer_split(void)
{
  struct vring_desc *d = ring.desc, *t = (void *)(memory + 0xa000);
  d[2] = (struct vring_desc){ 0x8000, 7, VRING_DESC_F_NEXT, 5 };
  d[5] = (struct vring_desc){ 0x9000, 16, VRING_DESC_F_WRITE, 0 };
  d[1] = (struct vring_desc){ 0xa000, 2 * sizeof(*t), VRING_DESC_F_INDIRECT, 0 };
  t[0] = (struct vring_desc){ 0x8100, 5, VRING_DESC_F_NEXT, 1 };
  t[1] = (struct vring_desc){ 0x9100, 6, VRING_DESC_F_WRITE, 0 };
  ring.avail->ring[0] = 2;
  ring.avail->ring[1] = 1;
  ring.avail->idx = 2;
  vring_used_event(&ring) = 1;
  printf("{\"descriptorArea\":%u,\"driverArea\":%u,\"deviceArea\":%u}", at(ring.desc), at(ring.avail),
    at(ring.used));
}

static void offer_packed(void)
{
  const int available = 1 << VRING_PACKED_DESC_F_AVAIL;
  struct vring_packed_desc *t = (void *)(memory + 0xa000);
  packed[0] = (struct vring_packed_desc){ 0x8000, 7, 0, VRING_DESC_F_NEXT | available };
  packed[1] = (struct vring_packed_desc){ 0x9000, 16, 40, VRING_DESC_F_WRITE | available };
  packed[2] = (struct vring_packed_desc){ 0xa000, 2 * sizeof(*t), 41, VRING_DESC_F_INDIRECT | available };
  t[0] = (struct vring_packed_desc){ 0x8100, 5, 0, 0 };
  t[1] = (struct vring_packed_desc){ 0x9100, 6, 0, VRING_DESC_F_WRITE };
  driver_event->off_wrap = 2 | 1 << VRING_PACKED_EVENT_F_WRAP_CTR;
  driver_event->flags = VRING_PACKED_EVENT_FLAG_DESC;
  printf("{\"descriptorArea\":%u,\"driverArea\":%u,\"deviceArea\":%u}", at(packed), at(driver_event),
    at(device_event));
}

static void used_split(void)
{
  printf("{\"idx\":%u,\"flags\":%u,\"availEvent\":%u,\"used\":[", ring.used->idx, ring.used->flags,
    vring_avail_event(&ring));
  for (int i = 0; i < 2; i++)
    printf("%s[%u,%u]", i ? "," : "", ring.used->ring[i].id, ring.used->ring[i].len);
  printf("]}");
}

static void used_packed(void)
{
  const int used = 1 << VRING_PACKED_DESC_F_USED | 1 << VRING_PACKED_DESC_F_AVAIL;
  printf("{\"offset\":%u,\"wrap\":%u,\"isDesc\":%d,\"used\":[", device_event->off_wrap & 0x7fff,
    device_event->off_wrap >> VRING_PACKED_EVENT_F_WRAP_CTR,
    device_event->flags == VRING_PACKED_EVENT_FLAG_DESC);
  /* The table's buffer came back first, and takes one place. */
  for (int i = 0; i < 2; i++)
    printf("%s[%u,%u,%d,%d]", i ? "," : "", packed[i].id, packed[i].len, (packed[i].flags & used) == used,
      (packed[i].flags & VRING_DESC_F_WRITE) != 0);
  printf("]}");
}

int main(int argc, char **argv)
{
  vring_init(&ring, 8, memory + 0x1000, 4096);
  if (!strcmp(argv[1], "constants")) { constants(); return 0; }
  int offers = !strncmp(argv[1], "offer", 5), is_split = strstr(argv[1], "split") != NULL;
  FILE *file = fopen(argv[2], offers ? "wb" : "rb");
  if (!file) return 1;
  if (offers) {
    memcpy(memory + 0x8000, "readme!", 7);
    memcpy(memory + 0x8100, "table", 5);
    is_split ? offer_split() : offer_packed();
    return fwrite(memory, sizeof(memory), 1, file) != 1 || fclose(file);
  }
  if (fread(memory, sizeof(memory), 1, file) != 1) return 1;
  is_split ? used_split() : used_packed();
  return 0;
}
`;

const directory = await Deno.makeTempDir();
addEventListener("unload", () => Deno.removeSync(directory, { recursive: true }));

/** Compiles the program, the first time. */
async function compile(): Promise<void> {
  const program = join(directory, "rings");
  if (await Deno.stat(program).then(() => true, () => false)) return;
  const source = join(directory, "rings.c");
  await Deno.writeTextFile(source, PROGRAM);
  const args = ["-Wall", "-Werror", "-O1", "-o", program, source];
  const { success, stderr } = await new Deno.Command("gcc", { args }).output();
  assert(success, new TextDecoder().decode(stderr));
}

/** What the program prints, as JSON. */
async function ask(...args: string[]) {
  await compile();
  const { success, stdout } = await new Deno.Command(join(directory, "rings"), { args }).output();
  assert(success, `rings ${args.join(" ")} failed`);
  return JSON.parse(new TextDecoder().decode(stdout));
}

Deno.test("the rings' constants are those of linux/virtio_ring.h", async () => {
  const { needEvent, ...constants } = await ask("constants");
  assert.deepEqual(constants, {
    next: DESC_F_NEXT,
    write: DESC_F_WRITE,
    indirect: DESC_F_INDIRECT,
    size: 16,
    packedSize: 16,
  });
  // By this the tests' driver and model reckon who must be told.
  for (const [event, next, old, needed] of needEvent as number[][]) {
    assert.equal(passed(event, next, (next - old) & 0xffff), needed === 1);
  }
  assert(needEvent.some(([, , , needed]: number[]) => needed === 1));
});

for (const layout of ["split", "packed"] as const) {
  Deno.test(`a ${layout} ring that C has filled is read, and C reads what comes back`, async () => {
    const file = join(directory, layout);
    const areas = await ask(`offer-${layout}`, file);
    const memory = GuestMemory.forTest(MEMORY_SIZE);
    memory.write(0, await Deno.readFile(file));
    const features = { packed: layout === "packed", eventIdx: true, indirect: true };
    let interrupts = 0;
    const queue = openQueue(memory, { index: 0, size: 8, ...areas }, features, () => interrupts++);

    const chains = [new DescriptorChain(8), new DescriptorChain(8)];
    const texts = chains.map((chain) => {
      assert(queue.pop(chain));
      const bytes = new Uint8Array(chain.readableBytes);
      chain.read(memory, 0, bytes);
      return new TextDecoder().decode(bytes);
    });
    assert.deepEqual(texts, ["readme!", "table"]);
    assert.deepEqual(chains.map(({ addresses }) => [...addresses.subarray(0, 2)]), [
      [0x8000, 0x9000],
      [0x8100, 0x9100],
    ]);
    assert.deepEqual(chains.map(({ writableBytes }) => writableBytes), [16, 6]);
    assert(!queue.pop(new DescriptorChain(8)));
    queue.push(chains[1], 6);
    queue.push(chains[0], 0);
    queue.flush();
    assert.equal(interrupts, 1);

    await Deno.writeFile(file, memory.readBytes(0, MEMORY_SIZE));
    const seen = await ask(`used-${layout}`, file);
    if (layout === "split") {
      assert.deepEqual(seen, { idx: 2, flags: 0, availEvent: 2, used: [[1, 6], [2, 0]] });
    } else {
      const used = [[41, 6, 1, 1], [40, 0, 1, 0]];
      assert.deepEqual(seen, { offset: 3, wrap: 1, isDesc: 1, used });
    }
  });
}
