import assert from "node:assert/strict";
import fc from "fast-check";
import { RootfsError } from "./errors.ts";
import type { TarEntry, TarType } from "./tar_reader.ts";
import { tarEntry, treeList } from "./testing.ts";
import { type Folder, Tree } from "./tree.ts";

/** A tree of layers, each a list of paths; "x/" is a folder, "x -> y" a link. */
function layered(...layers: string[][]): string[] {
  const tree = new Tree("t");
  for (const layer of layers) {
    tree.beginLayer();
    for (const path of layer) tree.add(entryOf(path), true);
  }
  return treeList(tree);
}

function entryOf(path: string): TarEntry {
  const [name, target] = path.split(" -> ");
  if (target !== undefined) return tarEntry(name, "symlink", { target });
  return tarEntry(path, path.endsWith("/") ? "directory" : "file");
}

Deno.test("a whiteout takes away what an earlier layer has, and a folder with all that is in it", () => {
  assert.deepEqual(layered(["a/", "a/x", "b/", "b/y"], ["a/.wh.x", ".wh.b"]), ["d a"]);
});

Deno.test("a whiteout takes nothing away of its own layer, wherever it stands in it", () => {
  assert.deepEqual(layered(["a/", "a/x"], ["a/.wh.x", "a/x"]), ["d a", "f a/x"]);
  assert.deepEqual(layered(["a/", "a/x"], ["a/x", "a/.wh.x"]), ["d a", "f a/x"]);
  assert.deepEqual(layered(["a/", "a/x"], ["a/", "a/new", ".wh.a"]), ["d a", "f a/new"]);
});

Deno.test("an opaque folder has what its own layer puts there, and nothing else", () => {
  const lower = ["a/", "a/x", "a/b/", "a/b/y", "c"];
  const upper = ["a/", "a/new", "a/b/", "a/b/z"];
  const wanted = ["d a", "d a/b", "f a/b/z", "f a/new", "f c"];
  assert.deepEqual(layered(lower, [...upper, "a/.wh..wh..opq"]), wanted);
  assert.deepEqual(layered(lower, ["a/.wh..wh..opq", ...upper]), wanted);
});

Deno.test("aufs's own files are no files of the image, and whiteouts of no name are refused", () => {
  assert.deepEqual(layered(["a"], [".wh..wh.plnk/", ".wh..wh.aufs"]), ["f a"]);
  for (const path of [".wh.", ".wh..", ".wh..."]) assert.throws(() => layered([path]), RootfsError);
});

Deno.test("in a plain archive a whiteout is a file like others", () => {
  const tree = new Tree("t");
  tree.add(tarEntry("a", "file"), false);
  tree.add(tarEntry(".wh.a", "file"), false);
  assert.deepEqual(treeList(tree), ["f .wh.a", "f a"]);
});

Deno.test("what is below a link goes to where it leads inside the tree", () => {
  assert.deepEqual(layered(["usr/lib/", "lib -> usr/lib"], ["lib/x"]), [
    ...["d usr", "d usr/lib", "f usr/lib/x", "l lib -> usr/lib"],
  ]);
  assert.deepEqual(layered(["etc/", "up -> ../../../../etc"], ["up/passwd"]), [
    ...["d etc", "f etc/passwd", "l up -> ../../../../etc"],
  ]);
  assert.deepEqual(layered(["out -> /etc/cron.d"], ["out/job"]), [
    ...["d etc", "d etc/cron.d", "f etc/cron.d/job", "l out -> /etc/cron.d"],
  ]);
});

Deno.test("an entry takes the place of what has its name, and a link of it is not followed", () => {
  assert.deepEqual(layered(["a", "l -> a"], ["l"]), ["f a", "f l"]);
  assert.deepEqual(layered(["d/", "d/x"], ["d"]), ["f d"]);
  assert.deepEqual(layered(["d/", "d/x"], ["d/"]), ["d d", "f d/x"]);
  assert.deepEqual(layered(["real/", "l -> real"], ["l/"]), ["d l", "d real"]);
});

for (
  const [what, paths, problem] of [
    ["that goes up", ["../x"], /"\.\." in its path/],
    ["that goes up in the middle", ["a/../../x"], /"\.\." in its path/],
    ["below a file", ["a", "a/b"], /below what is no folder/],
    ["through links in a circle", ["a -> b", "b -> a", "a/x"], /too many links/],
    ["with a name of 256 bytes", ["n".repeat(256)], /longer than 255 bytes/],
    ["of 4,096 bytes", ["n/".repeat(2048)], /longer than 4,095 bytes/],
    ["with NUL", ["a\0b"], /NUL/],
  ] as const
) {
  Deno.test(`a path ${what} is refused`, () => {
    assert.throws(() => layered([...paths]), (error) => {
      assert(error instanceof RootfsError);
      assert.match(error.message, problem);
      return true;
    });
  });
}

Deno.test("a hard link to nothing, to a folder or up is refused", () => {
  for (const target of ["nothing", "d", "../etc/passwd", "/etc/passwd"]) {
    const tree = new Tree("t");
    tree.add(tarEntry("d", "directory"), false);
    assert.throws(() => tree.add(tarEntry("l", "link", { target }), false), RootfsError, target);
  }
});

Deno.test("whatever entries say, a tree has folders and leaves with plain names, and nothing above", () => {
  const name = fc.constantFrom("a", "b", "..", ".", "", ".wh.a", ".wh..wh..opq", "c\0", "/", "é");
  const path = fc.array(name, { maxLength: 5 }).map((parts) => parts.join("/"));
  const type = fc.constantFrom<TarType>("file", "link", "symlink", "directory", "character");
  const entry = fc.record({
    path,
    type,
    target: path,
    layer: fc.boolean(),
    whiteouts: fc.boolean(),
  });
  fc.assert(fc.property(fc.array(entry, { maxLength: 30 }), (entries) => {
    const tree = new Tree("t");
    for (const { path, type, target, layer, whiteouts } of entries) {
      if (layer) tree.beginLayer();
      try {
        tree.add(tarEntry(path, type, { target }), whiteouts);
      } catch (error) {
        assert(error instanceof RootfsError, String(error));
      }
    }
    const visit = (folder: Folder) => {
      for (const [name, node] of folder.children) {
        assert(!["", ".", ".."].includes(name) && !/[\0/]/.test(name), name);
        if (node.type === "directory") visit(node);
      }
    };
    visit(tree.root);
  }));
});

Deno.test("layers over one another leave what a list of their paths says", () => {
  const names = ["a", "b", "c"];
  const file = fc.tuple(fc.constantFrom(...names), fc.constantFrom(...names)).map((p) =>
    p.join("/")
  );
  const change = fc.oneof(
    file.map((path) => ({ kind: "file" as const, path })),
    file.map((path) => ({ kind: "whiteout" as const, path })),
    fc.constantFrom(...names).map((path) => ({ kind: "opaque" as const, path })),
    fc.constantFrom(...names).map((path) => ({ kind: "remove" as const, path })),
  );
  fc.assert(
    fc.property(fc.array(fc.array(change, { maxLength: 6 }), { maxLength: 5 }), (layers) => {
      let model = new Set<string>();
      for (const layer of layers) {
        const own = layer.filter(({ kind }) => kind === "file").map(({ path }) => path);
        const hidden = (path: string) =>
          layer.some((change) =>
            change.kind === "whiteout" ? change.path === path : change.kind !== "file" &&
              path.startsWith(`${change.path}/`)
          );
        model = new Set([...[...model].filter((path) => !hidden(path)), ...own]);
      }
      const paths = layers.map((layer) =>
        layer.map(({ kind, path }) => {
          const [first, second] = path.split("/");
          if (kind === "whiteout") return `${first}/.wh.${second}`;
          return { file: path, opaque: `${path}/.wh..wh..opq`, remove: `.wh.${path}` }[kind];
        })
      );
      const found = layered(...paths).filter((line) => line.startsWith("f "));
      assert.deepEqual(found, [...model].map((path) => `f ${path}`).sort());
    }),
  );
});
