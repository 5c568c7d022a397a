/**
 * Device numbers as stat(2) gives them in `st_rdev`, in the C library's encoding: makedev(3).
 *
 * @module
 */

/** The major number, which names the driver. */
export function major(device: number): number {
  const high = Math.floor(device / 2 ** 32);
  return (high & 0xffff_f000) | ((device >>> 8) & 0xfff);
}

/** The minor number, which names the driver's device. */
export function minor(device: number): number {
  return ((device >>> 12) & 0xfff_ff00) | (device & 0xff);
}
