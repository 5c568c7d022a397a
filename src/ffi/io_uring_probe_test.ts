import assert from "node:assert/strict";
import { probeIoUring } from "./io_uring_probe.ts";
import { SysError } from "./errno.ts";
import { IORING_FEAT_NODROP, IORING_FEAT_SINGLE_MMAP } from "./io_uring_abi.ts";

const disabled = await Deno.readTextFile("/proc/sys/kernel/io_uring_disabled").catch(() => "0");

Deno.test("io_uring is there with its features, or its absence has a name, and no descriptor is left", () => {
  const open = () => [...Deno.readDirSync("/proc/self/fd")].length;
  const before = open();
  try {
    // They came with 5.4 and 5.5; every later kernel has them.
    const since55 = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP;
    assert.equal(probeIoUring().features & since55, since55);
    assert.notEqual(disabled.trim(), "2");
  } catch (error) {
    assert(error instanceof SysError, String(error));
    assert(["ENOSYS", "EPERM"].includes(error.code), error.message);
  }
  assert.equal(open(), before);
});
