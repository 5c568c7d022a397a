import assert from "node:assert/strict";
import { messagesOf, reportOf, reportOfError, statusOfEnd } from "./outcome.ts";
import type { RunEnd, RunResult } from "./session.ts";

const report = {
  reason: "triple fault",
  vcpu: 1,
  details: ["rip 0000000001000000", "bytes 0f 0b"],
};

const statuses: readonly (readonly [RunEnd, number])[] = [
  [{ kind: "exit", status: 42 }, 42],
  [{ kind: "exit", status: 255 }, 255],
  [{ kind: "power-off", source: "acpi" }, 0],
  [{ kind: "reset", source: "i8042" }, 0],
  [{ kind: "user" }, 0],
  [{ kind: "panic", message: "no init" }, 122],
  [{ kind: "crash", report }, 122],
  [{ kind: "timeout", milliseconds: 30_000 }, 124],
  [{ kind: "signal", signal: "SIGHUP" }, 129],
  [{ kind: "signal", signal: "SIGINT" }, 130],
  [{ kind: "signal", signal: "SIGTERM" }, 143],
  [{ kind: "output-closed" }, 141],
];

function result(end: RunEnd, changes: Partial<RunResult> = {}): RunResult {
  return {
    end,
    restarts: 0,
    milliseconds: 1234.5678,
    timeline: [{ step: "kernel loaded", at: 12.34 }],
    created: 5,
    released: 900,
    exits: [{ KVM_EXIT_IO: 3 }],
    lastLines: ["[    0.1] Linux", "stuck"],
    interactive: false,
    ...changes,
  };
}

Deno.test("each end has its documented status", () => {
  for (const [end, status] of statuses) assert.equal(statusOfEnd(end), status, end.kind);
});

Deno.test("a guest that ends as it should leaves nothing but its own output", () => {
  for (const end of statuses.map(([end]) => end)) {
    if (!["exit", "power-off", "reset", "output-closed"].includes(end.kind)) continue;
    assert.deepEqual(messagesOf(result(end), true), [], end.kind);
  }
  const interactive = result({ kind: "exit", status: 3 }, { interactive: true });
  assert.deepEqual(messagesOf(interactive, true), ["the guest ended with status 3"]);
});

Deno.test("a crash is told with its vCPU, its reason and its details", () => {
  assert.deepEqual(messagesOf(result({ kind: "crash", report }), true), [
    "the guest crashed on vCPU 1: triple fault",
    "  rip 0000000001000000",
    "  bytes 0f 0b",
  ]);
});

Deno.test("a console that could not be seen shows its last lines after a failure", () => {
  const timeout = result({ kind: "timeout", milliseconds: 30_000 });
  assert.deepEqual(messagesOf(timeout, true), ["stopped after 30.0 s (--timeout)"]);
  assert.deepEqual(messagesOf(timeout, false), [
    "stopped after 30.0 s (--timeout)",
    "the last lines of the console:",
    "  [    0.1] Linux",
    "  stuck",
  ]);
  const panic = result({ kind: "panic", message: "no init" }, { lastLines: [] });
  assert.deepEqual(messagesOf(panic, false), [
    "the guest's kernel panicked: no init",
    "the console showed nothing",
  ]);
});

Deno.test("the report for scripts says what the status alone does not", () => {
  assert.deepEqual(
    JSON.parse(JSON.stringify(reportOf(result({ kind: "timeout", milliseconds: 5 })))),
    {
      status: 124,
      end: { kind: "timeout", milliseconds: 5 },
      error: null,
      restarts: 0,
      milliseconds: 1235,
      timeline: [{ step: "kernel loaded", at: 12.34 }],
      exits: [{ KVM_EXIT_IO: 3 }],
    },
  );
  const { status, end, error } = reportOfError("there is no /dev/kvm", 125, 3.4);
  assert.deepEqual([status, end, error], [125, null, "there is no /dev/kvm"]);
});
