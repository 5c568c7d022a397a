import assert from "node:assert/strict";
import { join } from "node:path";
import { firecracker } from "./firecracker.ts";
import { type Guest, type Monitor, MONITORS, monitorsFor, qemu, runGuest, typed } from "./mod.ts";
import { quote } from "./monitor.ts";

const program: Guest = { program: "/guest", parameters: { ticks: 5 }, devices: {} };
const linux: Guest = {
  program: "/bzImage",
  parameters: { quiet: 1 },
  devices: { disk: "/disk.img", tap: "tap7" },
  linux: { initrd: "/initrd", vmlinux: "/vmlinux" },
  cpus: 2,
  memoryMiB: 256,
};

/** Has a folder with commands of these names, which say what they were given. */
async function withCommands(names: string[], body: (folder: string) => Promise<void>) {
  const folder = await Deno.makeTempDir();
  try {
    for (const name of names) {
      await Deno.writeTextFile(join(folder, name), "#!/bin/sh\ncat $3\n", { mode: 0o755 });
    }
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("monitors that aren't installed are named with what has them, ours is always there", async () => {
  await withCommands([], (folder) => {
    const { monitors, notes } = monitorsFor(linux, folder);
    assert.deepEqual(monitors.map(({ name }) => name), ["denovisor"]);
    assert.deepEqual(notes, [
      "QEMU is left out: there is no qemu-system-x86_64 here (Debian's package qemu-system-x86 has it).",
      "Firecracker is left out: there is no firecracker here.",
      "kvmtool is left out: there is no lkvm here (Debian's package kvmtool has it).",
    ]);
    return Promise.resolve();
  });
});

Deno.test("monitors that are installed are used for the guests that they run", async () => {
  await withCommands(["qemu-system-x86_64", "firecracker", "lkvm"], (folder) => {
    const names = (guest: Guest) => monitorsFor(guest, folder).monitors.map(({ name }) => name);
    assert.deepEqual(names(linux), ["denovisor", "QEMU", "Firecracker", "kvmtool"]);
    assert.deepEqual(names({ ...linux, linux: { initrd: "/initrd" } }), [
      ...["denovisor", "QEMU", "kvmtool"],
    ]);
    assert.deepEqual(names(program), ["denovisor", "QEMU"]);
    const { notes } = monitorsFor(program, folder);
    assert.match(
      notes.join("\n"),
      /Firecracker is left out: it has no port .*\nkvmtool .*bzImages/,
    );
    return Promise.resolve();
  });
});

Deno.test("Firecracker finds its configuration in a file that lasts as long as we do", async () => {
  await withCommands(["firecracker"], async (folder) => {
    const [, ...args] = firecracker.command(linux);
    const fake: Monitor = { ...firecracker, command: () => [join(folder, "firecracker"), ...args] };
    const configuration = JSON.parse(await runGuest(fake, linux, 10_000));
    assert.deepEqual(configuration, {
      "boot-source": {
        kernel_image_path: "/vmlinux",
        initrd_path: "/initrd",
        boot_args: "console=ttyS0 reboot=k panic=-1 quiet=1 " +
          "pci=off i8042.noaux i8042.nomux i8042.dumbkbd",
      },
      "machine-config": { vcpu_count: 2, mem_size_mib: 256 },
      drives: [{
        drive_id: "disk",
        path_on_host: "/disk.img",
        is_root_device: false,
        is_read_only: false,
        cache_type: "Writeback",
        io_engine: "Async",
      }],
      "network-interfaces": [{ iface_id: "net", host_dev_name: "tap7" }],
    });
    assert.deepEqual(firecracker.command(linux).slice(1), args, "one file for one text");
  });
});

Deno.test("every monitor gives Linux the same processors, memory, initrd, disk and tap", () => {
  for (const monitor of MONITORS) {
    const line = typed(monitor, linux);
    for (const part of ["2", "256", "/initrd", "/disk.img", "tap7", "console=ttyS0", "quiet=1"]) {
      assert.ok(line.includes(part), `${monitor.name} is not told ${part}: ${line}`);
    }
  }
});

Deno.test("a command line can be typed as it is told, with names for what only exists now", async () => {
  const line = typed(firecracker, linux, { "/disk.img": "$DISK", "/initrd": "$INITRD" });
  assert.match(line, /^firecracker --no-api --config-file <\(echo '\{.*"\$INITRD".*"\$DISK".*'\)$/);
  assert.match(typed(qemu, program), /-append 'mmio=0xfeb00000,512,8 ticks=5'$/);
  for (const word of ["plain-word", "two words", "it's", "$HOME", "$(exit)", ""]) {
    const { stdout } = await new Deno.Command("sh", {
      args: ["-c", `printf %s ${quote(word)}`],
    }).output();
    assert.equal(new TextDecoder().decode(stdout), word);
  }
});
