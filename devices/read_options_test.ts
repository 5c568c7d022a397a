import assert from "node:assert/strict";
import fc from "fast-check";
import {
  count,
  defineOptions,
  type DeviceOptions,
  flag,
  oneOf,
  optional,
  OptionsError,
  rate,
  size,
  text,
  withDefault,
} from "./options.ts";
import { describeFields, readDevice, usage } from "./read_options.ts";

const TABLE = defineOptions({
  flag: "disk",
  field: "disks",
  multiplicity: "many",
  summary: "a disk",
  main: "path",
  fields: {
    path: text("PATH", "the image"),
    ro: flag("read-only"),
    cache: withDefault(oneOf("how writes are cached", ["back", "through"]), "back"),
    iops: optional(rate("operations a second")),
    bandwidth: optional(rate("bytes a second")),
    queues: withDefault(count("N", "queues", 1, 8), 1),
    space: optional(size("SIZE", "how large", 512)),
  },
});

function problemsOf(input: unknown): readonly string[] {
  try {
    readDevice(TABLE, input);
  } catch (error) {
    assert(error instanceof OptionsError, String(error));
    return error.problems;
  }
  assert.fail(`${JSON.stringify(input)} was taken`);
}

Deno.test("text and an object with the same properties mean the same", () => {
  const values = {
    path: "data.img",
    ro: true,
    cache: "through",
    iops: 1000,
    bandwidth: 50 * 2 ** 20,
    queues: 2,
    space: 2 ** 30,
  };
  const expected = { id: "data", thread: "own", packed: true, values };
  const written = "data.img,ro,bandwidth=50M/s,iops=1000,cache=through,queues=2,space=1G";
  assert.deepEqual(readDevice(TABLE, `${written},id=data,thread=own,packed`), expected);
  assert.deepEqual(
    readDevice(TABLE, { ...values, id: "data", thread: "own", packed: true }),
    expected,
  );
});

Deno.test("what is left out has its default, or is undefined", () => {
  const { id, thread, values } = readDevice(TABLE, "root.img");
  assert.deepEqual([id, thread], [undefined, "shared"]);
  assert.deepEqual(values, {
    path: "root.img",
    ro: false,
    cache: "back",
    iops: undefined,
    bandwidth: undefined,
    queues: 1,
    space: undefined,
  });
});

Deno.test("a path may hold commas, written twice, and equals signs", () => {
  assert.equal(readDevice(TABLE, "a,,b.img,ro").values.path, "a,b.img");
  assert.equal(readDevice(TABLE, "/tmp/a=b.img").values.path, "/tmp/a=b.img");
  assert.equal(readDevice(TABLE, "path=ro,ro").values.path, "ro");
});

Deno.test("a misspelt property is named with the one that was meant", () => {
  assert.deepEqual(problemsOf("root.img,bandwith=1M"), [
    "bandwith: there is no such property; did you mean bandwidth?",
  ]);
  assert.match(problemsOf({ path: "a", xyzzy: 1 })[0], /^xyzzy: .*the properties are path, ro/);
});

Deno.test("everything that's wrong is said at once, with what was given", () => {
  assert.deepEqual(problemsOf({ ro: "maybe", cache: "none", queues: 9, space: "1", iops: 0 }), [
    "path: it is required",
    'ro: it is on or off (got "maybe")',
    'cache: it is one of back, through (got "none")',
    "iops: it is an amount for each second, such as 50M/s or 1000 (got 0)",
    "queues: it is a whole number from 1 to 8 (got 9)",
    'space: it is a size of at least 512 bytes, such as 64M or 2G (got "1")',
  ]);
  assert.deepEqual(problemsOf("a.img,ro,ro"), ["ro: it is given twice"]);
  assert.match(problemsOf(7)[0], /^it is text such as "PATH\[,KEY/);
  assert.match(problemsOf("a.img,id=-")[0], /^id: it is 1 to 32 letters/);
});

Deno.test("properties that don't go together are refused once each of them is right", () => {
  const seen: unknown[] = [];
  const table: DeviceOptions = {
    ...TABLE,
    check(values) {
      seen.push(values);
      if (values.ro === true && values.cache === "through") {
        throw new TypeError("ro needs no cache");
      }
    },
  };
  const problems = (input: unknown) => {
    try {
      readDevice(table, input);
    } catch (error) {
      assert(error instanceof OptionsError);
      return error.problems;
    }
    return [];
  };
  assert.deepEqual(problems("a.img,ro,cache=through"), ["ro needs no cache"]);
  assert.deepEqual(problems("a.img,cache=through"), []);
  assert.equal(seen.length, 2);
  assert.deepEqual(problems("a.img,ro,cache=none").length, 1);
  assert.equal(seen.length, 2, "it is asked about values that can be");
});

Deno.test("help shows the properties of a table with their values and defaults", () => {
  assert.equal(usage(TABLE), "PATH[,KEY[=VALUE],...]");
  assert.deepEqual(describeFields(TABLE.fields).slice(0, 3), [
    { name: "path=PATH", summary: "the image" },
    { name: "ro", summary: "read-only" },
    { name: "cache=back|through", summary: "how writes are cached (back)" },
  ]);
});

Deno.test("any path survives being written as text", () => {
  fc.assert(fc.property(fc.string({ minLength: 1 }), (path) => {
    fc.pre(!path.includes("\0") && path !== "");
    const written = `path=${path.replaceAll(",", ",,")},ro`;
    // A comma at an edge can't be told from the separator beside it.
    fc.pre(!path.startsWith(",") && !path.endsWith(","));
    assert.equal(readDevice(TABLE, written).values.path, path);
  }));
});

Deno.test("no text and no value makes reading throw anything but the list of problems", () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.jsonValue()), (input) => {
    try {
      readDevice(TABLE, input);
    } catch (error) {
      assert(error instanceof OptionsError);
    }
  }));
});
