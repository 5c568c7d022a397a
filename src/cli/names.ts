/**
 * Names in code and names that are typed.
 * @module
 */

/** `hugePages` as it is typed: `huge-pages`. */
export function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
