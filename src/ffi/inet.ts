/**
 * IPv4 (ip(7), udp(7)): addresses of interfaces, and sockets for datagrams.
 * @module
 */
import { check } from "./errno.ts";
import { Fd, O_CLOEXEC, O_NONBLOCK } from "./fd.ts";
import { libc } from "./libc.ts";

/** An address, its bytes as they are written: `[198, 18, 0, 1]`. */
export type Ipv4 = readonly [number, number, number, number];

/** The only family here. */
export const AF_INET = 2;
export const SOCK_DGRAM = 2;

/** struct sockaddr_in (linux/in.h): the family as the host writes numbers, the rest as the network does. */
export const sockaddr_in = { size: 16, sin_family: 0, sin_port: 2, sin_addr: 4 } as const;

/** An address and a port as a struct sockaddr_in. @throws {RangeError} for numbers that are no bytes or no port */
export function inetAddress(address: Ipv4, port: number): Uint8Array<ArrayBuffer> {
  const isByte = (value: number) => Number.isInteger(value) && value >= 0 && value <= 0xff;
  if (!address.every(isByte)) throw new RangeError(`${address.join(".")} is no IPv4 address`);
  if (!Number.isInteger(port) || port < 0 || port > 0xffff) {
    throw new RangeError(`${port} is no port`);
  }
  const bytes = new Uint8Array(sockaddr_in.size);
  const view = new DataView(bytes.buffer);
  view.setUint16(sockaddr_in.sin_family, AF_INET, true);
  view.setUint16(sockaddr_in.sin_port, port);
  bytes.set(address, sockaddr_in.sin_addr);
  return bytes;
}

/** The mask of a network whose addresses have so many bits in common, 0 to 32. */
export function netmask(bits: number): Ipv4 {
  const byte = (index: number) => 0xff00 >> Math.min(8, Math.max(0, bits - 8 * index)) & 0xff;
  return [byte(0), byte(1), byte(2), byte(3)];
}

/**
 * A non-blocking socket whose datagrams go to an address and come from there.
 *
 * @throws {SysError} ENETUNREACH: there is no way to the address
 * @throws {RangeError}
 */
export function connectUdp(address: Ipv4, port: number): Fd {
  const what = `UDP to ${address.join(".")}:${port}`;
  const sockaddr = inetAddress(address, port);
  const type = SOCK_DGRAM | O_NONBLOCK | O_CLOEXEC;
  const fd = new Fd(check(libc.socket(AF_INET, type, 0), "socket(AF_INET)", what), what);
  try {
    check(libc.connect(fd.raw, sockaddr, sockaddr.length), "connect", what);
    return fd;
  } catch (error) {
    fd.close();
    throw error;
  }
}
