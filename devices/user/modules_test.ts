import assert from "node:assert/strict";
import { join } from "node:path";
import { count } from "../options.ts";
import { KIT, kitModule, shareKit } from "./kit.ts";
import { UserModuleError } from "./errors.ts";
import { userDevice, UserModules } from "./modules.ts";

/** Writes modules, and gives their URLs. */
async function withModules(
  texts: readonly string[],
  fn: (...urls: string[]) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "denovisor-module-" });
  try {
    const urls = await Promise.all(texts.map(async (text, index) => {
      const path = join(folder, `module${index}.ts`);
      await Deno.writeTextFile(path, text);
      return `file://${path}`;
    }));
    await fn(...urls);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const BUS = "export default { ranges: [], attach: () => [] };";
const VIRTIO = "export default { type: 5, queues: [8], open: () => ({ request() {} }) };";

function refusal(module: string, message: RegExp): (error: unknown) => true {
  return (error) => {
    assert(error instanceof UserModuleError);
    assert.equal(error.module, module);
    assert(error.message.startsWith(`${module}: `), error.message);
    assert.match(error.message, message);
    return true;
  };
}

Deno.test("modules of both kinds are imported, each once", () =>
  withModules([BUS, VIRTIO], async (bus, virtio) => {
    const modules = await UserModules.import([bus, virtio, bus]);
    assert.equal(modules.get(bus).kind, "bus");
    assert.equal(modules.get(virtio).kind, "virtio");
    assert.deepEqual(modules.bus(bus)?.ranges, []);
    assert.equal(modules.virtio(virtio)?.kind, virtio);
    assert.deepEqual([modules.bus(virtio), modules.virtio(bus)], [undefined, undefined]);
    assert.throws(() => modules.get("file:///other.ts"), refusal("file:///other.ts", /imported/));
  }));

Deno.test("a file that is not there, can't be parsed, throws or never ends is an error that names it", () => {
  const texts = [
    "export default 5 5;",
    `throw new Error("at the top");`,
    "await new Promise((resolve) => setTimeout(resolve, 500)); export default {};",
    `import "./nowhere.ts"; ${BUS}`,
    `import { nothing } from "./module0.ts"; ${BUS}`,
  ];
  return withModules(texts, async (syntax, throwing, waiting, importing) => {
    const missing = syntax.replace(/[^/]*$/, "missing.ts");
    const problems: [string, RegExp][] = [
      [missing, /it can't be imported: Module not found/],
      [syntax, /it can't be imported: SyntaxError[^]*:1:18/],
      [throwing, /it can't be imported: at the top \(file:.*module1\.ts:1:7\)/],
      [waiting, /it is not imported after 0.05 s: it awaits what does not come/],
      [importing, /it can't be imported: Module not found .*nowhere\.ts/],
    ];
    for (const [url, message] of problems) {
      // A busy host takes its time to read a file.
      const patience = url === waiting ? 50 : 20_000;
      await assert.rejects(UserModules.import([url], patience), refusal(url, message));
    }
    // To its end, before its file is gone.
    await assert.rejects(UserModules.import([waiting]), UserModuleError);
  });
});

Deno.test("a default export that is no device is refused, with what is wrong with it", () => {
  const bus = { ranges: [], attach() {} };
  const virtio = { type: 1, queues: [8], open() {} };
  const sides = count("N", "sides", 1, 6);
  const wrong: [unknown, RegExp][] = [
    [undefined, /it has no default export/],
    [5, /is no device, which is an object/],
    [null, /is no device, which is an object/],
    [() => bus, /is no device, which is an object/],
    [{}, /a bus device has ranges, a virtio device has queues, and none has both/],
    [{ ...bus, ...virtio }, /none has both/],
    [{ ...bus, ranges: 5 }, /ranges: it is a list/],
    [{ ...bus, attach: undefined }, /attach: it is a function/],
    [{ ...bus, interrupt: "5" }, /interrupt: it is true, false or a number/],
    [{ ...bus, acpiId: "acme" }, /acpiId: it is three or four letters and digits, and four hex/],
    [{ ...bus, version: "1" }, /version: it is a whole number/],
    [{ ...bus, state: 5 }, /state: it is an object/],
    [{ ...bus, state: { words: {} } }, /state\.words: there are registers, numbers and bytes/],
    [{ ...bus, state: { registers: { a: -1 } } }, /state\.registers\.a: it is a whole number/],
    [{ ...bus, state: { registers: { a: 1 }, bytes: { a: 1 } } }, /bytes\.a: the name is taken/],
    [{ ...bus, state: { registers: { version: 1 } } }, /version: the name is taken/],
    [{ ...bus, options: 5 }, /options: it is an object/],
    [{ ...bus, options: { sides: 6 } }, /options\.sides: it is made by count, text/],
    [{ ...bus, options: { id: sides } }, /options\.id: every device has a property of that name/],
    [{ ...bus, options: { module: sides } }, /options\.module: every device has/],
    [{ ...virtio, open: 5 }, /open: it is a function/],
  ];
  for (const [definition, message] of wrong) {
    assert.throws(
      () => userDevice("file:///d.ts", { default: definition }),
      refusal("file:///d.ts", message),
    );
  }
  for (const good of [{ ...bus, options: { sides } }, virtio]) {
    userDevice("file:///d.ts", { default: good });
  }
});

Deno.test("what an executable has for denovisor/devices is all that the examples import", async () => {
  shareKit();
  const kit = await import(`data:text/javascript,${encodeURIComponent(kitModule())}`);
  assert.deepEqual({ ...kit }, KIT);
  const examples = new URL("../../tests/examples/", import.meta.url);
  let seen = 0;
  for await (const { name } of Deno.readDir(examples)) {
    if (!name.endsWith(".ts") || name.endsWith("_test.ts")) continue;
    const text = await Deno.readTextFile(new URL(name, examples));
    for (const [, names] of text.matchAll(/^import \{([^}]*)\} from "denovisor\/devices"/gm)) {
      for (const imported of names.split(",").map((name) => name.trim()).filter(Boolean)) {
        if (imported.startsWith("type ")) continue;
        assert(Object.hasOwn(KIT, imported), `${name} imports ${imported}`);
        seen++;
      }
    }
  }
  assert(seen > 4, "the examples import something");
});
