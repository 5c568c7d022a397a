import assert from "node:assert/strict";
import { join } from "node:path";
import { withFolder } from "../host/testing.ts";
import { ElfError, ElfProgram, type Machine, MACHINES } from "./elf.ts";
import { run } from "./process.ts";
import { buildSegment, sumOfWords } from "./segment.ts";

/** Compilers, and how what they make is run, where it isn't this machine's own. */
const ARCHITECTURES: Readonly<Record<Machine, { compiler: string; emulator: readonly string[] }>> =
  {
    x86_64: { compiler: "x86_64-linux-gnu-gcc", emulator: [] },
    aarch64: {
      compiler: "aarch64-linux-gnu-gcc",
      emulator: ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"],
    },
  };

/** A program that prints its arguments and its environment, and whether the auxiliary vector is where it belongs. */
const SOURCE = `
#include <stdio.h>
#include <sys/auxv.h>
#include <unistd.h>
extern char **environ;
static const char in_data[] = "a constant";
static int in_bss[4096];
int main(int argc, char **argv) {
  for (int i = 0; i < argc; i++) printf("arg %s\\n", argv[i]);
  if (argv[argc] != 0) puts("argv is not ended");
  char **variable = environ;
  for (; *variable; variable++) printf("env %s\\n", *variable);
  unsigned long *auxv = (unsigned long *)(variable + 1);
  for (; auxv[0] != AT_NULL; auxv += 2)
    if (auxv[0] == AT_PAGESZ) printf("page %d\\n", auxv[1] == (unsigned long)getpagesize());
  for (int i = 0; i < 4096; i++) if (in_bss[i] != 0) puts("bss is not zero");
  return in_data[0] == 'a' ? 7 : 8;
}`;

function runs(program: string): boolean {
  try {
    return new Deno.Command(program, { args: ["--version"] }).outputSync().success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function compiled(compiler: string, folder: string, ...flags: string[]): Promise<string> {
  const [source, program] = [join(folder, "program.c"), join(folder, "program")];
  await Deno.writeTextFile(source, SOURCE);
  // As Rust does it, `environ` is reached by the global offset table.
  await run([compiler, "-O1", "-fPIC", ...flags, "-o", program, source]);
  return program;
}

/** Puts a segment into the program at `path`. @returns where the segment is in the file */
async function insertInto(path: string, damage = 0): Promise<number> {
  const bytes = await Deno.readFile(path);
  const program = new ElfProgram(bytes, path);
  const segment = buildSegment(program.place, {
    args: ["inserted", "", "with space"],
    variables: ["ADDED=1", "DENO_ADDED=2"],
    message: "damaged!\n",
  });
  assert.equal(sumOfWords(segment), 0);
  const head = program.add(segment.length);
  // In the last of the strings.
  segment[segment.length - 8] ^= damage;
  const all = new Uint8Array(head.length + segment.length);
  all.set(head);
  all.set(segment, head.length);
  await Deno.writeFile(path, all, { mode: 0o755 });
  return head.length;
}

/** Runs a program with an environment of exactly these variables. */
async function printed(
  command: readonly string[],
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<{ code: number; lines: string[] }> {
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const { code, stdout, stderr } = await new Deno.Command("env", {
    args: ["-i", ...variables, ...command, ...args],
  }).output();
  const decoder = new TextDecoder();
  const text = decoder.decode(stdout) + decoder.decode(stderr);
  return { code, lines: text.split("\n").filter((line) => line !== "") };
}

for (const machine of Object.keys(ARCHITECTURES) as Machine[]) {
  const { compiler, emulator } = ARCHITECTURES[machine];
  const isNative = machine === Deno.build.arch;
  const ignore = !runs(compiler) || !isNative && !emulator.slice(0, 1).every(runs);
  const command = (program: string) => isNative ? [program] : [...emulator, program];

  Deno.test({
    name: `an ${machine} program with a segment gets what was inserted, and all that was given`,
    ignore,
    fn: () =>
      withFolder(async (folder) => {
        for (const flags of [["-pie"], ["-no-pie"]]) {
          const program = await compiled(compiler, folder, ...flags);
          await insertInto(program);
          const env = {
            FIRST: "1",
            DENO_DIR: "/x",
            DENO: "stays",
            NODE_OPTIONS: "x",
            HOME: "/root",
            OTEL_DENO: "1",
            HOMES: "2",
            D: "",
            NODEX: "_",
          };
          const { code, lines } = await printed(command(program), ["a", "", "--b c"], env);
          assert.equal(code, 7, lines.join("\n"));
          const of = (kind: string) => lines.filter((line) => line.startsWith(kind));
          assert.deepEqual(of("arg"), [
            ..."inserted,,with space,a,,--b c".split(",").map((arg) => `arg ${arg}`),
          ]);
          const variables = of("env").filter((line) => !/^env (LD_|QEMU_)/.test(line));
          // The emulator hands the given ones over in an order of its own.
          assert.deepEqual(
            isNative ? variables : [...variables.slice(0, -2).reverse(), ...variables.slice(-2)],
            ["FIRST=1", "DENO=stays", "HOMES=2", "D=", "NODEX=_", "ADDED=1", "DENO_ADDED=2"].map((
              v,
            ) => `env ${v}`),
          );
          assert.deepEqual(of("page"), ["page 1"]);
          assert.equal(lines.length, of("arg").length + of("env").length + 1, lines.join("\n"));
        }
      }),
  });

  Deno.test({
    name: `an ${machine} program whose segment is damaged or cut off says so and does nothing else`,
    ignore,
    fn: () =>
      withFolder(async (folder) => {
        const program = await compiled(compiler, folder, "-pie");
        const start = await insertInto(program, 0x40);
        assert.deepEqual(await printed(command(program), [], {}), {
          code: 125,
          lines: ["damaged!"],
        });
        // What is behind the file's end in its last page is zero.
        await compiled(compiler, folder, "-pie");
        await insertInto(program);
        const { size } = await Deno.stat(program);
        assert(size > start + 0x100);
        await Deno.truncate(program, size - 8);
        assert.deepEqual(await printed(command(program), [], {}), {
          code: 125,
          lines: ["damaged!"],
        });
      }),
  });

  Deno.test({
    name: `an ${machine} program with a segment is in order for readelf`,
    ignore: ignore || !runs("readelf"),
    fn: () =>
      withFolder(async (folder) => {
        const program = await compiled(compiler, folder, "-pie");
        await insertInto(program);
        const { out, err } = await run(["readelf", "-lW", program]);
        assert.equal(err, "");
        const loads = out.split("\n").filter((line) => /^\s+LOAD/.test(line));
        const addresses = loads.map((line) => Number(line.trim().split(/\s+/)[2]));
        assert.deepEqual(addresses, addresses.toSorted((a, b) => a - b));
        assert.match(loads.at(-1)!, /R E 0x10000$/);
        assert.equal(Number(/Entry point (0x[0-9a-f]+)/.exec(out)![1]), addresses.at(-1));
      }),
  });
}

/** An ELF header with these program headers: type and size in the file. */
function image(
  machine: number,
  headers: readonly (readonly [type: number, size: number])[],
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(64 + 56 * headers.length);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1]);
  view.setUint16(18, machine, true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, headers.length, true);
  for (const [i, [type, size]] of headers.entries()) {
    view.setUint32(64 + 56 * i, type, true);
    view.setBigUint64(64 + 56 * i + 32, BigInt(size), true);
  }
  return bytes;
}

const [LOAD, NOTE] = [1, 4];

Deno.test("a file that no segment can be added to is refused with the reason and its name", () => {
  const x86 = MACHINES.x86_64;
  const cases: readonly (readonly [Uint8Array<ArrayBuffer>, RegExp])[] = [
    [new Uint8Array(0), /not a 64-bit little-endian ELF file/],
    [new TextEncoder().encode("#!/bin/sh\n".repeat(10)), /not a 64-bit little-endian ELF file/],
    [image(3, [[LOAD, 1], [NOTE, 1]]), /machine 3/],
    [image(x86, [[NOTE, 1]]), /no PT_LOAD/],
    [image(x86, [[LOAD, 1]]), /no PT_NOTE/],
    [image(x86, [[LOAD, 1000], [NOTE, 1]]), /cut off/],
    [image(x86, [[LOAD, 1], [NOTE, 1]]).subarray(0, 100), /program headers are not in the file/],
  ];
  for (const [bytes, reason] of cases) {
    assert.throws(() => new ElfProgram(bytes.slice(), "some/file"), (error) => {
      assert(error instanceof ElfError);
      assert.match(error.message, reason);
      assert.match(error.message, /^some\/file: /);
      return true;
    });
  }
});

/** Moves the first note in the table of program headers to another place. */
async function moveNote(path: string, to: number): Promise<void> {
  const bytes = await Deno.readFile(path);
  const view = new DataView(bytes.buffer);
  const table = Number(view.getBigUint64(32, true));
  const count = view.getUint16(56, true);
  const headers = Array.from({ length: count }, (_, i) => {
    return bytes.slice(table + 56 * i, table + 56 * (i + 1));
  });
  const note = headers.findIndex((header) => header[0] === NOTE);
  headers.splice(to < 0 ? count - 1 : to, 0, ...headers.splice(note, 1));
  for (const [i, header] of headers.entries()) bytes.set(header, table + 56 * i);
  await Deno.writeFile(path, bytes);
}

Deno.test({
  name: "the note becomes the last segment, wherever in the table it was",
  ignore: Deno.build.arch !== "x86_64" || !runs(ARCHITECTURES.x86_64.compiler),
  fn: () =>
    withFolder(async (folder) => {
      // Behind PT_PHDR and PT_INTERP, which have to be before every PT_LOAD; among those; and at the end.
      for (const place of [2, 4, -1]) {
        const program = await compiled(ARCHITECTURES.x86_64.compiler, folder, "-pie");
        await moveNote(program, place);
        await insertInto(program);
        const { code, lines } = await printed([program], [], {});
        assert.equal(code, 7, lines.join("\n"));
        assert(lines.includes("arg inserted"));
      }
    }),
});
