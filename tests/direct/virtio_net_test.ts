/**
 * A guest on a network: a host's socket and the guest's driver talk through a tap.
 * @module
 */
import assert from "node:assert/strict";
import { CAN_MAKE_TAPS, HostSocket, TestTap } from "../../devices/virtio/net/testing/taps.ts";
import type { Machine } from "../../src/machine/mod.ts";
import { nativeMachine, testNative } from "./native_machine.ts";
import { outcome, PATIENCE_MS, printed } from "./payload_machine.ts";

const ECHO_PORT = 7;
const HEADERS_OF_IPV4_AND_UDP = 28;
const MAC = "52:54:00:12:34:56";
/** What taps need; a name that no command has, so that a test is ignored for it. */
const needs = CAN_MAKE_TAPS ? [] : ["permission to make taps"];

function number(address: string): number {
  return address.split(".").reduce((number, byte) => number * 256 + Number(byte), 0);
}

function pattern(length: number, salt: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + salt) & 0xff);
}

/** Sends a text to the guest and waits until it has come back. */
class Echo {
  readonly #host: HostSocket;
  readonly #machine: Machine;
  readonly #guestIp: string;
  #seen = 0;

  constructor(host: HostSocket, machine: Machine, guestIp: string) {
    this.#host = host;
    this.#machine = machine;
    this.#guestIp = guestIp;
  }

  async bounce(texts: readonly Uint8Array[]): Promise<void> {
    for (const text of texts) await this.#host.send(text, ECHO_PORT, this.#guestIp);
    const wanted = this.#seen + texts.length;
    const deadline = performance.now() + PATIENCE_MS;
    while (this.#host.received.length < wanted) {
      if (performance.now() > deadline) {
        const counters = JSON.stringify(this.#machine.devices.get("net0")?.metrics);
        assert.fail(`${this.#host.received.length} of ${wanted} came back; the card: ${counters}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    for (const text of texts) {
      assert.deepEqual(new Uint8Array(this.#host.received[this.#seen++]), text);
    }
  }
}

for (const eventIdx of [0, 1]) {
  testNative(
    `datagrams of a guest and its host reach each other, through a reset, event_idx=${eventIdx}`,
    async (way) => {
      using tap = new TestTap();
      tap.forgetGuest();
      await using host = await HostSocket.bind(tap.hostIp);
      const nets = [{ tap: tap.name, mac: MAC }];
      const parameters = { ip: number(tap.guestIp), event_idx: eventIdx };
      await using machine = await nativeMachine("net", way, { nets }, parameters);
      machine.start();
      await printed(machine, "ready\n");
      tap.awaitLink();
      const echo = new Echo(host, machine, tap.guestIp);
      const text = new TextEncoder();
      for (let lap = 0; lap < 2; lap++) {
        await echo.bounce([pattern(18, lap)]);
        await echo.bounce([new Uint8Array()]);
        await echo.bounce([pattern(1500 - HEADERS_OF_IPV4_AND_UDP, lap)]);
        for (let burst = 0; burst < 10; burst++) {
          await echo.bounce(Array.from({ length: 16 }, (_, i) => pattern(100 + i, burst + i)));
        }
        if (lap > 0) break;
        await echo.bounce([text.encode("reset")]);
        await printed(machine, "again\n");
      }
      await echo.bounce([text.encode("end")]);
      const { end, console } = await outcome(machine);
      assert.deepEqual(end, { kind: "exit", status: 0 }, console);
      assert.match(console, /done\n$/);
    },
    needs,
  );
}
