import assert from "node:assert/strict";
import { liveMappings, SysError } from "../ffi/mod.ts";
import { KVM_CAP, KVM_DEV_TYPE, KVM_MP_STATE } from "./bindings/mod.ts";
import {
  Kvm,
  KVM_VCPU_TSC_CTRL,
  KVM_VCPU_TSC_OFFSET,
  KVM_X86_XCOMP_GUEST_SUPP,
  KvmUnavailableError,
  MsrError,
  Vm,
} from "./mod.ts";
import { kvmTest, RAM, TestGuest } from "./test_guest.ts";

/** The group of the system descriptor's attributes that belong to no vendor. */
const SYSTEM_GROUP = 0;

const notRoot = Deno.uid() !== 0;
const needsRoot = notRoot ? " (needs root)" : "";

function openDescriptors(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

/** The KvmUnavailableError that opening `path` throws. */
function refusal(path: string): KvmUnavailableError {
  try {
    Kvm.open(path)[Symbol.dispose]();
  } catch (error) {
    assert(error instanceof KvmUnavailableError, String(error));
    return error;
  }
  assert.fail(`${path} was opened`);
}

Deno.test("a device that is not there is an error that names it and the remedy", () => {
  const error = refusal("/no/such/kvm");
  assert.equal(error.reason, "missing");
  assert.equal(error.path, "/no/such/kvm");
  assert.match(error.message, /^there is no \/no\/such\/kvm; load the module \(modprobe kvm_intel/);
  assert(error.cause instanceof SysError);
});

Deno.test(`a device without a driver is an error of its own${needsRoot}`, {
  ignore: notRoot,
}, async () => {
  const directory = await Deno.makeTempDir();
  try {
    // Major 10, minor 254: no driver has it registered.
    const path = `${directory}/kvm`;
    const mknod = await new Deno.Command("mknod", { args: [path, "c", "10", "254"] }).output();
    assert(mknod.success);
    const error = refusal(path);
    // A file system that is mounted nodev answers EACCES in place of ENODEV.
    assert(error.reason === "no-hardware" || error.reason === "permission", error.message);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("a file that is not KVM's device is an error that says so, and nothing stays open", () => {
  const before = openDescriptors();
  const error = refusal("/dev/null");
  assert.equal(error.reason, "not-kvm");
  assert.equal(error.message, "/dev/null is not KVM's device; KVM's is /dev/kvm");
  assert.equal(openDescriptors(), before);
});

Deno.test(`no permission is an error that names the remedy${needsRoot}`, {
  ignore: notRoot,
}, async () => {
  // Root may open anything, so the question is asked by somebody else.
  const directory = await Deno.makeTempDir();
  try {
    await Deno.chmod(directory, 0o755);
    const path = `${directory}/kvm`;
    await Deno.writeTextFile(path, "");
    await Deno.chmod(path, 0o000);
    const script = `import { Kvm } from ${JSON.stringify(import.meta.resolve("./mod.ts"))};
      try { Kvm.open(${JSON.stringify(path)}); } catch (e) { console.log(e.reason, e.message); }`;
    const child = new Deno.Command("setpriv", {
      args: ["--bounding-set=-all", "--inh-caps=-all", "--reset-env"]
        .concat(Deno.execPath(), "eval", "--no-lock", "--no-config", script),
      env: { DENO_NO_UPDATE_CHECK: "1" },
    });
    const { stdout, stderr } = await child.output();
    const text = new TextDecoder();
    assert.match(
      text.decode(stdout),
      /^permission no permission to open .*; join the group that owns it \(sudo usermod -aG kvm/,
      text.decode(stderr),
    );
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

kvmTest("KVM tells its version, its capabilities and what a guest can be given", () => {
  using kvm = Kvm.open();
  assert.equal(kvm.getApiVersion(), 12);
  assert.equal(kvm.checkExtension(KVM_CAP.USER_MEMORY), 1);
  assert.equal(kvm.checkExtension(60_000), 0);
  assert(kvm.getVcpuMmapSize() >= 4096);

  const leaves = kvm.getSupportedCpuid();
  const vendor = leaves.find((leaf) => leaf.function === 0);
  assert(vendor !== undefined && vendor.eax >= 1);
  assert(leaves.some((leaf) => leaf.function === 0x4000_0000), "KVM's own leaf");
  assert(Array.isArray(kvm.getEmulatedCpuid()));
  assert(kvm.getMsrIndexList().includes(0x10), "IA32_TIME_STAMP_COUNTER");
  assert.equal(typeof kvm.x86GetMceCapSupported(), "bigint");
});

kvmTest("feature MSRs are read through the system descriptor", () => {
  using kvm = Kvm.open();
  const indices = kvm.getMsrFeatureIndexList();
  const values = kvm.getMsrs(indices);
  assert.equal(values.length, indices.length);
  assert.throws(() => kvm.getMsrs([...indices, 0xdead_0000]), (error: unknown) => {
    assert(error instanceof MsrError);
    assert.equal(error.index, 0xdead_0000);
    assert.equal(error.done, indices.length);
    assert.equal(error.message, "/dev/kvm: MSR 0xdead0000 can't be read");
    return true;
  });
});

kvmTest("lists longer than one call takes are read in several", () => {
  using kvm = Kvm.open();
  const [index] = kvm.getMsrFeatureIndexList();
  const values = kvm.getMsrs(new Array<number>(700).fill(index));
  assert.deepEqual(values, new Array<bigint>(700).fill(values[0]));
});

kvmTest("a failed call names the object, the call and the errno", () => {
  using guest = new TestGuest([]);
  assert.throws(() => guest.vm.createVcpu(0), (error: unknown) => {
    assert(error instanceof SysError);
    assert.equal(error.code, "EEXIST");
    assert.match(
      error.message,
      /^virtual machine: ioctl\(KVM_CREATE_VCPU\) failed with EEXIST/,
    );
    return true;
  });
  const overlap = { slot: 1, guestAddress: 0, size: RAM, hostAddress: 0x1000n };
  assert.throws(
    () => guest.vm.setUserMemoryRegion(overlap),
    (error: unknown) => error instanceof SysError && error.code === "EEXIST",
  );
  assert.throws(
    () => guest.vcpu.setCpuid2(new Array(10_000).fill({})),
    (error: unknown) => error instanceof SysError && error.code === "E2BIG",
  );
});

kvmTest("descriptors and mappings are gone once everything is disposed of", () => {
  const descriptors = openDescriptors();
  const mappings = liveMappings();
  for (let i = 0; i < 10; i++) {
    using guest = new TestGuest([]);
    guest.vm.getStatsFd().close();
    guest.kvm.getDeviceAttr(SYSTEM_GROUP, KVM_X86_XCOMP_GUEST_SUPP, 8);
  }
  assert.equal(openDescriptors(), descriptors);
  assert.equal(liveMappings(), mappings);
});

kvmTest("an object that was disposed of says so, and is disposed of only once", () => {
  const guest = new TestGuest([]);
  const { vcpu, vm } = guest;
  guest[Symbol.dispose]();
  vcpu[Symbol.dispose]();
  assert(vcpu.closed && vm.closed);
  assert.throws(() => vcpu.getRegs(), /^Error: vCPU 0 is closed$/);
  assert.throws(() => vm.createVcpu(1), /^Error: virtual machine is closed$/);
  assert.throws(
    () => vcpu.run(),
    (error: unknown) => error instanceof SysError && error.code === "EBADF",
  );
});

kvmTest(
  "a virtual machine that is attached to works and does not close its owner's descriptor",
  () => {
    using guest = new TestGuest([]);
    {
      using attached = Vm.attach(structuredClone(guest.vm.spec));
      assert.equal(attached.checkExtension(KVM_CAP.USER_MEMORY), 1);
      using vcpu = attached.createVcpu(1);
      assert.equal(vcpu.getMpState(), KVM_MP_STATE.RUNNABLE);
    }
    assert.equal(guest.vm.checkExtension(KVM_CAP.USER_MEMORY), 1);
  },
);

kvmTest("a device is made by its type, and a type that the host lacks is refused", () => {
  using guest = new TestGuest([]);
  assert.equal(guest.vm.supportsDevice(KVM_DEV_TYPE.ARM_VGIC_V3), false);
  assert.throws(
    () => guest.vm.createDevice(KVM_DEV_TYPE.ARM_VGIC_V3),
    (error: unknown) => error instanceof SysError && error.code === "ENODEV",
  );
  if (!guest.vm.supportsDevice(KVM_DEV_TYPE.VFIO)) return;
  using device = guest.vm.createDevice(KVM_DEV_TYPE.VFIO);
  assert.equal(device.hasDeviceAttr(1, 1), true);
  assert.equal(device.hasDeviceAttr(99, 1), false);
});

kvmTest("attributes are got from the system and set on a vCPU", () => {
  using guest = new TestGuest([]);
  assert(guest.kvm.hasDeviceAttr(SYSTEM_GROUP, KVM_X86_XCOMP_GUEST_SUPP));
  const features = guest.kvm.getDeviceAttr(SYSTEM_GROUP, KVM_X86_XCOMP_GUEST_SUPP, 8);
  const xsave = guest.kvm.checkExtension(KVM_CAP.XCRS) > 0;
  assert.equal(features[0] & 3, xsave ? 3 : 0, "x87 and SSE, where the processor has XSAVE");
  assert.throws(
    () => guest.kvm.getDeviceAttr(77, 0, 8),
    (error: unknown) => error instanceof SysError && error.code === "ENXIO",
  );

  const tscOffset = () => guest.vcpu.getDeviceAttr(KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET, 8);
  const before = new DataView(tscOffset().buffer).getBigUint64(0, true);
  const moved = new Uint8Array(new BigUint64Array([BigInt.asUintN(64, before - 1000n)]).buffer);
  guest.vcpu.setDeviceAttr(KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET, moved);
  // Where the hardware can't offset the counter, the offset is 0 and stays so.
  assert.deepEqual(tscOffset(), before === 0n ? new Uint8Array(8) : moved);
});
