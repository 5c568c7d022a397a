/**
 * A guest on a network that sends back what is sent to it.
 * @module
 */
import { connectUdp, type Ipv4, read, SysError, writeAll } from "../../../ffi/mod.ts";
import { expect } from "../expect.ts";
import { expectEnd, type GuestMachine, type Judge, outcome, printed, running } from "../guest.ts";

/** Where the program net.c answers; it does at every port. */
const ECHO_PORT = 7;
/** The largest text in a packet of Ethernet's 1500 bytes: without the headers of IPv4 and UDP. */
const LARGEST = 1500 - 20 - 8;
/** How long an answer is waited for before the same is sent again, in milliseconds. */
const AGAIN_MS = 50;
const LOOK_MS = 2;

/** Errors of a network that is coming up: nobody has answered yet, and the kernel has given up asking who is there. */
const NOT_YET = new Set(["EAGAIN", "EHOSTUNREACH", "ECONNREFUSED", "ENETUNREACH"]);

/** @returns the bytes that came; undefined where none did */
function attempt<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (error instanceof SysError && NOT_YET.has(error.code)) return undefined;
    throw error;
  }
}

/** Sends texts to a guest until each has come back. */
class Echo implements Disposable {
  readonly #socket;
  readonly #isRunning: () => boolean;
  readonly #into = new Uint8Array(2048);

  constructor(machine: GuestMachine, address: Ipv4) {
    this.#isRunning = running(machine);
    this.#socket = connectUdp(address, ECHO_PORT);
  }

  /**
   * Sends a text, which is sent again where it gets lost: the host drops what it is given before the link is up.
   *
   * @throws {Mismatch} a guest that has ended
   */
  async bounce(text: Uint8Array): Promise<void> {
    while (!await this.#once(text)) expect(this.#isRunning(), "the guest ended before it answered");
  }

  async #once(text: Uint8Array): Promise<boolean> {
    attempt(() => writeAll(this.#socket.raw, text, "datagram to the guest"));
    const end = performance.now() + AGAIN_MS;
    while (performance.now() < end) {
      const length = attempt(() => read(this.#socket.raw, this.#into, "datagram of the guest"));
      if (length === undefined) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      // Another text is an answer to one that was sent twice.
      else if (isSame(this.#into.subarray(0, length), text)) return true;
    }
    return false;
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function pattern(length: number, salt: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + salt) & 0xff);
}

/** Datagrams of every size come back from the guest at an address, before and after a reset of its card. */
export function network(address: Ipv4): Judge {
  return async (machine) => {
    await printed(machine, "ready\n");
    using echo = new Echo(machine, address);
    const text = new TextEncoder();
    for (const lap of [1, 2]) {
      for (const length of [1, 18, 500, LARGEST]) await echo.bounce(pattern(length, lap));
      await echo.bounce(text.encode(lap === 1 ? "reset" : "end"));
      if (lap === 1) await printed(machine, "again\n");
    }
    expectEnd((await outcome(machine)).end, { kind: "exit", status: 0 });
  };
}
