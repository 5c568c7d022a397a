import assert from "node:assert/strict";
import { UsageError } from "../../src/cli/errors.ts";
import { parse } from "../../src/cli/program.ts";
import { ask, configurationOf } from "../../src/cli/run/configuration.ts";
import { prepareRootfs } from "../../src/cli/run/rootfs.ts";
import type { RunOptions } from "../../src/cli/run/options.ts";
import { verbs } from "../../src/cli/verbs.ts";
import { FakeSystem } from "./fakes.ts";

/** The configuration that a command line asks for. */
function configure(...args: string[]): ReturnType<typeof configurationOf> {
  const system = new FakeSystem(false);
  const call = parse(["run", ...args], verbs, system);
  if (typeof call === "number") assert.fail(system.err);
  return configurationOf(ask(call.operands[0], call.options as RunOptions));
}

/** The lines that a command line is refused with. */
function refusal(...args: string[]): string[] {
  try {
    configure(...args);
  } catch (error) {
    assert(error instanceof UsageError, String(error));
    return error.message.split("\n");
  }
  assert.fail("it was taken");
}

async function withFile(text: string, test: (path: string) => void): Promise<void> {
  const path = await Deno.makeTempFile({ suffix: ".json" });
  try {
    await Deno.writeTextFile(path, text);
    test(path);
  } finally {
    await Deno.remove(path);
  }
}

const FULL = {
  kernel: "vmlinuz",
  memory: "1G",
  cpus: 2,
  transport: "mmio",
  console: "virtio",
  disks: ["root.img", { path: "data.img", ro: true, bandwidth: "50M/s", iops: 1000 }],
  nets: [{ tap: "tap0", mac: "52:54:00:12:34:56" }],
  vsock: { cid: 3, uds: "/run/x.sock" },
  rng: true,
  balloon: { size: "64M" },
  ports: [{ name: "agent", uds: "/run/agent.sock" }],
};

Deno.test("a file and a command line that say the same make the same machine", () =>
  withFile(JSON.stringify(FULL), (path) => {
    const filed = configure("--config", path);
    const typed = configure(
      ..."vmlinuz --memory 1G --cpus 2 --transport mmio --console virtio".split(" "),
      ..."--disk root.img --disk data.img,ro,bandwidth=50M/s,iops=1000".split(" "),
      ..."--net tap=tap0,mac=52:54:00:12:34:56 --vsock cid=3,uds=/run/x.sock --rng".split(" "),
      ..."--balloon size=64M --port agent,uds=/run/agent.sock".split(" "),
    );
    assert.deepEqual(filed, typed);
    assert.deepEqual(
      filed.devices.map(({ id, kind }) => `${id} ${kind}`),
      [
        "disk0 block",
        "disk1 block",
        "net0 net",
        "vsock vsock",
        "console console",
        "port console",
        "rng entropy",
        "balloon balloon",
      ],
    );
  }));

Deno.test("what is typed outranks the file, and adds devices to its own", () =>
  withFile(JSON.stringify(FULL), (path) => {
    const config = configure("other", "--config", path, "--memory", "2G", "--disk", "third.img");
    assert.equal(config.kernel, "other");
    assert.equal(config.memory, 2 * 2 ** 30);
    assert.equal(config.cpus, 2);
    assert.deepEqual(
      config.devices.filter(({ kind }) => kind === "block").map(({ id }) => id),
      ["disk0", "disk1", "disk2"],
    );
  }));

Deno.test("each mistake is told where it was made", () =>
  withFile('{"kernel":"k","memroy":"1G","disks":["a.img,rw"],"cpus":0}', (path) => {
    assert.deepEqual(refusal("--config", path, "--disk", "b.img,cashe=unsafe"), [
      `${path}: cpus: a machine needs at least one vCPU (got 0)`,
      `${path}: memroy: there is no such field; did you mean memory?`,
      `${path}: disks.0: rw: there is no such property; did you mean ro?`,
      "--disk: cashe: there is no such property; did you mean cache?",
    ]);
  }));

Deno.test("two devices of one name are refused", () => {
  assert.match(
    refusal("k", "--disk", "a.img,id=root", "--disk", "b.img,id=root").join(),
    /two devices are named root; give one of them another id/,
  );
});

Deno.test("a file that's missing, no JSON, or no object is named", async () => {
  assert.match(refusal("--config", "/nowhere.json")[0], /^--config: \/nowhere\.json: .*os error 2/);
  await withFile("{", (path) => {
    assert.match(refusal("--config", path)[0], /^--config: .*: it is not JSON: /);
  });
  await withFile("[]", (path) => {
    assert.match(refusal("--config", path)[0], /it is not a JSON object/);
  });
});

Deno.test("without a kernel, the built-in guest runs with what else is asked for", () => {
  const { kernel, memory, cmdline, devices } = configure("--memory", "1G");
  assert(typeof kernel === "object");
  assert.equal(kernel.name, "the built-in guest");
  assert.equal(memory, 2 ** 30);
  assert.match(cmdline ?? "", /^ecam=\d+ scratch=1$/);
  assert.deepEqual(devices.map(({ kind, id }) => [kind, id]), [["block", "disk0"]]);
});

Deno.test("the built-in guest may write to disks in memory, and to no others", () => {
  const disks = "--disk a.img --disk memory=1M --disk memory=1M,ro --transport mmio".split(" ");
  const { cmdline, devices } = configure(...disks);
  assert.match(cmdline ?? "", /^mmio=\d+,\d+,\d+ scratch=6$/);
  assert.equal(devices.length, 3);
});

Deno.test("what is about a kernel needs one", async () => {
  const file = { initrd: "i", flat: { entry: 0 }, memory: "1G" };
  await withFile(JSON.stringify(file), (path) => {
    const options = ["--config", path, "--cmdline", "", "--flat-mode", "64", "--module", "m"];
    const more = ["--protocol", "pvh", "--console", "virtio"];
    assert.deepEqual(refusal(...options, ...more), [
      "--protocol: it is about a kernel, and none is given",
      "--flat-mode: it is about a kernel, and none is given",
      `${path}: initrd: it is about a kernel, and none is given`,
      "--module: it is about a kernel, and none is given",
      "--cmdline: it is about a kernel, and none is given",
      "--console: the built-in guest's console is the serial port",
      "Without KERNEL, the kernel's file, run boots the built-in guest.",
      "Try: denovisor help run",
    ]);
  });
});

Deno.test("what a root file system brings can't be given beside it", async () => {
  const prepare = (...args: string[]) => {
    const system = new FakeSystem(false);
    const call = parse(["run", ...args], verbs, system);
    if (typeof call === "number") throw new Error(system.err);
    const options = call.options as RunOptions;
    return prepareRootfs(ask(call.operands[0], options), options.rootfs ?? "", system);
  };
  for (const [option, value] of [["--initrd", "i"], ["--protocol", "pvh"], ["--flat-mode", "16"]]) {
    await assert.rejects(prepare("--rootfs", "busybox", option, value), (error: Error) => {
      return error.name === "UsageError" && /it has no meaning with --rootfs/.test(error.message);
    });
  }
});
