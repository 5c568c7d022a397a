import assert from "node:assert/strict";
import { DeviceError } from "../module.ts";
import { readDevice } from "../../read_options.ts";
import { DeviceRig } from "../testing/rig.ts";
import { HostListener } from "./testing/host_peer.ts";
import { SocketListener } from "../host/socket_listener.ts";
import { SOCKET_PURPOSE, vsock } from "./mod.ts";
import { VSOCK_OPTIONS } from "./options.ts";

async function inDirectory(test: (directory: string) => void | Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "vsock" });
  try {
    await test(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Asserts that a path is refused with a text, and left as it is. */
function refuses(path: string, text: RegExp): void {
  assert.throws(() => new SocketListener(path, SOCKET_PURPOSE), (error: unknown) => {
    assert(error instanceof DeviceError, String(error));
    assert.match(error.message, text);
    return true;
  });
}

Deno.test("the socket file is its owner's alone, and is removed at the end", () =>
  inDirectory((directory) => {
    const path = `${directory}/v.sock`;
    {
      using listener = new SocketListener(path, SOCKET_PURPOSE);
      assert(listener.raw > 2);
      const info = Deno.lstatSync(path);
      assert(info.isSocket);
      assert.equal((info.mode ?? 0) & 0o777, 0o600);
    }
    assert.throws(() => Deno.lstatSync(path), Deno.errors.NotFound);
  }));

Deno.test("a file that has taken the socket's place is not removed", () =>
  inDirectory((directory) => {
    const path = `${directory}/v.sock`;
    {
      using _listener = new SocketListener(path, SOCKET_PURPOSE);
      Deno.renameSync(path, `${directory}/old`);
      Deno.writeTextFileSync(path, "another's");
    }
    assert.equal(Deno.readTextFileSync(path), "another's");
  }));

Deno.test("a socket that its process has left behind is replaced", () =>
  inDirectory((directory) => {
    const path = `${directory}/v.sock`;
    // The file stays when the listening descriptor is closed without it.
    const left = new SocketListener(path, SOCKET_PURPOSE);
    Deno.renameSync(path, `${directory}/kept`);
    left[Symbol.dispose]();
    Deno.renameSync(`${directory}/kept`, path);
    using listener = new SocketListener(path, SOCKET_PURPOSE);
    assert(listener.raw > 2);
  }));

Deno.test("a path where another machine listens is refused, even when its backlog is full", () =>
  inDirectory((directory) => {
    const path = `${directory}/v.sock`;
    {
      using _other = new SocketListener(path, SOCKET_PURPOSE);
      refuses(path, /another process listens at .*v\.sock, perhaps another machine/);
      assert(Deno.lstatSync(path).isSocket);
    }
    using _full = new HostListener(path, 0);
    refuses(path, /another process listens/);
    refuses(path, /another process listens/);
  }));

Deno.test("a path with something else is refused, and that is left alone", () =>
  inDirectory((directory) => {
    const path = `${directory}/file`;
    Deno.writeTextFileSync(path, "precious");
    refuses(path, /file is a file; give a path that doesn't exist/);
    assert.equal(Deno.readTextFileSync(path), "precious");
    refuses(directory, /is a directory/);
    Deno.symlinkSync("nowhere", `${directory}/link`);
    refuses(`${directory}/link`, /is a symbolic link/);
  }));

Deno.test("a path in a directory that doesn't exist is refused with the remedy", () =>
  inDirectory((directory) => {
    refuses(
      `${directory}/no/v.sock`,
      /there is no directory .*\/no for the socket; make it: mkdir -p/,
    );
  }));

Deno.test("a path that leaves no room for the longest port is refused with the most there can be", () =>
  inDirectory((directory) => {
    const most = 107 - "_4294967294".length;
    const path = `${directory}/`.padEnd(most, "x");
    using _listener = new SocketListener(path, SOCKET_PURPOSE);
    refuses(path + "x", /is 97 bytes long, and with _PORT behind it there is room for 96/);
  }));

Deno.test({
  name: "a path in a directory that may not be written to is refused",
  // Neither root nor anybody else can make a file in /proc.
  fn: () =>
    refuses(
      "/proc/v.sock",
      /a socket can't be made in \/proc \((EACCES|EPERM|ENOENT)\)|no directory/,
    ),
});

Deno.test("what a user may ask for is checked", () => {
  const read = (text: string) => readDevice(VSOCK_OPTIONS, text).values;
  const values = read("/run/x.sock,cid=7,tx-bandwidth=1M/s");
  assert.deepEqual([values.uds, values.cid, values.connections], ["/run/x.sock", 7, 1023]);
  assert.equal(read("uds=x").cid, 3);
  for (const cid of ["2", "0", "4294967295", "-1", "x"]) {
    assert.throws(() => read(`x,cid=${cid}`), /cid: it is a whole number from 3 to 4294967294/);
  }
  assert.throws(() => read("cid=3"), /uds/);
});

Deno.test("a burst without its limit is refused before a socket is made", () =>
  inDirectory((directory) => {
    const uds = `${directory}/v.sock`;
    const input = `${uds},tx-packets-burst=5`;
    assert.throws(() => DeviceRig.create(vsock, input), (error: unknown) => {
      assert(error instanceof DeviceError);
      assert.match(error.message, /tx-packets-burst: it needs a limit/);
      return true;
    });
    assert.throws(() => Deno.lstatSync(uds), Deno.errors.NotFound);
  }));
