/**
 * Machines as scripts use them, with payloads that run on any KVM.
 * @module
 */
import assert from "node:assert/strict";
import {
  Machine,
  type StartConfig,
  VmEndedError,
  type VmEvent,
  VmTimeoutError,
} from "../../mod.ts";
import { type AssetName, readAsset } from "../../src/parts/mod.ts";
import { testDirect } from "./payload_machine.ts";

/** A machine with a payload that the program carries. */
function payload(name: AssetName, more: Partial<StartConfig> = {}): StartConfig {
  return {
    kernel: { name, bytes: readAsset(name) },
    protocol: "flat",
    flat: { mode: 64 },
    memory: "16M",
    ...more,
  };
}

/** It prints "ready", gives back what is typed, and ends with status 0 at a NUL. */
const ECHO = payload("echo");

async function kinds(events: AsyncIterable<VmEvent>): Promise<string[]> {
  const found = [];
  for await (const { kind } of events) found.push(kind);
  return found;
}

testDirect(
  "a script waits for what the guest prints, types, and is told what happened",
  async () => {
    await using vm = await Machine.start(ECHO);
    await vm.console.expect("ready\n");
    await vm.console.send("one two");
    await vm.console.expect(/o(n)e/);
    const [all] = await vm.console.expect(/t.o/, { timeout: "5s" });
    assert.equal(all, "two");
    assert.equal(vm.state, "running");
    await vm.pause();
    assert.equal(vm.state, "paused");
    await vm.console.send("late");
    await assert.rejects(vm.console.expect("late", { timeout: "100ms" }), VmTimeoutError);
    vm.resume();
    await vm.console.expect("late");
    assert(Object.values(vm.metrics.exits).some((count) => count > 0));
    assert(vm.metrics.uptime > 0);
    await vm.console.send("\0");
    assert.deepEqual(await vm.ended, { kind: "exit", status: 0 });
    assert.equal(vm.state, "ended");
    assert.deepEqual(await kinds(vm.events()), ["started", "paused", "resumed", "exit"]);
    assert.equal(vm.console.text, "ready\none twolate");
    assert.equal(await new Response(vm.console.output).text(), "ready\none twolate");
  },
);

testDirect(
  "an error has the console's last lines, and comes at once when the machine ends",
  async () => {
    await using vm = await Machine.start(ECHO);
    await vm.console.expect("ready\n");
    await assert.rejects(vm.console.expect("never", { timeout: 50 }), (error) => {
      assert(error instanceof VmTimeoutError);
      assert.match(error.message, /within 50: never/);
      assert.deepEqual(error.console, ["ready"]);
      return true;
    });
    const began = performance.now();
    const waiting = vm.console.expect("never", { timeout: "10m" });
    const event = vm.event("shutdown", { timeout: "10m" });
    await vm.console.send("\0");
    await assert.rejects(waiting, (error) => {
      assert(error instanceof VmEndedError);
      assert.match(error.message, /ended before never; the console's last lines:\n {2}ready/);
      return true;
    });
    await assert.rejects(event, VmEndedError);
    assert(performance.now() - began < 60_000);
    await assert.rejects(vm.console.send("x"), VmEndedError);
    await assert.rejects(vm.pause(), VmEndedError);
    await assert.rejects(vm.reset(), VmEndedError);
  },
);

testDirect("a reset starts the guest again, with one console and one story", async () => {
  await using vm = await Machine.start(ECHO);
  for (let times = 0; times < 3; times++) {
    await vm.console.expect("ready\n");
    await vm.console.send("x");
    await vm.console.expect("x");
    await Promise.all([vm.reset(), vm.reset()]);
  }
  await vm.console.expect("ready\n");
  await vm.stop();
  assert.deepEqual(await vm.ended, { kind: "stopped" });
  const one = ["reset", "started"];
  assert.deepEqual(await kinds(vm.events()), ["started", ...one, ...one, ...one, "stopped"]);
});

testDirect("a guest that resets itself is started again where that is wanted", async () => {
  await using once = await Machine.start(payload("reset-port92"));
  assert.equal((await once.ended).kind, "reset");
  await using vm = await Machine.start(payload("reset-port92", { onReset: "restart" }));
  let resets = 0;
  for await (const event of vm.events()) {
    if (event.kind !== "reset") continue;
    assert.equal(event.source, "port 0x92");
    if (++resets === 3) break;
  }
  await vm.stop();
  assert.deepEqual(await vm.ended, { kind: "stopped" });
});

testDirect("ends are events: power off, crash", async () => {
  await using off = await Machine.start(payload("power-off"));
  await off.ended;
  assert.equal((await off.event("shutdown")).kind, "shutdown");
  await using crashed = await Machine.start(payload("triple-fault"));
  assert.equal((await crashed.ended).kind, "crash");
  const { report } = await crashed.event("crash");
  assert.match(report.reason, /triple fault/i);
});

testDirect("a signal stops a machine, a start and a wait", async () => {
  const controller = new AbortController();
  await using vm = await Machine.start(ECHO, { signal: controller.signal });
  await vm.console.expect("ready");
  const wait = vm.console.expect("never", { signal: AbortSignal.timeout(20), timeout: "1m" });
  await assert.rejects(wait, { name: "TimeoutError" });
  controller.abort(new Error("enough"));
  assert.deepEqual(await vm.ended, { kind: "stopped" });
  await assert.rejects(Machine.start(ECHO, { signal: controller.signal }), /enough/);
});

testDirect(
  "sixteen machines run at once in one process, and one that crashes takes none along",
  async () => {
    const { signal } = new AbortController();
    await using stack = new AsyncDisposableStack();
    const vms = await Promise.all(Array.from({ length: 16 }, async (_, i) => {
      const config = i === 7 ? payload("triple-fault") : ECHO;
      return stack.use(await Machine.start({ ...config, memory: "4M" }, { signal }));
    }));
    assert.equal((await vms[7].ended).kind, "crash");
    const others = vms.filter((vm) => vm !== vms[7]);
    await Promise.all(others.map(async (vm, i) => {
      await vm.console.expect("ready", { timeout: "30s" });
      await vm.console.send(`machine ${i}.`);
      await vm.console.expect(`machine ${i}.`, { timeout: "30s" });
    }));
    assert(others.every(({ state }) => state === "running"));
  },
);

/** What this process holds of KVM, and of memory that is a file. */
function heldFiles(): string[] {
  const links = [...Deno.readDirSync("/proc/self/fd")].flatMap(({ name }) => {
    try {
      return [Deno.readLinkSync(`/proc/self/fd/${name}`)];
    } catch {
      // That of the folder itself.
      return [];
    }
  });
  return links.filter((link) => /kvm|memfd/.test(link)).sort();
}

testDirect("machines that are started, reset and stopped leave nothing behind", async () => {
  const work = async () => {
    await using vm = await Machine.start(ECHO);
    await vm.console.expect("ready");
    await vm.reset();
    await vm.console.expect("ready");
  };
  await work();
  const before = heldFiles();
  await work();
  assert.deepEqual(heldFiles(), before);
});

testDirect("what is said of a device while the machine is built is told, too", async () => {
  const module = import.meta.resolve("../examples/dice.ts");
  await using vm = await Machine.start({ ...ECHO, devices: [{ module }] });
  const { device, message } = await vm.event("device");
  assert.equal(device, "dice0");
  assert.match(message, /0xe00/);
});

testDirect("a signal that outlives machines does not keep them", async () => {
  const controller = new AbortController();
  const added: unknown[] = [];
  const { signal } = controller;
  const [add, remove] = [signal.addEventListener, signal.removeEventListener];
  signal.addEventListener = (type: string, listener: never, ...rest: never[]) => {
    added.push(listener);
    add.call(signal, type, listener, ...rest);
  };
  signal.removeEventListener = (type: string, listener: never, ...rest: never[]) => {
    if (added.includes(listener)) added.splice(added.indexOf(listener), 1);
    remove.call(signal, type, listener, ...rest);
  };
  {
    await using vm = await Machine.start(ECHO, { signal });
    await vm.console.expect("ready", { signal });
    assert.equal(added.length, 1);
  }
  assert.deepEqual(added, []);
});
