/**
 * The modules of the user's devices in a Worker, before its job.
 * @module
 */
import type { UserModules } from "../../devices/user/modules.ts";

/**
 * Does a job that needs modules: at once where it needs none, else when they are imported.
 *
 * @param urls of the modules
 * @param failed is told what an import, or the job behind it, throws
 */
export function withUserModules(
  urls: readonly string[],
  job: (modules?: UserModules) => void,
  failed: (error: unknown) => void,
): void {
  if (urls.length > 0) importModules(urls).then(job).catch(failed);
  else job();
}

async function importModules(urls: readonly string[]): Promise<UserModules> {
  // It brings all that a device can be written with.
  const { UserModules } = await import("../../devices/user/modules.ts");
  return await UserModules.import(urls);
}
