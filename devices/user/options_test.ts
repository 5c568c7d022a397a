import assert from "node:assert/strict";
import { OptionsError } from "../options.ts";
import { usage } from "../read_options.ts";
import { readUserDevice, USER_DEVICE } from "./options.ts";

const HERE = `file://${Deno.cwd()}`;

Deno.test("text and an object ask for the same device", () => {
  const expected = {
    shown: "./dice.ts",
    url: `${HERE}/dice.ts`,
    options: { sides: "6", loaded: true },
    id: "d",
    thread: "own",
    packed: false,
  };
  assert.deepEqual(readUserDevice("./dice.ts,sides=6,loaded,id=d,thread=own"), expected);
  const options = { sides: "6", loaded: true };
  const object = { module: "./dice.ts", options, id: "d", thread: "own" };
  assert.deepEqual(readUserDevice(object), expected);
});

Deno.test("a file is named by its path or its URL, whatever characters are in it", () => {
  const urls = [
    ["dice.ts", `${HERE}/dice.ts`],
    ["../dice.ts", new URL("../dice.ts", `${HERE}/`).href],
    ["/home/me/dice.ts", "file:///home/me/dice.ts"],
    ["//home/dice.ts", "file:///home/dice.ts"],
    ["/a b/#1?%20.ts", "file:///a%20b/%231%3F%2520.ts"],
    ["file:///home/me/dice.ts", "file:///home/me/dice.ts"],
    ["./a=b.ts", `${HERE}/a%3Db.ts`],
  ];
  for (const [module, url] of urls) assert.equal(readUserDevice({ module }).url, url, module);
  assert.equal(readUserDevice("./a=b.ts").url, `${HERE}/a%3Db.ts`);
});

Deno.test("what is no file, and what is misspelt, is refused", () => {
  const wrong: [unknown, RegExp][] = [
    ["https://example.com/dice.ts", /module: it is a file \(got "https:/],
    ["npm:dice", /module: it is a file/],
    ["", /module: it is required/],
    [{}, /module: it is required/],
    [{ module: "a", option: {} }, /option: there is no such property/],
    [{ module: "a", options: 5 }, /options: it is an object/],
    [{ module: "a", id: "-" }, /id: it is 1 to 32 letters/],
    [5, /it is text such as "FILE\[,KEY\[=VALUE\],...\]", or an object/],
    ["a.ts,x=1,x=2", /x: it is given twice/],
  ];
  for (const [input, message] of wrong) {
    assert.throws(() => readUserDevice(input), (error: unknown) => {
      assert(error instanceof OptionsError);
      assert.match(error.message, message);
      return true;
    });
  }
});

Deno.test("help says that there may be properties that it doesn't know", () => {
  assert.equal(usage(USER_DEVICE), "FILE[,KEY[=VALUE],...]");
});
