/**
 * Tables and quantities for people.
 * @module
 */

/** Rows as lines, with columns as wide as what is in them. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows.reduce<number[]>(
    (widths, row) => row.map((cell, i) => Math.max(cell.length, widths[i] ?? 0)),
    [],
  );
  const line = (row: readonly string[]) =>
    row.map((cell, i) => cell.padEnd(widths[i])).join("  ").trimEnd();
  return rows.map((row) => `${line(row)}\n`).join("");
}

/** Bytes as `512 MiB` or `1.5 GiB`. */
export function formatMemory(bytes: number): string {
  const mebibytes = bytes / 2 ** 20;
  if (mebibytes < 1024) return `${Math.round(mebibytes)} MiB`;
  return `${Number((mebibytes / 1024).toFixed(1))} GiB`;
}

const UNITS = [["d", 86_400], ["h", 3600], ["m", 60], ["s", 1]] as const;

/** Milliseconds as `3h 12m`, `12s`: the largest unit that there is one of, and the next one. */
export function formatUptime(milliseconds: number): string {
  let seconds = Math.floor(milliseconds / 1000);
  const first = UNITS.findIndex(([, size]) => seconds >= size);
  if (first === -1) return "0s";
  return UNITS.slice(first, first + 2).map(([unit, size]) => {
    const count = Math.floor(seconds / size);
    seconds -= count * size;
    return `${count}${unit}`;
  }).join(" ");
}
