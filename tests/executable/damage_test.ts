/**
 * A damaged executable says so, or is ended by the kernel or the loader. It is never anything else: no plain Deno, which
 * would run what its arguments name, and no denovisor that does something else than it should.
 * @module
 */
import assert from "node:assert/strict";
import type { Layout } from "../../src/executable/layout.ts";
import { run } from "../../src/rootfs/command.ts";
import {
  copyExecutable,
  executable,
  executableTest,
  FOLDER,
  inParallel,
  SAID,
  SCRIPT,
} from "./host.ts";

/** What a damaged file is given: to Deno each would mean something. */
const COMMAND_LINES: readonly (readonly string[])[] = [
  ["--version"],
  [SCRIPT],
  ["run", "--allow-all", SCRIPT],
  ["eval", `console.log("${SAID}")`],
];

/** A program that does not end by itself is ended after that: one whose loop lost its end, say. */
const PATIENCE_MS = 20_000;

/** How a process ended. */
interface End {
  /** Its exit status, or the signal that ended it. */
  readonly how: number | string;
  readonly out: string;
  readonly err: string;
}

/**
 * Runs a program to its end. What the kernel takes for no program, the C library gives to a shell, which would run what
 * is left of it as commands; bash looks first whether it is text.
 */
async function end(program: string, args: readonly string[]): Promise<End> {
  const child = new Deno.Command("bash", {
    args: ["-c", 'exec "$0" "$@"', program, ...args],
    cwd: FOLDER,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGALRM"), PATIENCE_MS);
  const { code, signal, stdout, stderr } = await child.output();
  clearTimeout(timer);
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { how: signal ?? code, out: decode(stdout), err: decode(stderr) };
}

/** Signals of the kernel to a program that can't go on. */
const CRASHES = ["SIGSEGV", "SIGBUS", "SIGILL", "SIGTRAP", "SIGFPE", "SIGABRT", "SIGSYS"];

/** Whether a file was told to be damaged, with a remedy. */
function says({ how, out, err }: End): boolean {
  return how === 125 && out === "" && /^denovisor: .*damaged.*(?:[Cc]opy|[Bb]uild).*\n$/.test(err);
}

/** Whether a file was refused by the kernel or by the loader, or ended by the kernel. */
function isRefused({ how, out, err }: End): boolean {
  if (out !== "") return false;
  if (typeof how === "string") return CRASHES.includes(how);
  // The loader's status for whatever it can't do (ld.so(8)), and a shell's for a word that is no command.
  if (how === 127) return err !== "";
  return how === 126 && /cannot execute|Exec format error/.test(err);
}

/** Whether it has failed, and done nothing: Deno may have reported a crash, or our own first code what was wrong. */
function hasFailed({ how, out }: End): boolean {
  return how !== 0 && out === "";
}

/** What an intact file does. */
async function intact(): Promise<readonly End[]> {
  const ends: End[] = [];
  for (const args of COMMAND_LINES) ends.push(await end(executable(), args));
  assert.match(ends[0].out, /^denovisor \d/);
  for (const { out } of ends) assert(!out.includes(SAID), out);
  return ends;
}

/** What the executable says of its own parts: it's in the arguments that its first code inserts. */
function layoutOf(bytes: Uint8Array): Layout {
  const text = new TextDecoder("latin1").decode(bytes.subarray(Math.floor(bytes.length * 0.9)));
  const begin = `data:text/javascript,${encodeURIComponent("const LAYOUT=")}`;
  const at = text.indexOf(begin);
  assert(at !== -1, "it has no layout");
  const rest = decodeURIComponent(text.slice(at + begin.length, text.indexOf("\0", at)));
  return JSON.parse(rest.slice(0, rest.indexOf(";")));
}

/** Where the parts of an ELF file are that the kernel looks at (elf(5)). */
function elfOf(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const programHeaders = Number(view.getBigUint64(32, true)); // e_phoff
  const size = view.getUint16(54, true); // e_phentsize
  const count = view.getUint16(56, true); // e_phnum
  const entry = Number(view.getBigUint64(24, true)); // e_entry
  for (let i = 0; i < count; i++) {
    const at = programHeaders + i * size;
    const offset = Number(view.getBigUint64(at + 8, true)); // p_offset
    const address = Number(view.getBigUint64(at + 16, true)); // p_vaddr
    const length = Number(view.getBigUint64(at + 32, true)); // p_filesz
    const isLoaded = view.getUint32(at, true) === 1; // PT_LOAD
    if (isLoaded && entry >= address && entry < address + length) {
      return { headers: programHeaders + size * count, segment: offset, code: entry - address };
    }
  }
  assert.fail("its entry is in no segment");
}

const whole = async () => await Deno.readFile(executable());

/** Checks a damaged file with every command line. @param allowed which ends may be beside a message */
async function check(
  program: string,
  what: string,
  allowed: (end: End, index: number) => boolean,
): Promise<void> {
  for (const [index, args] of COMMAND_LINES.entries()) {
    const it = await end(program, args);
    const told = `${what}: ${args.join(" ")}: ${JSON.stringify(it)}`;
    assert(!it.out.includes(SAID), told);
    assert.doesNotMatch(it.out, /^deno \d/, told);
    assert(says(it) || allowed(it, index), told);
  }
}

/** Writes a damaged copy, checks and removes it. */
async function checkBytes(
  pieces: readonly Uint8Array<ArrayBuffer>[],
  what: string,
  allowed: (end: End, index: number) => boolean = () => false,
): Promise<void> {
  const path = await Deno.makeTempFile({ dir: FOLDER, prefix: "damaged-" });
  try {
    await Deno.writeFile(path, ReadableStream.from(pieces));
    await Deno.chmod(path, 0o755);
    await check(path, what, allowed);
  } finally {
    await Deno.remove(path);
  }
}

executableTest("cut off among its own parts says so", async () => {
  const bytes = await whole();
  const { size, offset, length } = layoutOf(bytes);
  assert.equal(size, bytes.length);
  const places = {
    "the first byte of the main program": offset,
    "within the main program": offset + 1000,
    "within the Workers' and files'": offset + length - 1000,
    "before the checksum": offset + length,
    "within the checksum": size - 16,
    "at the last byte": size - 1,
  };
  for (const [where, at] of Object.entries(places)) {
    await checkBytes([bytes.subarray(0, at)], where);
  }
});

executableTest("cut off before its own parts is refused by the kernel or the loader", async () => {
  const bytes = await whole();
  const { segment } = elfOf(bytes);
  const { offset } = layoutOf(bytes);
  const places = {
    "one byte": 1,
    "the ELF header": 64,
    "a page": 4096,
    "a tenth": Math.floor(bytes.length / 10),
    "half": Math.floor(bytes.length / 2),
    "all but the last page of Deno's part": segment - 4096,
    "all of Deno's part": segment,
    "a byte of the segment": segment + 1,
    "half of the segment": segment + ((offset - segment) >> 1),
    "nearly all of the segment": offset - 1,
  };
  for (const [what, at] of Object.entries(places)) {
    await checkBytes([bytes.subarray(0, at)], what, isRefused);
  }
});

executableTest("emptied does nothing", async () => {
  // To a shell it's a script without a command.
  await checkBytes([], "nothing", ({ how, out }) => (how === 0 || how === 126) && out === "");
});

executableTest("with something behind it says so", async () => {
  const bytes = await whole();
  const more = {
    "a byte": new Uint8Array(1),
    "a line": new TextEncoder().encode("\n"),
    "a script": new TextEncoder().encode(`\nconsole.log("${SAID}");\n`),
    "itself": bytes,
  };
  for (const [what, behind] of Object.entries(more)) await checkBytes([bytes, behind], what);
});

executableTest("transferred as text is refused", async () => {
  const bytes = await whole();
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  const end = new TextEncoder().encode("\r\n");
  for (let at = 0; at < bytes.length;) {
    const next = bytes.indexOf(0x0a, at);
    const to = next === -1 ? bytes.length : next;
    pieces.push(bytes.subarray(at, to));
    if (next !== -1) pieces.push(end);
    at = to + 1;
  }
  await checkBytes([new Uint8Array(await new Blob(pieces).arrayBuffer())], "CRLF", isRefused);
});

executableTest("stripped says so, or is refused", async () => {
  const path = await copyExecutable("stripped");
  for (const options of [[], ["--strip-all"], ["--strip-debug"], ["--strip-unneeded"]]) {
    await Deno.copyFile(executable(), path);
    await run(["strip", ...options, path]);
    await check(path, `strip ${options.join()}`, isRefused);
  }
}, "strip");

/** Damages one copy after another in place, a few at a time, and mends each after that. */
async function damageInPlace(
  changes: readonly { readonly at: number; readonly bytes: Uint8Array; readonly what: string }[],
  allowed: (end: End, index: number) => boolean,
): Promise<void> {
  const copies = await Promise.all([0, 1, 2].map((i) => copyExecutable(`changed-${i}`)));
  try {
    await inParallel(changes, async ({ at, bytes, what }) => {
      const path = copies.pop()!;
      const before = new Uint8Array(bytes.length);
      const write = (data: Uint8Array) => {
        using file = Deno.openSync(path, { read: true, write: true });
        file.seekSync(at, Deno.SeekMode.Start);
        if (data === bytes) {
          assert.equal(file.readSync(before), before.length);
          file.seekSync(at, Deno.SeekMode.Start);
        }
        assert.equal(file.writeSync(data), data.length);
      };
      write(bytes);
      try {
        await check(path, what, allowed);
      } finally {
        write(before);
        copies.push(path);
      }
    });
  } finally {
    for (const path of copies) await Deno.remove(path);
  }
}

/** A byte with one bit changed. Which one is as good as chance, and the same in each run. */
function flipped(bytes: Uint8Array, at: number) {
  const bit = (Math.imul(at, 0x9e3779b1) >>> 29) & 7;
  return { at, bytes: Uint8Array.of(bytes[at] ^ (1 << bit)), what: `bit ${bit} of byte ${at}` };
}

/** Numbers from `from` to `to`, `count` of them. */
function spread(from: number, to: number, count: number): number[] {
  const step = Math.max(1, (to - from) / count);
  const numbers: number[] = [];
  for (let at = from; at < to; at += step) numbers.push(Math.floor(at));
  return numbers;
}

executableTest("with a bit changed in its own parts says so", async () => {
  const bytes = await whole();
  const { offset, length, main, workers, assets } = layoutOf(bytes);
  const places = [...Object.values(main), ...Object.values(workers), ...Object.values(assets)]
    .flatMap(
      ([at, size]) => [at, at + size - 1].map((place) => offset + place),
    );
  const more = spread(offset, offset + length, 10);
  await damageInPlace([...places, ...more].map((at) => flipped(bytes, at)), () => false);
});

executableTest("with a part of it zeros says so", async () => {
  const bytes = await whole();
  const { size, offset, length } = layoutOf(bytes);
  const page = (offset + 4096) & ~4095;
  await damageInPlace([
    { at: page, bytes: new Uint8Array(4096), what: "a page" },
    { at: offset, bytes: new Uint8Array(length >> 1), what: "the first half" },
    {
      at: offset + (length >> 1),
      bytes: new Uint8Array(size - offset - (length >> 1)),
      what: "half",
    },
    { at: offset, bytes: new Uint8Array(length), what: "all parts" },
  ], () => false);
});

executableTest(
  "with a bit changed in its first code or headers does what it should, or ends",
  async () => {
    const bytes = await whole();
    const wanted = await intact();
    const { headers, segment, code } = elfOf(bytes);
    const { offset } = layoutOf(bytes);
    const same = (it: End, index: number) => JSON.stringify(it) === JSON.stringify(wanted[index]);
    const places = [
      ...spread(0, headers, 150),
      ...spread(segment + code, segment + code + 300, 150),
      ...spread(segment, offset, 50),
    ];
    await damageInPlace(
      places.map((at) => flipped(bytes, at)),
      (it, index) => hasFailed(it) || same(it, index),
    );
  },
);

executableTest("with a bit changed in Deno's part is no plain Deno", async () => {
  const bytes = await whole();
  const wanted = await intact();
  const { segment } = elfOf(bytes);
  const same = (it: End, index: number) => JSON.stringify(it) === JSON.stringify(wanted[index]);
  await damageInPlace(
    spread(4096, segment, 60).map((at) => flipped(bytes, at)),
    (it, index) => hasFailed(it) || same(it, index),
  );
});
