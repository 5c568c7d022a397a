import assert from "node:assert/strict";
import { OptionsError } from "../../options.ts";
import { readDevice } from "../../read_options.ts";
import { DeviceError } from "../module.ts";
import { DeviceRig } from "../testing/rig.ts";
import { makeImage, pattern, TestDisk, withDirectory } from "./block_test_rig.ts";
import { block } from "./mod.ts";

const MiB = 1 << 20;

/** Opens a disk and expects it to be refused. @returns the message */
function refusal(input: string | Record<string, unknown>): string {
  try {
    DeviceRig.create(block, input);
  } catch (error) {
    assert(error instanceof DeviceError, `not a message for the user: ${error}`);
    return error.message;
  }
  throw new Error(`${JSON.stringify(input)} was not refused`);
}

async function command(program: string, ...args: string[]): Promise<string | undefined> {
  try {
    const { success, stdout } = await new Deno.Command(program, { args, stderr: "null" }).output();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  } catch {
    return undefined;
  }
}

Deno.test("what is no raw image is refused, with the remedy", async () => {
  await withDirectory(async (directory) => {
    assert.match(
      refusal(`${directory}/none.img`),
      /there is no disk image .*none.img.*truncate -s/,
    );
    assert.match(refusal(directory), /is a directory; a disk is a file/);
    assert.match(refusal("/dev/null"), /is a character device/);
    const fifo = `${directory}/fifo`;
    await command("mkfifo", fifo);
    assert.match(refusal(fifo), /is a FIFO/);
    using _listener = Deno.listen({ transport: "unix", path: `${directory}/socket` });
    assert.match(refusal(`${directory}/socket`), /is a socket/);
    assert.match(refusal(`${directory}/none/none.img`), /there is no disk image/);
    const path = await makeImage(directory, MiB);
    assert.match(refusal(`${path}/none.img`), /disk image .* can't be looked at/);
  });
});

Deno.test("images shorter than a sector, or with a part of one, are refused", async () => {
  await withDirectory(async (directory) => {
    const empty = await makeImage(directory, 0);
    assert.match(refusal(empty), /has 0 bytes, and a sector has 512.*truncate -s/);
    const odd = await makeImage(directory, 1000);
    const message = refusal(odd);
    assert.match(message, /has 1000 bytes, which is no multiple of its sectors of 512/);
    const remedy = message.match(/truncate (-s %512) (\S+)$/);
    assert(remedy !== null, message);
    await command("truncate", ...remedy[1].split(" "), remedy[2]);
    {
      await using rig = DeviceRig.create(block, odd);
      assert.equal(rig.config.field(0, 8), 2);
    }
    assert.match(refusal({ path: odd, sector: 4096 }), /has 1024 bytes, and a sector has 4096/);
  });
});

Deno.test("images in other formats are refused, and not written", async () => {
  await withDirectory(async (directory) => {
    const path = `${directory}/disk.qcow2`;
    const starts = {
      qcow2: [0x51, 0x46, 0x49, 0xfb],
      vhdx: [...new TextEncoder().encode("vhdxfile")],
    };
    for (const [format, start] of Object.entries(starts)) {
      const bytes = new Uint8Array(MiB);
      bytes.set(start);
      await Deno.writeFile(path, bytes);
      assert.match(refusal(path), new RegExp(`is a ${format} image.*qemu-img convert -O raw`));
    }
  });
});

Deno.test("an image is used by one machine alone, or read by many", async () => {
  await withDirectory(async (directory) => {
    const path = await makeImage(directory, MiB);
    {
      await using _writer = DeviceRig.create(block, path);
      assert.match(refusal(path), /is in use by another machine; end that first, use a copy/);
      assert.match(refusal(`${path},ro`), /is being written by another machine/);
    }
    await using first = DeviceRig.create(block, `${path},ro`);
    await using second = DeviceRig.create(block, `${path},ro`);
    for (const rig of [first, second]) {
      rig.start();
      assert.equal(new TestDisk(rig).read(0, 512).status, 0);
    }
    assert.match(refusal(path), /is in use by another machine/);
  });
});

Deno.test("another process's lock is respected, and is gone when that is killed", async () => {
  await withDirectory(async (directory) => {
    const path = await makeImage(directory, MiB);
    const script = `
      import { block } from ${JSON.stringify(import.meta.resolve("./mod.ts"))};
      import { DeviceRig } from ${JSON.stringify(import.meta.resolve("../testing/rig.ts"))};
      DeviceRig.create(block, ${JSON.stringify(path)});
      console.log("locked");
      setInterval(() => {}, 1000);
    `;
    await Deno.writeTextFile(`${directory}/main.ts`, script);
    const config = new URL("../../../deno.json", import.meta.url).pathname;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", "--no-check", "--config", config, `${directory}/main.ts`],
      stdout: "piped",
    }).spawn();
    const reader = child.stdout.getReader();
    try {
      const { value } = await reader.read();
      assert.match(new TextDecoder().decode(value), /locked/);
      assert.match(refusal(path), /is in use by another machine/);
    } finally {
      child.kill("SIGKILL");
      await child.status;
      await reader.cancel();
    }
    await using _rig = DeviceRig.create(block, path);
  });
});

Deno.test("an image that is refused is not kept locked", async () => {
  await withDirectory(async (directory) => {
    const path = await makeImage(directory, 1000);
    refusal(path);
    await Deno.truncate(path, 1024);
    await using _rig = DeviceRig.create(block, path);
  });
});

Deno.test("with cache=direct, the guest's buffers may lie anywhere", async () => {
  await withDirectory(async (directory) => {
    const path = await makeImage(directory, 4 * MiB);
    await using rig = DeviceRig.create(block, `${path},cache=direct`);
    assert(rig.description.backend.alignment >= 512);
    rig.start();
    const disk = new TestDisk(rig);
    const data = pattern(1_000 * 512, 1);
    const { readable } = { readable: [new Uint8Array(16), data.slice(0, 100), data.slice(100)] };
    readable[0][0] = 1;
    assert.equal(disk.request({ readable, writable: [1] }).status, 0);
    const read = disk.request({
      readable: [new Uint8Array(16)],
      writable: [3, 500_000, data.length - 500_003, 1],
    });
    assert.equal(read.status, 0);
    assert.deepEqual(read.data, data);
    assert.deepEqual((await Deno.readFile(path)).subarray(0, data.length), data);
    // More at once than there are bounce buffers.
    for (let i = 0; i < 30; i++) {
      rig.driver.queue(0).offer({ readable: [new Uint8Array(16)], writable: [100, 924, 1] });
    }
    rig.kick(0);
    rig.run(() => rig.collect(0).length === 30);
    for (const { bytes } of rig.completed[0]) {
      assert.deepEqual(bytes.slice(0, 1024), data.slice(0, 1024));
    }
  });
});

Deno.test("with cache=direct, a guest that aligns its buffers needs no other memory", async () => {
  await withDirectory(async (directory) => {
    const path = await makeImage(directory, MiB);
    await using rig = DeviceRig.create(block, `${path},cache=direct,sector=4096`);
    rig.start();
    const disk = new TestDisk(rig);
    assert.equal(disk.write(8, pattern(8192, 2)), 0);
    assert.deepEqual(disk.read(8, 8192).data, pattern(8192, 2));
  });
});

const loop = Deno.uid() === 0 ? await findLoop() : undefined;

/** A program that makes loop devices, if that works here. */
async function findLoop(): Promise<string | undefined> {
  const directory = await Deno.makeTempDir();
  try {
    const path = await makeImage(directory, MiB);
    const device = await command("losetup", "--find", "--show", path);
    if (device === undefined) return undefined;
    await command("losetup", "-d", device);
    return "losetup";
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test({
  name: "a block device is a disk: its size, its sectors, and no second user (needs loop devices)",
  ignore: loop === undefined,
  fn: async () => {
    await withDirectory(async (directory) => {
      const path = await makeImage(directory, 2 * MiB);
      const device = await command("losetup", "--find", "--show", "-b", "4096", path);
      assert(device !== undefined);
      try {
        {
          await using rig = DeviceRig.create(block, device);
          rig.start();
          const disk = new TestDisk(rig);
          assert.equal(rig.config.field(0, 8), 2 * MiB / 512);
          assert.equal(disk.write(8, pattern(8192, 3)), 0);
          assert.equal(disk.flush(), 0);
          assert.deepEqual(
            (await Deno.readFile(path)).subarray(4096, 4096 + 8192),
            pattern(8192, 3),
          );
          assert.equal(
            disk.writeZeroes({ sector: 9, sectors: 8 }),
            0,
            "not aligned to its sectors",
          );
          assert.equal(disk.discard({ sector: 16, sectors: 8 }), 0);
          const expected = pattern(8192, 3).fill(0, 512, 4096 + 512);
          const read = disk.read(8, 8192);
          assert.equal(read.status, 0);
          assert.deepEqual(read.data.subarray(0, 4096), expected.subarray(0, 4096));
          assert.throws(() => rig.command("resize", { size: "4M" }), /resize it on the host/);
          assert.match(refusal(device), /in use/);
        }
        assert.match(refusal(`${device},cache=direct`), /needs sectors of at least 4096 bytes/);
        await using _direct = DeviceRig.create(block, `${device},cache=direct,sector=4096`);
      } finally {
        await command("losetup", "-d", device);
      }
      const readOnly = await command("losetup", "--find", "--show", "-r", path);
      assert(readOnly !== undefined);
      try {
        assert.match(refusal(readOnly), /can't be written \((EROFS|EACCES|EPERM)\); add ro/);
        await using _reader = DeviceRig.create(block, `${readOnly},ro`);
      } finally {
        await command("losetup", "-d", readOnly);
      }
    });
  },
});

Deno.test("properties that can't be are refused before anything is opened", () => {
  const wrong: Record<string, RegExp> = {
    "/x,sector=1024": /sector: it is 512 or 4096/,
    "/x,serial=has space": /serial: it is 1 to 20 printable/,
    "/x,serial=0123456789012345678901": /serial: it is 1 to 20/,
    "/x,cache=none": /cache: it is one of writeback, writethrough, direct, unsafe/,
    "/x,queues=17": /queues: it is a whole number from 1 to 16/,
    "/x,discard=yes": /discard: it is one of on, off/,
    "/x,bandwith=5": /did you mean bandwidth/,
  };
  for (const [input, message] of Object.entries(wrong)) {
    assert.throws(() => readDevice(block.options, input), (error: unknown) => {
      assert(error instanceof OptionsError);
      assert.match(error.message, message);
      return true;
    });
  }
  assert.throws(
    () => DeviceRig.create(block, "/none,iops-burst=5"),
    /iops-burst: it needs a limit/,
  );
});
