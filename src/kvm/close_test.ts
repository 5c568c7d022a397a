import assert from "node:assert/strict";
import { Fd, O_RDONLY } from "../ffi/mod.ts";
import { Kvm, KvmUnavailableError } from "./mod.ts";

function hasKvm(): boolean {
  try {
    using _kvm = Kvm.open();
    return true;
  } catch (error) {
    if (error instanceof KvmUnavailableError) return false;
    throw error;
  }
}

function descriptors(): string[] {
  return [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => name);
}

Deno.test("a descriptor that is closed in another thread is closed when that is told, and once", async () => {
  const before = descriptors().length;
  const fd = Fd.open("/dev/null", O_RDONLY);
  const closing = fd.closeElsewhere();
  assert(fd.closed);
  await closing;
  assert.equal(descriptors().length, before);
  await fd.closeElsewhere();
  fd.close();
});

const ignore = !hasKvm();

Deno.test({
  name: `a virtual machine is closed either way, without and with waiting${
    ignore ? " (needs /dev/kvm)" : ""
  }`,
  ignore,
  async fn() {
    using kvm = Kvm.open();
    const before = descriptors().length;
    {
      await using vm = kvm.createVm();
      using _vcpu = vm.createVcpu(0);
      assert.equal(descriptors().length, before + 2);
    }
    assert.equal(descriptors().length, before);
    {
      using vm = kvm.createVm();
      assert(!vm.closed);
      vm[Symbol.dispose]();
      assert(vm.closed);
      await vm[Symbol.asyncDispose]();
    }
    assert.equal(descriptors().length, before);
  },
});
