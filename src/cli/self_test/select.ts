/**
 * Which cases are run: those that are named, and of these those that have all words of a filter.
 * @module
 */
import { UsageError } from "../errors.ts";
import type { SelfTestCase } from "./case.ts";

/**
 * Picks cases, in their own order.
 *
 * @param names of cases, or the beginnings of several: `virtio` is `virtio-block-pci` and more; none is all
 * @param filter words that a case's name or title has, whatever their case; empty is all
 * @throws {UsageError} a name that no case has; nothing left
 */
export function select(
  cases: readonly SelfTestCase[],
  names: readonly string[],
  filter: string,
): SelfTestCase[] {
  for (const name of names) {
    if (cases.some((each) => isNamed(each, name))) continue;
    throw new UsageError(`there is no case ${name}; denovisor self-test --list shows all`);
  }
  const words = filter.toLowerCase().split(/\s+/).filter((word) => word !== "");
  const found = cases.filter((each) => {
    const text = `${each.name} ${each.title}`.toLowerCase();
    return (names.length === 0 || names.some((name) => isNamed(each, name))) &&
      words.every((word) => text.includes(word));
  });
  if (found.length > 0) return found;
  throw new UsageError(`no case has "${filter}" in it; denovisor self-test --list shows all`);
}

function isNamed({ name }: SelfTestCase, wanted: string): boolean {
  return name === wanted || name.startsWith(`${wanted}-`);
}
