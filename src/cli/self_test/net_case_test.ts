import assert from "node:assert/strict";
import { EBUSY, EPERM, SysError } from "../../ffi/mod.ts";
import type { CaseContext } from "./case.ts";
import { Mismatch, Skip } from "./expect.ts";
import { network } from "./judges/net.ts";
import { netCase } from "./net_case.ts";
import { FakeGuest } from "./testing.ts";

/** A host whose taps fail so. */
function refusing(errno: number): CaseContext {
  const cause = new SysError("TUNSETIFF", errno, "tap");
  const error = Object.assign(new Error("the tap can't be had", { cause }), {
    name: "DeviceError",
  });
  return { signal: new AbortController().signal, create: () => Promise.reject(error) };
}

Deno.test("without the right to make a tap the network is not tried, and says why", async () => {
  await assert.rejects(netCase.run(refusing(EPERM)), new Skip("the tap can't be had"));
});

Deno.test("a tap that fails for another reason is a failure", async () => {
  await assert.rejects(netCase.run(refusing(EBUSY)), { name: "DeviceError" });
});

Deno.test("a guest that ends before it has answered is refused, and no longer asked", async () => {
  const guest = new FakeGuest().print("ready\n");
  // Nobody has this port here, or who has it does not answer for a guest.
  const judged = network([127, 0, 0, 1])(guest);
  setTimeout(() => guest.end({ kind: "exit", status: 2 }), 20);
  await assert.rejects(judged, new Mismatch("the guest ended before it answered"));
});
