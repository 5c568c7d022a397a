/**
 * The loaders against the C headers of this host and the GNU linker.
 * @module
 */
import assert from "node:assert/strict";
import { GuestMemory } from "../src/memory/mod.ts";
import { SETUP_HEADER_FIELDS } from "./bzimage_header.ts";
import { ELF32_LAYOUT, ELF64_LAYOUT } from "./elf_header.ts";
import { loadKernel } from "./load.ts";
import { openImage } from "./open.ts";

/** Whether a program can be run here. */
function hasTool(name: string): boolean {
  try {
    return new Deno.Command(name, { args: ["--version"], stdout: "null", stderr: "null" })
      .outputSync().success;
  } catch {
    return false;
  }
}

const NO_COMPILER = !hasTool("gcc");
const NO_BINUTILS = NO_COMPILER || !hasTool("objcopy");

/** Runs a tool in `cwd` and gives what it prints. */
function run(cwd: string, name: string, ...args: string[]): string {
  const { success, stdout, stderr } = new Deno.Command(name, { args, cwd }).outputSync();
  assert.ok(success, `${name} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

/** Runs `action` with a directory of its own. */
function inTempDir(action: (directory: string) => void): void {
  const directory = Deno.makeTempDirSync({ prefix: "denovisor-loader-" });
  try {
    action(directory);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

/** What a C program prints that has one printf for each line of `expressions`: a line with a number. */
function numbersFromC(includes: string[], expressions: string[]): number[] {
  const source = [
    ...includes.map((name) => `#include <${name}>`),
    "#include <stddef.h>",
    "#include <stdio.h>",
    "int main(void) {",
    ...expressions.map((expression) => `printf("%zu\\n", (size_t)(${expression}));`),
    "}",
  ].join("\n");
  let output = "";
  inTempDir((directory) => {
    Deno.writeTextFileSync(`${directory}/a.c`, source);
    run(directory, "gcc", "-o", "a", "a.c");
    output = run(directory, `${directory}/a`);
  });
  return output.trim().split("\n").map(Number);
}

Deno.test({
  name: "the setup header's fields are where the kernel's <asm/bootparam.h> has them (needs gcc)",
  ignore: NO_COMPILER || Deno.build.arch !== "x86_64",
  fn: () => {
    const names = Object.keys(SETUP_HEADER_FIELDS) as (keyof typeof SETUP_HEADER_FIELDS)[];
    const numbers = numbersFromC(["asm/bootparam.h"], [
      ...names.map((name) => `offsetof(struct boot_params, hdr.${name})`),
      ...names.map((name) => `sizeof(((struct boot_params *)0)->hdr.${name})`),
      "LOADED_HIGH",
      "XLF_KERNEL_64",
    ]);
    const fields = names.map((name) => SETUP_HEADER_FIELDS[name]);
    assert.deepEqual(numbers, [
      ...fields.map(({ offset }) => offset),
      ...fields.map(({ size }) => size),
      1,
      1,
    ]);
  },
});

Deno.test({
  name: "the ELF headers' fields are where <elf.h> has them, in both classes (needs gcc)",
  ignore: NO_COMPILER,
  fn: () => {
    for (const [width, layout] of [[32, ELF32_LAYOUT], [64, ELF64_LAYOUT]] as const) {
      const [ehdr, phdr] = [`Elf${width}_Ehdr`, `Elf${width}_Phdr`];
      const numbers = numbersFromC(["elf.h"], [
        `sizeof(${ehdr})`,
        `sizeof(${phdr})`,
        `sizeof(Elf${width}_Addr)`,
        ...["e_entry", "e_phoff", "e_phentsize", "e_phnum"].map((name) =>
          `offsetof(${ehdr}, ${name})`
        ),
        ...["flags", "offset", "vaddr", "paddr", "filesz", "memsz", "align"]
          .map((name) => `offsetof(${phdr}, p_${name})`),
      ]);
      assert.deepEqual(numbers, Object.values(layout));
    }
  },
});

/** A program with text, data, bss and a PVH note, in sections whose load and virtual addresses differ. */
const KERNEL_SOURCE = `
    .section .text
    .globl start
start:
    hlt
    jmp start
    .globl pvh_start
pvh_start:
    nop
    hlt
    .fill 3000, 1, 0x90
    .section .data
    .globl words
words:
    .rept 500
    .long 0x12345678, start - BASE
    .endr
    .section .bss
    .skip 0x2345
    .section .note.Xen, "a", @note
    .align 4
    .long 4, 4, 18
    .asciz "Xen"
    .long pvh_start - BASE
`;

const LINKER_SCRIPT = `
ENTRY(start)
PHDRS { text PT_LOAD FLAGS(5); data PT_LOAD FLAGS(6); note PT_NOTE FLAGS(4); }
SECTIONS {
  . = BASE + 0x200000;
  .text : AT(ADDR(.text) - BASE) { *(.text) } :text
  .note : AT(ADDR(.note) - BASE) { *(.note.Xen) } :text :note
  . = ALIGN(0x1000);
  .data : AT(ADDR(.data) - BASE) { *(.data) } :data
  .bss : AT(ADDR(.bss) - BASE) { *(.bss) } :data
  end = .;
}
`;

Deno.test({
  name:
    "an ELF file that ld linked is loaded as objcopy lays it out, in both classes (needs binutils)",
  ignore: NO_BINUTILS || Deno.build.arch !== "x86_64",
  fn: () => {
    for (const [width, base] of [[32, "0xc0000000"], [64, "0xffffffff80000000"]] as const) {
      inTempDir((directory) => {
        const file = (name: string) => `${directory}/${name}`;
        Deno.writeTextFileSync(file("a.S"), KERNEL_SOURCE.replaceAll("BASE", base));
        Deno.writeTextFileSync(file("a.lds"), LINKER_SCRIPT.replaceAll("BASE", base));
        run(directory, "gcc", `-m${width}`, "-c", "-o", "a.o", "a.S");
        const emulation = width === 32 ? "elf_i386" : "elf_x86_64";
        run(directory, "ld", "-m", emulation, "-T", "a.lds", "-o", "a.elf", "a.o");
        run(directory, "objcopy", "-O", "binary", "a.elf", "a.bin");
        const symbols = new Map(
          run(directory, "nm", "a.elf").trim().split("\n").map((line) => {
            const [address, , name] = line.split(" ");
            return [name, Number(BigInt(`0x${address}`) - BigInt(base))];
          }),
        );
        const expected = Deno.readFileSync(file("a.bin"));
        const memory = GuestMemory.forTest(8 << 20);
        memory.fill(0, 8 << 20, 0xcc);
        using image = openImage(file("a.elf"), "kernel");
        const kernel = loadKernel(memory, image, {
          protocol: width === 32 ? "linux32" : "linux64",
        });
        assert.equal(kernel.entry, symbols.get("start"));
        const end = symbols.get("end") ?? assert.fail("no symbol end");
        assert.equal(kernel.ranges.at(-1)?.end, end);
        // objcopy pads the gap between the segments, where the loader writes nothing.
        for (const { start, end: pieceEnd } of kernel.ranges) {
          const loaded = memory.readBytes(start, pieceEnd - start);
          const flat = new Uint8Array(pieceEnd - start);
          flat.set(expected.subarray(start - 0x200000, pieceEnd - 0x200000));
          assert.deepEqual(loaded, flat);
        }
        assert.equal(loadKernel(memory, image).entry, symbols.get("pvh_start"));
        assert.equal(loadKernel(memory, image).protocol, "pvh");
      });
    }
  },
});
