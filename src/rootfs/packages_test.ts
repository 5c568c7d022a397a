import assert from "node:assert/strict";
import { join } from "node:path";
import { RootfsError } from "./errors.ts";
import { parseStanza, verify } from "./packages.ts";

const HELLO_SHA256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

const STANZA = `Package: hello
Version: 1:2.10-3+b1
Depends: libc6 (>= 2.34),
 libgcc-s1
Filename: pool/main/h/hello/hello_2.10-3_amd64.deb
Size: 5
SHA256: ${HELLO_SHA256.toUpperCase()}

Package: hello
Version: 1.0
`;

Deno.test("apt's description of a package gives its version, hash, size and dependencies", () => {
  assert.deepEqual(parseStanza("hello", STANZA), {
    name: "hello",
    version: "1:2.10-3+b1",
    sha256: HELLO_SHA256,
    size: 5,
    depends: "libc6 (>= 2.34),\n libgcc-s1",
  });
});

Deno.test("a description of another package, or without a hash, is none", () => {
  assert.equal(parseStanza("goodbye", STANZA), undefined);
  assert.equal(parseStanza("hello", STANZA.replace(/^SHA256.*$/m, "")), undefined);
  assert.equal(parseStanza("hello", STANZA.replace(/^SHA256.*$/m, "SHA256: 1234")), undefined);
  assert.equal(parseStanza("hello", ""), undefined);
});

/** Runs code that has the packages module as `packages`, with fake apt commands first in PATH. */
async function withFakeApt(
  scripts: Record<string, string>,
  code: string,
  check: (result: { code: number; stdout: string; stderr: string; folder: string }) => void,
  path = "/usr/bin:/bin",
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    for (const [name, script] of Object.entries(scripts)) {
      await Deno.writeTextFile(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    }
    const modules = ["packages", "cache"].map((name) =>
      `import * as ${name} from ${JSON.stringify(import.meta.resolve(`./${name}.ts`))};`
    );
    const result = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-config", modules.join("\n") + code],
      env: {
        HOME: folder,
        PATH: `${folder}:${path}`,
        XDG_CACHE_HOME: join(folder, "cache"),
        DENO_NO_UPDATE_CHECK: "1",
      },
      clearEnv: true,
    }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    check({
      code: result.code,
      stdout: text(result.stdout),
      stderr: text(result.stderr),
      folder,
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const APT_CACHE = `cat <<'END'\n${STANZA}\nEND`;

Deno.test("a package that is not what apt's lists say is not used and leaves nothing", () =>
  withFakeApt(
    { "apt-cache": APT_CACHE, "apt-get": "printf jello > hello.deb" },
    `
    try {
      await cache.cached("hello", (folder, signal) =>
        packages.unpackPackage("hello", folder, signal).then(() => {}));
    } catch (error) {
      console.log(error.name, error.message);
    }`,
    ({ stdout, folder }) => {
      assert.match(stdout, /^RootfsError hello\.deb is not hello 1:2\.10-3\+b1: /);
      const left = [...Deno.readDirSync(join(folder, "cache", "denovisor"))];
      assert.deepEqual(left.map((entry) => entry.name), [".hello.lock"]);
    },
  ));

Deno.test("a file is verified by its size and its hash", async () => {
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, "hello");
    const wanted = { name: "hello", version: "1", sha256: HELLO_SHA256, size: 5, depends: "" };
    await verify(file, wanted);
    await assert.rejects(verify(file, { ...wanted, size: 6 }), RootfsError);
    await assert.rejects(verify(file, { ...wanted, sha256: "0".repeat(64) }), RootfsError);
    await assert.rejects(verify(`${file}-not`, wanted), /cannot be read/);
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("where there is no apt, the missing commands and their packages are named", () =>
  withFakeApt(
    { present: "exit 0" },
    `
    await packages.ensureDebianPackages({ present: "whatever" });
    try {
      await packages.ensureDebianPackages({ present: "a", iasl: "acpica-tools", xz: "xz-utils" });
    } catch (error) {
      console.log(error.name, error.message);
    }`,
    ({ stdout, stderr }) => {
      assert.equal(
        stdout,
        "MissingCommandsError not installed: iasl, xz (there is no apt-get here). Install with: " +
          "apt-get update && apt-get install --no-install-recommends acpica-tools xz-utils\n",
        stderr,
      );
    },
    "/nonexistent",
  ));

Deno.test({
  name: "as root, a missing command's package is installed once and then found",
  ignore: Deno.uid() !== 0,
  fn: () =>
    withFakeApt(
      {
        "apt-cache": APT_CACHE,
        "apt-get": `
          echo "$@" >> "$HOME/calls"
          printf '#!/bin/sh\\n' > "$HOME/greet" && chmod 755 "$HOME/greet"`,
      },
      `
      await packages.ensureDebianPackages({ greet: "hello" });
      await packages.ensureDebianPackages({ greet: "hello" });`,
      ({ code, stderr, folder }) => {
        assert.equal(code, 0, stderr);
        const calls = Deno.readTextFileSync(join(folder, "calls")).trim().split("\n");
        assert.equal(calls.length, 1);
        assert.match(calls[0], /^install -y .* hello$/);
      },
    ),
});
