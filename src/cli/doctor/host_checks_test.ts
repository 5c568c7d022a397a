import assert from "node:assert/strict";
import { EACCES, ENOENT, ENOSYS, SysError } from "../../ffi/mod.ts";
import type { Check } from "./check.ts";
import { hostChecks, type HostView, thisHost } from "./host_checks.ts";

const HUGE = "/sys/kernel/mm/hugepages/hugepages-2048kB";
const THP = "/sys/kernel/mm/transparent_hugepage/enabled";

const files: Readonly<Record<string, string>> = {
  [`${HUGE}/nr_hugepages`]: "64\n",
  [`${HUGE}/free_hugepages`]: "60\n",
  [THP]: "always [madvise] never\n",
  "/proc/sys/user/max_user_namespaces": "15000\n",
  "/sys/fs/cgroup/cgroup.controllers": "cpu memory pids\n",
};

interface Host extends Partial<Omit<HostView, "read">> {
  readonly files?: Readonly<Record<string, string | undefined>>;
}

async function checks(host: Host = {}): Promise<Map<string, Check>> {
  const { files: other, ...rest } = host;
  const all = { ...files, ...other };
  const view: HostView = {
    read: (path) => all[path],
    open() {},
    probeIoUring() {},
    tryUserNamespace: () => Promise.resolve(true),
    ...rest,
  };
  return new Map((await hostChecks(view)).map((check) => [check.name, check]));
}

Deno.test("a host that has all is told so, without remedies", async () => {
  for (const check of (await checks()).values()) {
    assert.equal(check.status, "ok", check.name);
    assert.equal(check.remedy, undefined, check.name);
  }
  assert.equal((await checks()).get("huge pages (2M)")?.detail, "64 reserved, 60 free");
});

Deno.test("nothing that only some machines use is called missing, and its absence has a remedy", async () => {
  const found = await checks({
    files: {
      [`${HUGE}/nr_hugepages`]: "0\n",
      [THP]: "always [never]\n",
      "/proc/sys/user/max_user_namespaces": "0",
    },
    open: (path) => {
      throw new SysError(`open("${path}")`, ENOENT, path);
    },
    probeIoUring: () => {
      throw new SysError("io_uring_setup", ENOSYS, "setting up an io_uring");
    },
  });
  const absent = [...found.values()].filter(({ status }) => status === "absent");
  assert.deepEqual(absent.map(({ name }) => name), [
    "io_uring",
    "tap",
    "vhost-net",
    "vhost-vsock",
    "huge pages (2M)",
    "transparent huge pages",
    "user namespaces",
  ]);
  for (const { name, remedy } of absent) assert(remedy, name);
  assert.match(found.get("tap")!.remedy!, /modprobe tun/);
});

Deno.test("a device without permission is told apart from one that isn't there", async () => {
  const found = await checks({
    open: (path) => {
      throw new SysError(`open("${path}")`, EACCES, path);
    },
  });
  assert.match(found.get("vhost-net")!.remedy!, /access to \/dev\/vhost-net/);
});

Deno.test("a sysctl that forbids io_uring is named", async () => {
  const found = await checks({
    files: { "/proc/sys/kernel/io_uring_disabled": "2\n" },
    probeIoUring: () => {
      throw new SysError("io_uring_setup", 1, "setting up an io_uring");
    },
  });
  assert.match(found.get("io_uring")!.remedy!, /kernel.io_uring_disabled=0 \(it is 2\)/);
});

Deno.test("user namespaces that can't be entered name the sysctl that this host has", async () => {
  const tryUserNamespace = () => Promise.resolve(false);
  const files = { "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1" };
  const found = await checks({ tryUserNamespace, files });
  assert.equal(
    found.get("user namespaces")!.remedy,
    "sysctl kernel.apparmor_restrict_unprivileged_userns=0",
  );
  assert.match((await checks({ tryUserNamespace })).get("user namespaces")!.remedy!, /seccomp/);
});

Deno.test("a kernel without the files of /proc and /sys is described, too", async () => {
  const none = Object.fromEntries(Object.keys(files).map((path) => [path, undefined]));
  const found = await checks({ files: none });
  for (
    const name of ["huge pages (2M)", "transparent huge pages", "user namespaces", "cgroup v2"]
  ) {
    assert.equal(found.get(name)?.status, "absent", name);
  }
});

Deno.test("this host can be looked at", async () => {
  const found = await hostChecks(thisHost);
  assert.equal(found.length, (await checks()).size);
  for (const { detail } of found) assert.notEqual(detail, "");
});
