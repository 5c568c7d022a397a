import assert from "node:assert/strict";
import type { Check } from "./check.ts";
import { render, reportOn } from "./report.ts";

const checks: Check[] = [
  { area: "KVM", name: "device", status: "ok", detail: "/dev/kvm opens" },
  { area: "guest", name: "INT3", status: "missing", detail: "no", remedy: "another host" },
  { area: "guest", name: "IRETQ", status: "missing", detail: "no", remedy: "another host" },
  { area: "host", name: "tap", status: "absent", detail: "ENOENT", remedy: "modprobe tun" },
];

Deno.test("the table is aligned, with remedies below and a verdict at the end", () => {
  assert.equal(
    render(reportOn(checks), false),
    [
      "KVM",
      "  ok       device  /dev/kvm opens",
      "",
      "What its guests can execute in kernel mode",
      "  missing  INT3    no",
      "  missing  IRETQ   no",
      "           -> another host",
      "",
      "Optional features of the host",
      "  absent   tap     ENOENT",
      "           -> modprobe tun",
      "",
      "No stock kernel can run here: missing are INT3, IRETQ.",
      "",
    ].join("\n"),
  );
});

Deno.test("colours change no letter", () => {
  const report = reportOn(checks);
  const painted = render(report, true);
  assert.notEqual(painted, render(report, false));
  const escape = String.fromCharCode(0x1b);
  assert.equal(
    painted.replaceAll(new RegExp(`${escape}\\[[0-9;]*m`, "g"), ""),
    render(report, false),
  );
});

Deno.test("what is only absent keeps no stock kernel from running", () => {
  const report = reportOn(checks.filter(({ status }) => status !== "missing"));
  assert.equal(report.runsStockKernels, true);
  assert.match(render(report, false), /\nA stock kernel can run here\.\n$/);
  assert.equal(reportOn(checks).runsStockKernels, false);
});
