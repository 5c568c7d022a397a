/**
 * The doctor's report: for people and for scripts.
 * @module
 */
import { BOLD_RED, GREEN, paint, YELLOW } from "../paint.ts";
import type { Check, CheckStatus } from "./check.ts";

/** What the doctor found, and the shape of `denovisor doctor --json`. */
export interface DoctorReport {
  /** Whether a stock kernel can run here: nothing is missing. */
  readonly runsStockKernels: boolean;
  readonly checks: readonly Check[];
}

/** A report on findings. */
export function reportOn(checks: readonly Check[]): DoctorReport {
  return { runsStockKernels: checks.every(({ status }) => status !== "missing"), checks };
}

const TITLES: Readonly<Record<Check["area"], string>> = {
  KVM: "KVM",
  capabilities: "Capabilities of KVM",
  guest: "What its guests can execute in kernel mode",
  host: "Optional features of the host",
};

const COLORS: Readonly<Record<CheckStatus, string>> = {
  ok: GREEN,
  missing: BOLD_RED,
  absent: YELLOW,
};

const STATUS_WIDTH = "missing".length;

/** The report as an aligned table; remedies stand below what they are for. */
export function render(report: DoctorReport, color: boolean): string {
  const width = Math.max(...report.checks.map(({ name }) => name.length));
  const lines: string[] = [];
  let area: Check["area"] | undefined;
  for (const [i, check] of report.checks.entries()) {
    if (check.area !== area) {
      if (area !== undefined) lines.push("");
      area = check.area;
      lines.push(TITLES[area]);
    }
    const status = paint(check.status, COLORS[check.status], color) +
      " ".repeat(STATUS_WIDTH - check.status.length);
    lines.push(`  ${status}  ${check.name.padEnd(width)}  ${check.detail}`);
    // What several findings of an area have in common is told once, below the last of them.
    const again = report.checks.slice(i + 1).some(({ remedy }) => remedy === check.remedy);
    if (check.remedy === undefined || again) continue;
    lines.push(`${" ".repeat(STATUS_WIDTH + 4)}-> ${check.remedy}`);
  }
  lines.push("", verdict(report));
  return lines.join("\n") + "\n";
}

function verdict({ runsStockKernels, checks }: DoctorReport): string {
  if (runsStockKernels) return "A stock kernel can run here.";
  const missing = checks.filter(({ status }) => status === "missing").map(({ name }) => name);
  return `No stock kernel can run here: missing are ${missing.join(", ")}.`;
}
