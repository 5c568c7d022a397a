import assert from "node:assert/strict";
import { readAsset } from "../../src/parts/mod.ts";
import { type AssetName, ASSETS } from "../../src/parts/table.ts";
import { findCommand } from "../../src/rootfs/command.ts";
import {
  buildImage,
  imageNames,
  imagePath,
  IMAGES,
  recordedToolchain,
  toolchain,
} from "./images.ts";

const TOOLS = ["gcc", "as", "ld", "strip"];
/** More would be felt in the executable. */
const MOST_BYTES = 64 << 10;

const missing = await missingTools();

/** What this host lacks to build the images to the byte. */
async function missingTools(): Promise<string[]> {
  const lacks = TOOLS.filter((tool) => findCommand(tool) === undefined);
  if (lacks.length > 0) return lacks;
  const [recorded, found] = await Promise.all([recordedToolchain(), toolchain()]);
  return (["gcc", "binutils"] as const).filter((tool) => recorded[tool] !== found[tool])
    .map((tool) => recorded[tool]);
}

for (const name of imageNames()) {
  Deno.test({
    name: `the image ${name} is what its sources make, to the byte` +
      (missing.length === 0 ? "" : ` (needs ${missing.join(" and ")})`),
    ignore: missing.length > 0,
    fn: async () => {
      const [kept, built] = [await Deno.readFile(imagePath(name)), await buildImage(name)];
      assert(kept.toHex() === built.toHex(), `${name} is out of date; make it: deno task images`);
    },
  });

  Deno.test(`the program carries the image ${name}, and it is small`, async () => {
    const bytes = readAsset(name);
    assert.deepEqual(bytes, await Deno.readFile(imagePath(name)));
    assert(bytes.length > 0 && bytes.length <= MOST_BYTES, `it has ${bytes.length} bytes`);
  });
}

Deno.test("every file among the images is one that the program carries, and has a recipe", async () => {
  const images = new URL("./", imagePath(imageNames()[0]));
  const found: string[] = [];
  for await (const { name } of Deno.readDir(images)) found.push(name);
  const carried = (Object.keys(ASSETS) as AssetName[]).filter((name) => IMAGES[name] !== undefined)
    .map((name) => ASSETS[name].replace("images/", ""));
  assert.deepEqual(found.sort(), [...carried, "toolchain.json"].sort());
});
