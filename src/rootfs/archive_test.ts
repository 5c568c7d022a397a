/**
 * Disk images of archives, held to the tools of others: umoci and skopeo make and unpack images, e2fsck and
 * debugfs look at what comes of them.
 *
 * @module
 */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { withFolder } from "../host/testing.ts";
import { archiveImage, layoutImage } from "./archive.ts";
import { findCommand, run, runText } from "./command.ts";
import { RootfsError } from "./errors.ts";
import { makeTar, writeFiles } from "./testing.ts";

const root = Deno.uid() === 0;
const tools = (...names: string[]) => names.every((name) => findCommand(name) !== undefined);
const ext4 = tools("mkfs.ext4", "debugfs", "e2fsck");

/** What find(1) tells of a folder: paths, modes, owners, kinds, links and sizes. */
async function listing(folder: string): Promise<string[]> {
  const text = await runText(["find", "-mindepth", "1", "-printf", "%P %m %U:%G %y %l %n %s\n"], {
    cwd: folder,
  });
  // Folders' sizes and links are the file system's own affair.
  return text.trim().split("\n").map((line) => line.replace(/( d .*)$/, " d")).sort();
}

/** Takes an image apart with debugfs, after e2fsck has found nothing wrong with it. */
async function contentOf(image: string, folder: string): Promise<string[]> {
  await run(["e2fsck", "-fn", image]);
  await Deno.mkdir(folder);
  await run(["debugfs", "-R", `rdump / ${folder}`, image]);
  await Deno.remove(join(folder, "lost+found"), { recursive: true });
  // debugfs copies each name of a file apart from its others, with owners and modes, and no links.
  // The places to mount on, which are in every image.
  const places = /^(dev|proc|run|sys|tmp) 755 0:0 d$/;
  const lines = (await listing(folder)).filter((line) => !places.test(line));
  assert.equal(lines.length + 5, (await listing(folder)).length);
  return lines.map((line) => line.replace(/ [0-9]+ ([0-9]+)$/, " 1 $1"));
}

/** An image in three layers, with links, whiteouts and an opaque folder. */
async function makeLayout(folder: string): Promise<string> {
  const [tree, layout] = [join(folder, "tree"), join(folder, "layout")];
  await writeFiles(tree, {
    "bin/program": "#!/bin/sh\n",
    "etc/motd": "hello\n",
    "etc/old": "old\n",
    "var/cache/a": "a",
    "var/cache/b/c": "c",
  });
  await Deno.symlink("bin", join(tree, "sbin"));
  await Deno.chmod(join(tree, "bin/program"), 0o751);
  await run(["chown", "12:34", join(tree, "etc/motd")]);
  await writeFiles(join(folder, "upper"), { "new": "new", "b/d": "d" });
  const image = `${layout}:v1`;
  for (
    const command of [
      ["init", "--layout", layout],
      ["new", "--image", image],
      ["insert", "--image", image, tree, "/"],
      ["insert", "--image", image, "--whiteout", "/etc/old"],
      ["insert", "--image", image, "--opaque", join(folder, "upper"), "/var/cache"],
      ["config", "--image", image, "--config.entrypoint", "/bin/program", "--config.cmd", "x y"],
      ["config", "--image", image, "--config.env", "A=b=c", "--config.user", "1:2"],
      ["config", "--image", image, "--config.workingdir", "/var"],
    ]
  ) await run(["umoci", ...command]);
  return layout;
}

const ENTRY = { command: ["/bin/program", "x y"], env: { A: "b=c" }, user: "1:2", cwd: "/var" };

Deno.test({
  name:
    "an image of umoci's becomes the files that umoci unpacks it to, from every kind of archive",
  ignore: !root || !ext4 || !tools("umoci", "skopeo", "zstd", "xz"),
  fn: () =>
    withFolder(async (folder) => {
      const layout = await makeLayout(folder);
      await run(["umoci", "unpack", "--image", `${layout}:v1`, join(folder, "bundle")]);
      const wanted = await listing(join(folder, "bundle", "rootfs"));
      assert.ok(wanted.some((line) => line.startsWith("etc/motd 644 12:34 f")));
      assert.ok(wanted.some((line) => line.startsWith("var/cache/new ")));
      assert.ok(!wanted.some((line) => /^(etc\/old|var\/cache\/a) /.test(line)));
      const archive = (name: string) => join(folder, name);
      await run(["tar", "-cf", archive("oci.tar"), "-C", layout, "."]);
      await run(["zstd", "-q", archive("oci.tar"), "-o", archive("oci.tar.zst")]);
      const docker = `docker-archive:${archive("docker.tar")}:some/name:tag`;
      await run(["skopeo", "copy", "-q", `oci:${layout}:v1`, docker]);
      const options = { folder: join(folder, "cache") };
      const images = {
        layout: await layoutImage(layout, options),
        oci: await archiveImage(archive("oci.tar"), options),
        zstd: await archiveImage(archive("oci.tar.zst"), options),
        docker: await archiveImage(archive("docker.tar"), options),
        named: await archiveImage(archive("docker.tar"), {
          ...options,
          reference: "docker.io/some/name:tag",
        }),
      };
      for (const [name, { image, entry }] of Object.entries(images)) {
        assert.deepEqual(await contentOf(image, join(folder, `out-${name}`)), wanted, name);
        assert.deepEqual(entry, ENTRY, name);
      }
      const before = (await Deno.stat(images.layout.image)).mtime;
      const again = await layoutImage(layout, options);
      assert.deepEqual(again, images.layout);
      assert.deepEqual((await Deno.stat(again.image)).mtime, before);
      const left = [...Deno.readDirSync(options.folder)].map(({ name }) => name);
      assert.ok(!left.some((name) => name.includes(".new-")), `${left}`);
    }),
});

Deno.test({
  name: "a tar's hard links, attributes, devices and root folder are those of its image",
  ignore: !root || !ext4 || !tools("setfattr", "xz"),
  fn: () =>
    withFolder(async (folder) => {
      const tree = join(folder, "tree");
      await writeFiles(tree, { "a": "content", "d/e": "" });
      await Deno.chmod(join(tree, "a"), 0o4751);
      await Deno.link(join(tree, "a"), join(tree, "b"));
      await run(["mknod", join(tree, "null"), "c", "1", "3"]);
      await run(["setfattr", "-n", "user.note", "-v", "noted", join(tree, "a")]);
      await run(["chown", "5:6", tree]);
      await Deno.chmod(tree, 0o751);
      const archive = join(folder, "t.tar.xz");
      await run(["tar", "--xattrs", "-cJf", archive, "-C", tree, "."]);
      const { image, entry } = await archiveImage(archive, { folder: join(folder, "cache") });
      assert.equal(entry, undefined);
      await run(["e2fsck", "-fn", image]);
      const ask = (request: string) => runText(["debugfs", "-R", request, image]);
      assert.match(await ask("stat /b"), /Mode: +04751[^]*Links: 2/);
      assert.match(await ask("ea_list /a"), /user\.note \(5\) = "noted"/);
      assert.match(await ask("stat /null"), /Type: character special[^]*01:03/);
      assert.match(await ask("stat /"), /Mode: +0751[^]*User: +5 +Group: +6 /);
    }),
});

Deno.test({
  name: "what an archive's paths and links say of the host is nothing to the host",
  ignore: !ext4,
  fn: () =>
    withFolder(async (folder) => {
      const secret = join(folder, "secret");
      await Deno.writeTextFile(secret, "secret");
      const options = { folder: join(folder, "cache") };
      const archive = join(folder, "t.tar");
      const hostile = [
        [{ path: "../escape", data: "x" }],
        [{ path: "a/../../escape", data: "x" }],
        [{ path: "link", type: "1", target: secret }],
        [{ path: "link", type: "1", target: `../../../../..${secret}` }],
      ];
      for (const entries of hostile) {
        await Deno.writeFile(archive, makeTar(entries));
        await assert.rejects(archiveImage(archive, options), RootfsError);
      }
      // A link that leads out, and a file written through it.
      await Deno.writeFile(
        archive,
        makeTar([
          { path: "out", type: "2", target: folder },
          { path: "out/secret", data: "overwritten" },
          { path: "up", type: "2", target: "../../../../../../../../../.." },
          { path: `up${secret}`, data: "overwritten" },
        ]),
      );
      const { image } = await archiveImage(archive, options);
      assert.equal(await Deno.readTextFile(secret), "secret");
      const found = await runText(["debugfs", "-R", `cat ${secret}`, image]);
      assert.equal(found, "overwritten");
      const left = [...Deno.readDirSync(options.folder)].map(({ name }) => name);
      assert.equal(left.filter((name) => !name.startsWith(".")).length, 1);
    }),
});

Deno.test("a few bytes that unpack to more than may be are refused, and nothing is left", () =>
  withFolder(async (folder) => {
    const archive = join(folder, "t.tar");
    await Deno.writeFile(archive, makeTar([{ path: "zeros", data: "\0".repeat(4 << 20) }]));
    await run(["gzip", "-9", archive]);
    const options = { folder: join(folder, "cache"), mostBytes: 1 << 20 };
    await assert.rejects(archiveImage(`${archive}.gz`, options), /unpacks to more than may be/);
    const left = [...Deno.readDirSync(options.folder)].map(({ name }) => name);
    assert.ok(left.every((name) => name.endsWith(".lock")), `${left}`);
  }));

Deno.test("a build that is aborted leaves nothing", () =>
  withFolder(async (folder) => {
    const archive = join(folder, "t.tar");
    const many = Array.from({ length: 2000 }, (_, i) => ({ path: `f${i}`, data: "x" }));
    await Deno.writeFile(archive, makeTar(many));
    const options = { folder: join(folder, "cache"), signal: AbortSignal.timeout(15) };
    await assert.rejects(archiveImage(archive, options), { name: "TimeoutError" });
    const left = await Deno.stat(options.folder).then(
      () => [...Deno.readDirSync(options.folder)].map(({ name }) => name),
      () => [],
    );
    assert.ok(left.every((name) => name.endsWith(".lock")), `${left}`);
  }));

/** Writes an OCI layout by hand, which can then be wrong. */
async function handmade(folder: string, change: (layout: Layout) => void): Promise<string> {
  const hash = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
  const blobs = new Map<string, Uint8Array>();
  const put = (bytes: Uint8Array) => {
    blobs.set(hash(bytes), bytes);
    return { digest: `sha256:${hash(bytes)}`, size: bytes.length };
  };
  const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  const layer = makeTar([{ path: "file", data: "content" }]);
  const layout: Layout = {
    config: {
      architecture: { x86_64: "amd64", aarch64: "arm64" }[Deno.build.arch],
      os: "linux",
      rootfs: { type: "layers", diff_ids: [`sha256:${hash(layer)}`] },
    },
    layer,
    index: (manifest) => ({ schemaVersion: 2, manifests: [manifest] }),
    damage: () => {},
  };
  change(layout);
  const config = put(json(layout.config));
  const manifest = put(json({ schemaVersion: 2, config, layers: [put(layout.layer)] }));
  layout.damage(blobs);
  const files = Object.fromEntries([...blobs].map(([hex, b]) => [`blobs/sha256/${hex}`, b]));
  await writeFiles(folder, {
    ...files,
    "oci-layout": '{"imageLayoutVersion":"1.0.0"}',
    "index.json": json(layout.index(manifest)),
  });
  return folder;
}

/** What can be wrong with a layout. */
interface Layout {
  config: { architecture: string; os: string; rootfs: { type: string; diff_ids: string[] } };
  layer: Uint8Array<ArrayBuffer>;
  index: (manifest: { digest: string; size: number }) => unknown;
  damage: (blobs: Map<string, Uint8Array>) => void;
}

const OTHER = { architecture: "riscv64", os: "linux" };

for (
  const [what, change, problem] of [
    ["a layer was changed", (layout) => {
      layout.damage = (blobs) => {
        for (const [hex, bytes] of blobs) {
          if (bytes[0] === 0x66) blobs.set(hex, bytes.slice().fill(1, 0, 1));
        }
      };
    }, /the blob sha256:[0-9a-f]+ is damaged: its digest is/],
    ["a blob is missing", (layout) => {
      layout.damage = (blobs) => void blobs.delete([...blobs.keys()][0]);
    }, /the blob sha256:[0-9a-f]+ is not in it/],
    ["a blob has another size", (layout) => {
      layout.index = (manifest) => ({ manifests: [{ ...manifest, size: manifest.size + 1 }] });
    }, /has [0-9]+ bytes, not [0-9]+/],
    ["a layer unpacks to something else", (layout) => {
      layout.config.rootfs.diff_ids = [`sha256:${"0".repeat(64)}`];
    }, /layer 1 of 1 is damaged/],
    ["there are more layers than it says", (layout) => {
      layout.config.rootfs.diff_ids = [];
    }, /has 1 layers, and its configuration says 0/],
    ["it is for another processor", (layout) => {
      layout.index = (manifest) => ({ manifests: [{ ...manifest, platform: OTHER }] });
    }, /no image for linux\/(amd64|arm64) in it, but for linux\/riscv64/],
    ["its configuration is for another processor", (layout) => {
      layout.config.architecture = "riscv64";
    }, /is for linux on riscv64/],
    ["there are several", (layout) => {
      const named = (name: string) => ({ "org.opencontainers.image.ref.name": name });
      layout.index = (manifest) => ({
        manifests: [
          { ...manifest, annotations: named("one") },
          { ...manifest, digest: `sha256:${"1".repeat(64)}`, annotations: named("two") },
        ],
      });
    }, /several images in it, one, two: say which by its reference/],
    ["there is none", (layout) => {
      layout.index = () => ({ manifests: [] });
    }, /but for nothing at all/],
    ["a digest would lead elsewhere", (layout) => {
      layout.index = () => ({ manifests: [{ digest: "sha256:../../etc/passwd", size: 1 }] });
    }, /index\.json: manifests\.0\.digest: a digest is sha256:HEX/],
    ["its index is no JSON that is known", (layout) => {
      layout.index = () => ({ manifests: 7 });
    }, /index\.json: manifests: /],
    ["a layer goes up", (layout) => {
      layout.layer = makeTar([{ path: "../../x", data: "x" }]);
      const digest = createHash("sha256").update(layout.layer).digest("hex");
      layout.config.rootfs.diff_ids = [`sha256:${digest}`];
    }, /"\.\." in its path/],
  ] satisfies [string, (layout: Layout) => void, RegExp][]
) {
  Deno.test(`an image of which ${what} is refused, with what is wrong`, () =>
    withFolder(async (folder) => {
      const layout = await handmade(join(folder, "layout"), change);
      const options = { folder: join(folder, "cache") };
      await assert.rejects(layoutImage(layout, options), (error) => {
        assert(error instanceof RootfsError, String(error));
        assert.match(error.message, problem);
        return true;
      });
    }));
}

Deno.test({
  name: "an image is chosen by its name and processor, through an index of several",
  ignore: !ext4,
  fn: () =>
    withFolder(async (folder) => {
      const named = { "org.opencontainers.image.ref.name": "right" };
      const layout = await handmade(join(folder, "layout"), (layout) => {
        layout.index = (manifest) => ({
          manifests: [
            { ...manifest, digest: `sha256:${"1".repeat(64)}` },
            {
              ...manifest,
              digest: `sha256:${"2".repeat(64)}`,
              platform: OTHER,
              annotations: named,
            },
            { ...manifest, annotations: named },
          ],
        });
      });
      const options = { folder: join(folder, "cache"), reference: "right" };
      const { image, entry } = await layoutImage(layout, options);
      assert.equal(await runText(["debugfs", "-R", "cat /file", image]), "content");
      assert.deepEqual(entry, { command: [], env: {}, user: "", cwd: "/" });
      const wrong = layoutImage(layout, { ...options, reference: "wrong" });
      await assert.rejects(wrong, /no image "wrong" in it/);
    }),
});
