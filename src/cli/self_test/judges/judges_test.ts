/**
 * A judge that lets everything pass would be worse than none: each is shown guests that do what they have to, and
 * guests that do not.
 * @module
 */
import assert from "node:assert/strict";
import type { MachineEnd } from "../../../machine/end.ts";
import { Mismatch } from "../expect.ts";
import { type Judge, printed } from "../guest.ts";
import { FakeGuest } from "../testing.ts";
import { allReady, clock, disk, echo, randomBytes, virtioConsole } from "./devices.ts";
import { emulationFailure, ends, exits, tripleFault } from "./ends.ts";
import { bootInformation } from "./entry.ts";
import { allProcessors, pausesAndResumes } from "./processors.ts";

/** A guest that prints a text and ends. */
function guest(text: string, end: MachineEnd = { kind: "exit", status: 0 }): FakeGuest {
  return new FakeGuest().print(text).end(end);
}

const status = (status: number): MachineEnd => ({ kind: "exit", status });

async function refuses(judge: Judge, guest: FakeGuest, message: RegExp): Promise<void> {
  await assert.rejects(judge(guest), (error) => {
    assert(error instanceof Mismatch, String(error));
    assert.match(error.message, message);
    return true;
  });
}

Deno.test("a guest that ends otherwise, or prints another text, is refused", async () => {
  const judge = exits(7, "bye\n");
  await judge(guest("bye\n", status(7)));
  await refuses(judge, guest("bye\n", status(3)), /has to be .*7.* and is .*3/);
  await refuses(judge, guest("hi\n", status(7)), /what was printed is "hi\\n".*"bye\\n"/);
  await refuses(judge, guest("bye\n", { kind: "stopped" }), /did not end; it printed: bye/);
  const reset = ends({ kind: "reset", source: "acpi" }, "bye\n");
  await refuses(reset, guest("bye\n", { kind: "reset", source: "i8042" }), /acpi.*i8042/);
  await refuses(reset, guest("bye\n", { kind: "power-off", source: "acpi" }), /power-off/);
});

const CRASH = ["KVM_EXIT_SHUTDOWN", "rax 000000001234abcd", "code at 0x100: 0f 0b 90"];

function crash(reason: string, details: readonly string[], vcpu = 0): FakeGuest {
  return guest("before\n", { kind: "crash", report: { reason, vcpu, details } });
}

Deno.test("a crash whose report lacks its name, the registers or the code is refused", async () => {
  assert.equal(await tripleFault(crash("triple fault", CRASH)), CRASH.join("\n"));
  await refuses(tripleFault, guest("before\n"), /has to be a crash/);
  await refuses(tripleFault, crash("something", CRASH), /reason/);
  await refuses(tripleFault, crash("triple fault", CRASH, 1), /vCPU that crashed is 1/);
  for (let left = 0; left < CRASH.length; left++) {
    const details = CRASH.filter((_, i) => i !== left);
    await refuses(tripleFault, crash("triple fault", details), /the report is/);
  }
  // As an AMD host tells it, whose processor was reset.
  const reset = ["KVM_EXIT_SHUTDOWN", "rip 000000000000fff0", "cr0 0x60000010"];
  assert.equal(await tripleFault(crash("triple fault", reset)), undefined);

  const emulation = [
    "KVM_EXIT_INTERNAL_ERROR suberror KVM_INTERNAL_ERROR_EMULATION",
    "rax 000000001234abcd",
    "code at 0x100: db 2b",
  ];
  await emulationFailure(crash("KVM can't run the guest", emulation));
  for (let left = 0; left < emulation.length; left++) {
    const details = emulation.filter((_, i) => i !== left);
    await refuses(emulationFailure, crash("KVM can't run the guest", details), /the report is/);
  }
});

const MAP = [
  "range 0000000000000000 000000000009fc00 00000001",
  "range 000000000009fc00 0000000000060400 00000002",
  "range 0000000000100000 0000000000f00000 00000001",
];

Deno.test("a memory map that lacks or adds something, and another command line, are refused", async () => {
  const judge = bootInformation(64, "a=b c", 16 << 20);
  const text = (map: readonly string[], cmdline = "a=b c") =>
    guest(["cmdline=" + cmdline, ...map, ""].join("\n"), status(64));
  await judge(text(MAP));
  await refuses(judge, text(MAP, "a=b"), /command line is "a=b"/);
  await refuses(judge, text(MAP.slice(1)), /conventional/);
  await refuses(judge, text([MAP[0], MAP[2]]), /not reserved/);
  await refuses(judge, text(MAP.slice(0, 2)), /RAM above 1 MiB is \[\]/);
  const more = "range 0000000100000000 0000000000001000 00000001";
  await refuses(judge, text([...MAP, more]), /RAM above 1 MiB/);
  await refuses(bootInformation(64, "a=b c", 32 << 20), text(MAP), /RAM above 1 MiB/);
});

Deno.test("a processor that is missing, or comes with another's id, is refused", async () => {
  const text = (...ids: number[]) => {
    const lines = ids.map((id) => `cpu ${id.toString(16).padStart(8, "0")}\n`);
    return guest(`${lines.join("")}all online\n`, status(20));
  };
  await allProcessors(2)(text(1, 0));
  await refuses(allProcessors(2), text(0), /APIC ids is \[0\]/);
  await refuses(allProcessors(2), text(0, 0), /\[0,0\]/);
  await refuses(allProcessors(2), guest("cpu 00000000\n", status(20)), /all online/);
});

Deno.test("a guest that runs in a pause, or stands still after it, is refused", async () => {
  const judge = pausesAndResumes(0x7000, 3);
  const good = new FakeGuest().print("ready\n");
  await judge(good);
  assert.equal(good.stops, 1);

  const runs = new FakeGuest().print("ready\n");
  runs.pause = () => Promise.resolve();
  await refuses(judge, runs, /count of a paused guest/);

  const still = new FakeGuest().print("ready\n");
  still.resume = () => {};
  // As the runner does when the time is up.
  setTimeout(() => still.stop(), 50);
  await refuses(judge, still, /stands still at \d+ after 1 pauses/);

  const restless = new FakeGuest().print("ready\n");
  restless.stop = () => Promise.resolve(void restless.end({ kind: "reset", source: "acpi" }));
  await refuses(judge, restless, /reset/);
});

Deno.test("an echo that loses a letter is refused", async () => {
  const typed = new FakeGuest().print("ready\nhello world").end(status(0));
  // What is read before is read with it here, so that the echo seems empty.
  await refuses(echo, typed, /what came back is ""/);
  const good = new FakeGuest().print("ready\n");
  const judged = echo(good);
  await new Promise((resolve) => setTimeout(resolve, 1));
  good.print("hello world").end(status(0));
  await judged;
  assert.equal(good.typed, "hello world\0");
});

Deno.test("a clock that is a minute off is refused", async () => {
  const told = (milliseconds: number) => {
    const time = new Date(milliseconds).toISOString().slice(0, 19);
    return guest(`${time}\n`, status(70));
  };
  await clock(told(Date.now()));
  await refuses(clock, told(Date.now() - 60_000), /which is not now/);
  await refuses(clock, told(Date.now() + 60_000), /which is not now/);
  await refuses(clock, guest("noon\n", status(70)), /the time is "noon/);
});

Deno.test("a disk that has counted other writes than the guest made is refused", async () => {
  const judge = disk({ sectors: 100, id: "x" }, 2);
  const text = "sectors=100\nid=x\nid=x\ndone\n";
  const written_bytes = 2 * (1 + 2048 + 1 + 256) * 512;
  const counted = (text: string, metrics: Record<string, number>) =>
    Object.assign(guest(text), { devices: new Map([["disk0", { metrics }]]) });
  await judge(counted(text, { written_bytes, flushes: 2 }));
  await refuses(judge, counted(text, { written_bytes: 512, flushes: 2 }), /counted as written/);
  await refuses(judge, counted(text, { written_bytes, flushes: 0 }), /flushes/);
  await refuses(judge, counted(text.replace("id=x\n", ""), {}), /what was printed/);
  await refuses(judge, Object.assign(guest(text), { devices: new Map() }), /counted as written/);
});

Deno.test("random bytes that come twice, or too few, are refused", async () => {
  const line = (salt: number) => {
    const bytes = Array.from({ length: 64 }, (_, i) => ((i + 1) * (salt + 7)) & 0xff);
    return `random=${bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("")}\n`;
  };
  await randomBytes(guest([0, 2, 4, 6].map(line).join("")));
  await refuses(randomBytes, guest([0, 2, 4, 4].map(line).join("")), /different pieces/);
  await refuses(randomBytes, guest([0, 2, 4].map(line).join("")), /number of times/);
});

Deno.test("a console that begins with other words is refused, and so are devices that are missing", async () => {
  await refuses(virtioConsole, guest("hello\nready\n"), /what was printed/);
  await allReady(2)(new FakeGuest().print("devices=2\nidle\n"));
  await refuses(allReady(2), new FakeGuest().print("devices=1\nidle\n"), /devices=1/);
});

Deno.test("a guest that ends before it has said what is waited for is told with its end", async () => {
  const crashed = crash("triple fault", CRASH);
  await refuses(
    (machine) => printed(machine, "ready\n"),
    crashed,
    /"before\\n", and then: a crash/,
  );
});
