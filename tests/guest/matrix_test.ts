/**
 * Stock kernels in each form in which they come, with few and many vCPUs, little and much memory.
 * @module
 */
import assert from "node:assert/strict";
import { bootGuest, type GuestOptions, guestTest } from "./boot.ts";

/** What the guest tells of itself, as `name=value` lines. */
const REPORT = [
  "echo release=$(uname -r)",
  "echo cpus=$(nproc)",
  "echo kib=$(awk '/MemTotal/ { print $2 }' /proc/meminfo)",
  "echo cmdline=$(cat /proc/cmdline)",
  "exit 7",
].join("; ");

type Case = Omit<GuestOptions, "guest"> & Required<Pick<GuestOptions, "cpus" | "memory">>;

// Each pair of properties that could trouble each other stands in at least one row.
const cases: readonly Case[] = [
  { flavour: "cloud", image: "bzImage", cpus: 1, memory: "512M" },
  { flavour: "cloud", image: "bzImage", cpus: 4, memory: "6G" },
  { flavour: "cloud", image: "bzImage", protocol: "linux32", cpus: 2, memory: "128M" },
  { flavour: "cloud", image: "vmlinux", protocol: "pvh", cpus: 2, memory: "6G" },
  { flavour: "cloud", image: "vmlinux", protocol: "pvh", cpus: 4, memory: "128M" },
  { flavour: "cloud", image: "vmlinux", protocol: "linux64", cpus: 1, memory: "128M" },
  { flavour: "cloud", image: "vmlinux", protocol: "linux64", cpus: 4, memory: "3G" },
  { flavour: "generic", image: "bzImage", cpus: 2, memory: "512M" },
  { flavour: "generic", image: "vmlinux", protocol: "pvh", cpus: 1, memory: "512M" },
  { flavour: "generic", image: "vmlinux", protocol: "linux64", cpus: 2, memory: "6G" },
];

for (const row of cases) {
  const { flavour, image, protocol = "auto", cpus, memory } = row;
  guestTest(
    `Debian's ${flavour} ${image} boots by ${protocol} with ${cpus} vCPUs and ${memory}`,
    async () => {
      const { end, text } = await bootGuest({ ...row, guest: { command: REPORT } });
      assert.deepEqual(end, { kind: "exit", status: 7 }, text);
      const value = (name: string) => new RegExp(`^${name}=(.*)$`, "m").exec(text)?.[1];
      assert.match(value("release") ?? "", flavour === "cloud" ? /-cloud-amd64$/ : /\d-amd64$/);
      assert.equal(value("cpus"), String(cpus));
      assert.equal(value("cmdline"), "console=ttyS0 panic=-1");
      // The kernel keeps some for itself: about 30 MiB, and 1/64 for the descriptors of pages.
      const mebibytes = Number(value("kib")) / 1024;
      const given = memory.toString().endsWith("G")
        ? parseInt(`${memory}`) * 1024
        : parseInt(`${memory}`);
      assert(mebibytes < given && mebibytes > given * 0.95 - 48, `${mebibytes} of ${given} MiB`);
    },
  );
}
