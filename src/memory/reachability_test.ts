import assert from "node:assert/strict";
import { GuestRam } from "./mod.ts";

/** Whether `address` lies in a mapping of a guest's memfd, as the kernel sees this process. */
function isMapped(address: bigint): boolean {
  return Deno.readTextFileSync("/proc/self/maps").split("\n").some((line) => {
    const [range, , , , , name] = line.split(/\s+/);
    if (!name?.startsWith("/memfd:guest-memory")) return false;
    const [start, end] = range.split("-").map((text) => BigInt(`0x${text}`));
    return address >= start && address < end;
  });
}

/** Allocates in a frame of its own and keeps only the address, as KVM does. */
function allocateAndForget(): { address: bigint; collected: WeakRef<Uint8Array> } {
  const ram = GuestRam.allocate([{ guestAddress: 0, size: 2 << 20 }]);
  return {
    address: ram.slots[0].hostAddress,
    collected: new WeakRef(ram.memory.slice(0, 16)),
  };
}

Deno.test({
  name: "guest memory that nobody remembers stays mapped through forced garbage collections",
  async fn() {
    // The collector is reached through V8's flag, so the check runs in a process that has it.
    const flag = "--v8-flags=--expose-gc";
    const module = import.meta.url;
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", flag, `(await import(${JSON.stringify(module)})).collectAndLook()`],
      stdout: "null",
      stderr: "piped",
    }).output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
  },
});

/** The body of the test above, run in a process whose collector can be called. */
export async function collectAndLook(): Promise<void> {
  const gc = Reflect.get(globalThis, "gc");
  assert.equal(typeof gc, "function", "started without --expose-gc");
  const { address, collected } = allocateAndForget();
  for (let i = 0; i < 10; i++) {
    gc();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.equal(collected.deref(), undefined, "the collector did not run");
  assert(isMapped(address), "the collector unmapped guest memory");
}
