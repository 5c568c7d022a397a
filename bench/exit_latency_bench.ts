/**
 * The latency of a thousand exits of each kind: bare, with nothing between KVM_RUN and the next, and
 * through a machine's run loop with its bus and devices. Divide by a thousand for one.
 *
 * `deno task compare exits` has the distribution of single exits, and a loop in C beside it.
 * @module
 */
import { burstGuest, BURSTS, runBare, runLooped } from "./exit_burst.ts";
import { ExitRunLoop } from "./exit_run_loop.ts";

const COUNT = 1000;

for (const kind of Object.keys(BURSTS) as (keyof typeof BURSTS)[]) {
  const bare = await burstGuest(kind, COUNT);
  const guest = await burstGuest(kind, COUNT);
  const loop = new ExitRunLoop(guest.jobs[0]);
  const group = `${COUNT} ${kind}`;
  Deno.bench(`${group}, bare KVM_RUN`, { group, baseline: true }, () => runBare(bare));
  Deno.bench(`${group}, through the run loop`, { group }, () => runLooped(loop));
}
