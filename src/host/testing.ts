/**
 * What tests of all rooms share.
 * @module
 */

/** Runs a test with a folder of its own, which then goes. */
export async function withFolder<T>(test: (folder: string) => Promise<T> | T): Promise<T> {
  const folder = await Deno.makeTempDir();
  try {
    return await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
