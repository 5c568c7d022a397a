/**
 * Holds the plan of the house: which room may import which, and who may touch foreign memory.
 * @module
 */
import assert from "node:assert/strict";
import { dirname, relative, resolve } from "node:path";

const root = resolve(import.meta.dirname!, "..");

/** What each room's files may import from, beside their own room. A longer path is its own room. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  "src/ffi": [],
  "src/kvm": ["src/ffi"],
  "src/memory": ["src/ffi"],
  "src/bus": [],
  "src/arch": ["src/kvm", "src/memory"],
  "src/vcpu": ["src/kvm", "src/bus", "src/ffi", "src/memory"],
  "src/guest": [],
  "src/host": [],
  // It names the modules of Workers and the files of the program by their paths, and imports none.
  "src/parts": [],
  // Only wrappers of src/ffi, and only in a device's backend.
  "devices": ["src/memory", "src/bus", "src/ffi"],
  "loader": ["src/memory"],
  "src/rootfs": ["src/parts", "src/host", "loader"],
  "src/machine": [
    "src/vcpu",
    "src/kvm",
    "src/arch",
    "src/memory",
    "src/bus",
    "src/ffi",
    "src/guest",
    "src/parts",
    "devices",
    "loader",
  ],
  "src/cli": [
    "src/machine",
    "src/vm",
    "src/guest",
    "src/host",
    "src/kvm",
    "src/memory",
    "src/arch",
    "src/ffi",
    "src/parts",
  ],
  // The task that builds the executable.
  "src/executable": ["src/parts", "src/cli", "devices"],
  "src/vm": [
    "src/machine",
    "src/guest",
    "src/host",
    "src/rootfs",
    "src/memory",
    "src/kvm",
    "src/parts",
    "devices",
    "loader",
  ],
  "mod.ts": ["src/machine", "src/vm"],
};

/** The TypeScript files that git tracks or would track, relative to the root. */
async function sources(): Promise<string[]> {
  const { stdout, success } = await new Deno.Command("git", {
    args: ["ls-files", "--cached", "--others", "--exclude-standard", "*.ts"],
    cwd: root,
  }).output();
  assert(success, "git can't list the files of this checkout");
  const files = new TextDecoder().decode(stdout).trim().split("\n");
  const present = [];
  for (const file of files) {
    if (await Deno.stat(resolve(root, file)).then(() => true, () => false)) present.push(file);
  }
  return present;
}

function isTest(file: string): boolean {
  return /_(test|bench)(_worker)?\.ts$/.test(file) || /^(tests|bench)\//.test(file);
}

/** The room that a file belongs to, or undefined outside every room. */
function roomOf(file: string): string | undefined {
  return Object.keys(allowed).find((room) => file === room || file.startsWith(room + "/"));
}

/** The files that `file` imports, relative to the root; packages are left out. */
function importsOf(file: string, text: string): string[] {
  const found: string[] = [];
  // An example in a doc comment imports by the package's name, which is not relative.
  const pattern = /(?:from|import\(?|new URL\()\s*"(\.{1,2}\/[^"]+)"/g;
  for (const match of text.matchAll(pattern)) {
    found.push(relative(root, resolve(root, dirname(file), match[1])));
  }
  return found;
}

Deno.test("each room imports only the rooms below it", async () => {
  const wrong: string[] = [];
  let seen = 0;
  for (const file of await sources()) {
    const room = roomOf(file);
    if (isTest(file) || room === undefined) continue;
    for (const target of importsOf(file, await Deno.readTextFile(resolve(root, file)))) {
      seen++;
      const other = roomOf(target);
      if (other === room || (other !== undefined && allowed[room].includes(other))) continue;
      wrong.push(`${file} imports ${target}`);
    }
  }
  assert(seen > 20, `only ${seen} imports were seen: the pattern no longer matches`);
  assert.deepEqual(wrong, []);
});

Deno.test("no file outside src/ffi opens a library or makes a pointer", async () => {
  const wrong: string[] = [];
  for (const file of await sources()) {
    if (file.startsWith("src/ffi/") || file === "tests/layering_test.ts") continue;
    const text = await Deno.readTextFile(resolve(root, file));
    if (/Deno\.(dlopen|Unsafe\w+)/.test(text)) wrong.push(file);
  }
  assert.deepEqual(wrong, []);
});

Deno.test("every file of the house is in a room that the plan knows", async () => {
  const wrong = (await sources()).filter((file) => !isTest(file) && roomOf(file) === undefined);
  assert.deepEqual(wrong, []);
});
