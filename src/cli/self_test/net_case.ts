/**
 * The case with a network: a tap of its own, with an address for this host and one for the guest.
 * @module
 */
import { type Ipv4, setInterfaceIpv4, SysError } from "../../ffi/mod.ts";
import type { CaseContext, SelfTestCase } from "./case.ts";
import { Skip } from "./expect.ts";
import { runGuest } from "./guest_case.ts";
import { network } from "./judges/net.ts";
import { PCI } from "./ways.ts";

/** How many networks of four addresses there are in 198.18.0.0/15, which is set aside for such tests (RFC 2544). */
const NETWORKS = 0x8000;
const NETWORK_BITS = 30;

/** What a tap that can't be made fails with: no /dev/net/tun, or no right to it or to new interfaces. */
const NOT_PERMITTED = new Set(["ENOENT", "ENODEV", "ENXIO", "EACCES", "EPERM"]);

/** This host's address and the guest's, in a network that hardly anybody else uses at the time. */
function addresses(): { readonly host: Ipv4; readonly guest: Ipv4 } {
  const network = Math.floor(Math.random() * NETWORKS) * 4;
  const address = (host: number): Ipv4 => {
    const at = network + host;
    return [198, 18 + (at >> 16), at >> 8 & 0xff, at & 0xff];
  };
  return { host: address(1), guest: address(2) };
}

async function run(context: CaseContext): Promise<void> {
  const { host, guest } = addresses();
  // The interface ends with the machine. Its name is this process's own.
  const tap = `dvself${Deno.pid.toString(36)}`;
  const ip = guest.reduce((number, byte) => number * 256 + byte, 0);
  const config = {
    memory: "32M",
    transport: PCI.transport,
    cmdline: `${PCI.parameters} event_idx=1 ip=${ip}`,
    nets: [{ tap }],
  };
  try {
    await runGuest("virtio-net", config, async (machine) => {
      setInterfaceIpv4(tap, host, NETWORK_BITS);
      await network(guest)(machine);
    }, context);
  } catch (error) {
    throw isNotPermitted(error) ? new Skip(error.message) : error;
  }
}

/** Whether a machine could not be built because its tap can't be made here. */
function isNotPermitted(error: unknown): error is Error {
  return error instanceof Error && error.name === "DeviceError" &&
    error.cause instanceof SysError && NOT_PERMITTED.has(error.cause.code);
}

/** A guest that is on a network with this host. */
export const netCase: SelfTestCase = {
  name: "virtio-net",
  area: "virtio",
  title: "datagrams reach the guest through a tap and come back",
  needs: ["kvm", "io_uring"],
  run,
};
