/**
 * Machines that use each other's Workers.
 * @module
 */
import assert from "node:assert/strict";
import { Machine, WorkerPool } from "../../mod.ts";
import { liveMappings } from "../../src/ffi/mod.ts";
import { assemble } from "../payloads/assemble.ts";
import { compile, COMPILER } from "../payloads/compile.ts";
import { MMIO } from "../../src/cli/self_test/ways.ts";
import { testDirect } from "./payload_machine.ts";
import { DICE, USER_PORT } from "./user_machine.ts";

/** mov dx, 0x3f8; mov al, '!'; out dx, al; mov al, status; out 0xf4, al */
const ending = (status: number) => ({
  name: "a guest that ends",
  bytes: Uint8Array.from([0xba, 0xf8, 0x03, 0xb0, 0x21, 0xee, 0xb0, status, 0xe6, 0xf4]),
});

async function run(workers: WorkerPool, status: number): Promise<void> {
  const config = { kernel: ending(status), protocol: "flat", memory: "2M" } as const;
  await using machine = await Machine.start(config, { workers });
  assert.equal(await new Response(machine.console.output).text(), "!");
  assert.deepEqual(await machine.ended, { kind: "exit", status });
}

testDirect("machine after machine runs in the same Worker, each to its own end", async () => {
  const mappings = liveMappings();
  using workers = new WorkerPool();
  for (let status = 0; status < 10; status++) {
    await run(workers, status);
    assert.equal(workers.idle, 1);
  }
  await Promise.all([1, 2, 3].map((status) => run(workers, status)));
  assert.equal(workers.idle, 3);
  assert.equal(liveMappings(), mappings);
});

testDirect("devices of one machine after another are served by the same Worker", async () => {
  const kernel = await compile("idle");
  const { transport, parameters: cmdline } = MMIO;
  const disks = [{ memory: "1M" }];
  using workers = new WorkerPool();
  for (const ports of [[], [{ name: "p", file: "/dev/null" }]]) {
    const config = { kernel, memory: "16M", transport, cmdline, disks, ports, rng: true } as const;
    await using machine = await Machine.start(config, { workers });
    await machine.console.expect("idle", { timeout: "60s" });
    const { devices } = machine;
    assert.equal(devices.size, 2 + ports.length);
    await machine.pause();
    machine.resume();
    assert.equal(workers.idle, 0);
    await machine.stop();
  }
  assert.equal(workers.idle, 2, "one for the vCPU and one for the devices");
}, COMPILER);

testDirect("a machine that is reset by its user goes on in the Workers that it had", async () => {
  using workers = new WorkerPool();
  // jmp $
  const kernel = { name: "a guest that never ends", bytes: Uint8Array.of(0xeb, 0xfe) };
  const config = { kernel, protocol: "flat", memory: "2M" } as const;
  await using machine = await Machine.start(config, { workers });
  for (let i = 0; i < 3; i++) {
    await machine.reset();
    assert.equal(machine.state, "running");
    assert.equal(workers.idle, 0);
  }
});

Deno.test("a pool keeps no more Workers than it was told to, and none after its end", () => {
  const workers = new WorkerPool({ idle: 2 });
  workers.prepare(3);
  assert.equal(workers.idle, 2);
  const taken = [1, 2, 3].map((name) => workers.take("vcpu", `vcpu${name}`));
  assert.equal(workers.idle, 0);
  for (const worker of taken) workers.giveBack("vcpu", worker);
  assert.equal(workers.idle, 2);
  const last = workers.take("vcpu", "vcpu");
  workers[Symbol.dispose]();
  workers.giveBack("vcpu", last);
  workers.prepare(1);
  assert.equal(workers.idle, 0);
  assert.throws(() => new WorkerPool({ idle: -1 }), /idle: a number of Workers \(got -1\)/);
});

testDirect("a Worker that users' own code has run in is used by no other machine", async () => {
  const { path: kernel } = await assemble("user_port", { defines: USER_PORT });
  using workers = new WorkerPool();
  const devices = [{ module: DICE, options: { sides: 20 } }];
  const machine = await Machine.start({ kernel, memory: "16M", devices }, { workers });
  assert.deepEqual(await machine.ended, { kind: "exit", status: 50 });
  await machine[Symbol.asyncDispose]();
  assert.equal(workers.idle, 0);
});

testDirect(
  "the devices of many machines share Workers, and those of one end without the others'",
  async () => {
    const kernel = await compile("idle");
    const { parameters: cmdline } = MMIO;
    const config = { kernel, memory: "16M", cmdline, disks: [{ memory: "1M" }], rng: true };
    const processors = navigator.hardwareConcurrency;
    using workers = new WorkerPool({ idle: 64 });
    const machines: Machine[] = [];
    try {
      for (let i = 0; i < 2 * processors + 1; i++) {
        machines.push(await Machine.start({ ...config, transport: "mmio" }, { workers }));
      }
      for (const { console } of machines) await console.expect("idle", { timeout: "60s" });
      while (machines.length > 1) {
        await machines.shift()![Symbol.asyncDispose]();
        for (const machine of machines) {
          const limits = await machine.devices.get("disk0")!.command("limits", { iops: "100/s" });
          assert.ok(limits !== undefined);
          await machine.pause();
          machine.resume();
        }
      }
    } finally {
      for (const machine of machines) await machine[Symbol.asyncDispose]();
    }
    assert.equal(workers.idle, 2 * processors + 1 + processors, "vCPUs' Workers and devices'");
  },
  COMPILER,
);
