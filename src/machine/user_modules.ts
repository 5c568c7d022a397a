/**
 * The modules of the user's devices in a Worker, before its job.
 * @module
 */
import { UserModules } from "../../devices/mod.ts";

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
  if (urls.length > 0) UserModules.import(urls).then(job).catch(failed);
  else job();
}
