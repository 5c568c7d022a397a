/**
 * Taps: network interfaces whose other end is a descriptor (Documentation/networking/tuntap.rst), and the settings
 * of interfaces that go with them.
 *
 * Packets travel through `readv` and `writev`, one a call, each behind a struct virtio_net_hdr.
 * @module
 */
import { check } from "./errno.ts";
import { Fd, O_CLOEXEC, O_NONBLOCK, O_RDWR } from "./fd.ts";
import { AF_INET, inetAddress, type Ipv4, netmask, SOCK_DGRAM } from "./inet.ts";
import { ioctl, ioctlValue } from "./ioctl.ts";
import { libc } from "./libc.ts";

/** ioctls of /dev/net/tun (linux/if_tun.h). */
export const TUNSETIFF = 0x400454ca;
export const TUNSETPERSIST = 0x400454cb;
export const TUNGETFEATURES = 0x800454cf;
export const TUNSETOFFLOAD = 0x400454d0;
export const TUNGETIFF = 0x800454d2;
export const TUNSETVNETHDRSZ = 0x400454d8;
export const TUNSETQUEUE = 0x400454d9;
export const TUNSETCARRIER = 0x400454e2;

/** Flags of TUNSETIFF, some of which TUNGETFEATURES reports. */
export const IFF_TAP = 0x0002;
export const IFF_MULTI_QUEUE = 0x0100;
export const IFF_ATTACH_QUEUE = 0x0200;
export const IFF_DETACH_QUEUE = 0x0400;
export const IFF_NO_PI = 0x1000;
export const IFF_VNET_HDR = 0x4000;

/** TUNSETOFFLOAD: the packets that the reader of the tap takes unfinished. */
export const TUN_F_CSUM = 0x01;
export const TUN_F_TSO4 = 0x02;
export const TUN_F_TSO6 = 0x04;
export const TUN_F_TSO_ECN = 0x08;
export const TUN_F_UFO = 0x10;
/** Linux 6.2. */
export const TUN_F_USO4 = 0x20;
export const TUN_F_USO6 = 0x40;

/** ioctls of any socket (linux/sockios.h). */
export const SIOCGIFFLAGS = 0x8913;
export const SIOCSIFFLAGS = 0x8914;
export const SIOCSIFADDR = 0x8916;
export const SIOCSIFNETMASK = 0x891c;
export const SIOCGIFMTU = 0x8921;
export const SIOCSIFMTU = 0x8922;
export const SIOCGIFHWADDR = 0x8927;

/** An interface flag (linux/if.h). */
export const IFF_UP = 0x1;

/** struct ifreq (linux/if.h) where pointers have 64 bits: a name, then a union. */
export const ifreq = { size: 40, ifr_name: 0, ifr_value: 16, ifr_hwaddr_data: 18 } as const;

/** The most bytes of an interface's name: IFNAMSIZ is 16 with the NUL. */
export const INTERFACE_NAME_LIMIT = 15;

function request(name: string): DataView {
  const bytes = new TextEncoder().encode(name);
  if (bytes.length > INTERFACE_NAME_LIMIT || bytes.includes(0)) {
    const limit = `a network interface's name has at most ${INTERFACE_NAME_LIMIT} bytes`;
    throw new RangeError(`${JSON.stringify(name)}: ${limit}`);
  }
  const view = new DataView(new ArrayBuffer(ifreq.size));
  new Uint8Array(view.buffer).set(bytes, ifreq.ifr_name);
  return view;
}

function nameIn(view: DataView): string {
  const bytes = new Uint8Array(view.buffer, ifreq.ifr_name, INTERFACE_NAME_LIMIT + 1);
  return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
}

/** How a tap is opened. */
export interface TapOptions {
  /** The interface's name, which need not exist yet; empty, or with a `%d` inside, the kernel chooses. */
  readonly name: string;
  /** Whether more than one descriptor can be opened for it; all of them say so, or none. */
  readonly multiQueue: boolean;
  /** Bytes of the header before each packet: 10, or 12 with the number of buffers. */
  readonly headerSize: number;
}

/** One queue of a tap. */
export interface Tap {
  /** Non-blocking. */
  readonly fd: Fd;
  /** The interface's name. */
  readonly name: string;
}

/**
 * Opens a tap, or one more queue of it. An interface that nobody has made persistent ends with its last queue.
 *
 * @throws {SysError} ENOENT: /dev/net/tun is missing (modprobe tun); EBUSY: somebody else has the tap open; EPERM:
 *   neither is it this user's nor has the process CAP_NET_ADMIN; EINVAL: it exists with another `multiQueue`, or is
 *   no tap; E2BIG: no more queues
 * @throws {RangeError} for a name that is too long
 */
export function openTap(options: TapOptions): Tap {
  const { name, multiQueue, headerSize } = options;
  const what = `tap ${JSON.stringify(name)}`;
  const fd = Fd.open("/dev/net/tun", O_RDWR | O_NONBLOCK, what);
  try {
    const view = request(name);
    const flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (multiQueue ? IFF_MULTI_QUEUE : 0);
    view.setUint16(ifreq.ifr_value, flags, true);
    ioctl(fd.raw, TUNSETIFF, view, "TUNSETIFF");
    ioctl(fd.raw, TUNSETVNETHDRSZ, new Int32Array([headerSize]), "TUNSETVNETHDRSZ");
    return { fd, name: nameIn(view) };
  } catch (error) {
    fd.close();
    throw error;
  }
}

/** What the kernel's taps can do, as IFF_* flags. @param fd of /dev/net/tun, with or without an interface */
export function tapFeatures(fd: number): number {
  const value = new Uint32Array(1);
  ioctl(fd, TUNGETFEATURES, value, "TUNGETFEATURES");
  return value[0];
}

/** Says which packets may be read unfinished (TUN_F_*); an unknown one is EINVAL. @throws {SysError} */
export function setTapOffloads(fd: number, offloads: number): void {
  ioctlValue(fd, TUNSETOFFLOAD, offloads, "TUNSETOFFLOAD");
}

/** Takes a queue of a multi-queue tap in or out of use; doing it twice is EINVAL. @throws {SysError} */
export function useTapQueue(fd: number, use: boolean): void {
  const view = request("");
  view.setUint16(ifreq.ifr_value, use ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE, true);
  ioctl(fd, TUNSETQUEUE, view, "TUNSETQUEUE");
}

/** Plugs the cable in or out, as the host sees it; the interface must be up (EINVAL). @throws {SysError} */
export function setTapCarrier(fd: number, on: boolean): void {
  ioctl(fd, TUNSETCARRIER, new Int32Array([on ? 1 : 0]), "TUNSETCARRIER");
}

/** Whether the interface outlives its last descriptor. @throws {SysError} */
export function setTapPersistent(fd: number, persistent: boolean): void {
  ioctlValue(fd, TUNSETPERSIST, persistent ? 1 : 0, "TUNSETPERSIST");
}

/** A request about an interface, through a socket that is made for it. */
function ask(
  name: string,
  command: number,
  call: string,
  view: DataView = request(name),
): DataView {
  const what = `interface ${JSON.stringify(name)}`;
  const raw = check(libc.socket(AF_INET, SOCK_DGRAM | O_CLOEXEC, 0), "socket", what);
  using socket = new Fd(raw, what);
  ioctl(socket.raw, command, view, `${call}, ${what}`);
  return view;
}

/** The longest packet of an interface, in bytes without the Ethernet header. @throws {SysError} ENODEV */
export function interfaceMtu(name: string): number {
  return ask(name, SIOCGIFMTU, "SIOCGIFMTU").getInt32(ifreq.ifr_value, true);
}

/** Sets it. @throws {SysError} ENODEV, EPERM, EINVAL */
export function setInterfaceMtu(name: string, mtu: number): void {
  const view = request(name);
  view.setInt32(ifreq.ifr_value, mtu, true);
  ask(name, SIOCSIFMTU, "SIOCSIFMTU", view);
}

/** IFF_UP and the other flags of an interface. @throws {SysError} ENODEV */
export function interfaceFlags(name: string): number {
  return ask(name, SIOCGIFFLAGS, "SIOCGIFFLAGS").getUint16(ifreq.ifr_value, true);
}

/** Sets an interface up or down. @throws {SysError} ENODEV, EPERM */
export function setInterfaceUp(name: string, up: boolean): void {
  const flags = interfaceFlags(name);
  const view = request(name);
  view.setUint16(ifreq.ifr_value, up ? flags | IFF_UP : flags & ~IFF_UP, true);
  ask(name, SIOCSIFFLAGS, "SIOCSIFFLAGS", view);
}

/** The six bytes of an interface's own Ethernet address. @throws {SysError} ENODEV */
export function interfaceAddress(name: string): Uint8Array {
  const view = ask(name, SIOCGIFHWADDR, "SIOCGIFHWADDR");
  return new Uint8Array(view.buffer, ifreq.ifr_hwaddr_data, 6).slice();
}

/**
 * Gives an interface its IPv4 address, and the host a way to the addresses around it.
 *
 * @param bits how many bits of the address name the network, 0 to 32
 * @throws {SysError} ENODEV, EPERM
 */
export function setInterfaceIpv4(name: string, address: Ipv4, bits: number): void {
  const set = (command: number, call: string, value: Ipv4) => {
    const view = request(name);
    new Uint8Array(view.buffer).set(inetAddress(value, 0), ifreq.ifr_value);
    ask(name, command, call, view);
  };
  set(SIOCSIFADDR, "SIOCSIFADDR", address);
  set(SIOCSIFNETMASK, "SIOCSIFNETMASK", netmask(bits));
}
