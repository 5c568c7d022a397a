import assert from "node:assert/strict";
import { ConfigError, parseConfig, parseSize } from "./config.ts";

function problemsOf(input: unknown): readonly string[] {
  try {
    parseConfig(input);
  } catch (error) {
    assert(error instanceof ConfigError);
    return error.problems;
  }
  throw new Error("the configuration was accepted");
}

Deno.test("a kernel is all that a configuration needs", () => {
  assert.deepEqual(parseConfig({ kernel: "vmlinuz" }), {
    kernel: "vmlinuz",
    protocol: "auto",
    flat: { mode: 16 },
    modules: [],
    memory: 512 << 20,
    cpus: 1,
    hugePages: "auto",
    transport: "pci",
    console: "serial",
    devices: [],
    userDevices: [],
  });
});

Deno.test("a kernel may be given as bytes with a name, and is not copied", () => {
  const kernel = { name: "a kernel", bytes: Uint8Array.of(0xf4) };
  const checked = parseConfig({ kernel }).kernel;
  assert(typeof checked === "object");
  assert.equal(checked.name, "a kernel");
  assert.equal(checked.bytes, kernel.bytes);
});

Deno.test("a kernel that is neither a path nor bytes with a name is refused, with the field", () => {
  const bytes = Uint8Array.of(0xf4);
  assert.match(problemsOf({ kernel: 5 })[0], /^kernel: a kernel is the path of a file, or an obj/);
  assert.match(problemsOf({ kernel: { name: "", bytes } })[0], /^kernel.name: the name is empty/);
  assert.match(problemsOf({ kernel: { name: "k", bytes: new Uint8Array() } })[0], /no bytes/);
  assert.match(problemsOf({ kernel: { name: "k", bytes: [1] } })[0], /^kernel: .* Uint8Array/);
  assert.match(problemsOf({ kernel: { bytes } })[0], /^kernel: .* a name and the bytes/);
});

Deno.test("sizes are numbers with binary units", () => {
  assert.equal(parseSize("512M"), 512 * 2 ** 20);
  assert.equal(parseSize("1.5GiB"), 1.5 * 2 ** 30);
  assert.equal(parseSize("64kb"), 65536);
  assert.equal(parseSize("4096"), 4096);
  for (const text of ["", "M", "-1M", "1X", "1e9", "0x100", "1.3", "1 000"]) {
    assert.equal(parseSize(text), undefined, text);
  }
});

Deno.test("every field that is wrong is named, with what was given", () => {
  assert.deepEqual(problemsOf({ kernel: "", memory: "lots", cpus: 0 }), [
    'kernel: the path is empty (got "")',
    'memory: a size is a number with an optional unit, such as 512M, 2G or 1048576 (got "lots")',
    "cpus: a machine needs at least one vCPU (got 0)",
  ]);
});

Deno.test("memory that is not whole pages, or less than any kernel needs, is refused", () => {
  assert.match(problemsOf({ kernel: "k", memory: 2 ** 21 + 1 })[0], /multiple of 4096/);
  assert.match(problemsOf({ kernel: "k", memory: "4K" })[0], /at least 2M/);
});

Deno.test("too many vCPUs, or a part of one, are refused with the bound", () => {
  assert.match(problemsOf({ kernel: "k", cpus: 255 })[0], /^cpus: a machine has at most 254 vCPUs/);
  assert.match(problemsOf({ kernel: "k", cpus: 1.5 })[0], /^cpus: a whole number/);
});

Deno.test("an unknown field and a missing kernel are named", () => {
  const problems = problemsOf({ kernal: "vmlinuz" });
  assert(problems.some((p) => p.startsWith("kernel: it is required")), problems.join());
  assert(
    problems.includes("kernal: there is no such field; did you mean kernel?"),
    problems.join(),
  );
});
