/**
 * How an ioctl number is made (include/uapi/asm-generic/ioctl.h; the same on x86-64 and aarch64).
 * @module
 */

const NR_SHIFT = 0;
const TYPE_SHIFT = 8;
const SIZE_SHIFT = 16;
const DIR_SHIFT = 30;
const SIZE_LIMIT = 1 << 14;

const DIR_NONE = 0;
const DIR_WRITE = 1;
const DIR_READ = 2;

/** The type of all KVM ioctls. */
export const KVMIO = 0xae;

function ioc(dir: number, nr: number, size: number): number {
  if (size >= SIZE_LIMIT) throw new RangeError(`an ioctl argument can't have ${size} bytes`);
  const number = (dir << DIR_SHIFT) | (size << SIZE_SHIFT) | (KVMIO << TYPE_SHIFT) |
    (nr << NR_SHIFT);
  return number >>> 0;
}

/** `_IO(KVMIO, nr)`: no argument, or one that is a number. */
export function IO(nr: number): number {
  return ioc(DIR_NONE, nr, 0);
}

/** `_IOR(KVMIO, nr, argument)`: the kernel fills the argument. */
export function IOR(nr: number, argument: { readonly size: number }): number {
  return ioc(DIR_READ, nr, argument.size);
}

/** `_IOW(KVMIO, nr, argument)`: the kernel reads the argument. */
export function IOW(nr: number, argument: { readonly size: number }): number {
  return ioc(DIR_WRITE, nr, argument.size);
}

/** `_IOWR(KVMIO, nr, argument)`: the kernel reads the argument and fills it. */
export function IOWR(nr: number, argument: { readonly size: number }): number {
  return ioc(DIR_READ | DIR_WRITE, nr, argument.size);
}
