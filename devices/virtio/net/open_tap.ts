/**
 * Opens the tap of a network card, and says what's wrong where that fails.
 * @module
 */
import {
  E2BIG,
  EACCES,
  EBUSY,
  EINVAL,
  ENODEV,
  ENOENT,
  ENXIO,
  EPERM,
  interfaceFlags,
  openTap,
  setInterfaceUp,
  setTapOffloads,
  SysError,
  type Tap,
} from "../../../src/ffi/mod.ts";
import { DeviceError } from "../module.ts";
import { TUN_OFFLOADS, TUN_OFFLOADS_USO } from "./features.ts";
import { HEADER_SIZE } from "./packet.ts";

/** IFF_* of linux/if_tun.h, as sysfs shows them in `tun_flags`. */
const IFF_TAP = 0x0002;
const IFF_MULTI_QUEUE = 0x0100;

/**
 * Opens the queues of a tap. An interface that doesn't exist is made and set up, and ends with its queues.
 *
 * @param own is given each queue's descriptor at once
 * @returns the descriptors
 * @throws {DeviceError}
 */
export function openTapQueues(
  name: string,
  queues: number,
  own: <T extends Disposable>(resource: T) => T,
): number[] {
  const isNew = !exists(name);
  const fds: number[] = [];
  try {
    const first = openFirst(name, queues);
    fds.push(own(first.tap.fd).raw);
    while (fds.length < queues) fds.push(own(open(name, true).fd).raw);
    if (first.multiQueue) checkAlone(name, queues);
    if (isNew) setInterfaceUp(name, true);
  } catch (error) {
    if (error instanceof SysError) throw explained(error, name, queues);
    throw error;
  }
  return fds;
}

/**
 * Asks what the kernel's taps can do, and leaves this one without any of it until a driver is there.
 *
 * @returns whether UDP segmentation is among it
 * @throws {DeviceError} a tap that lacks what all have
 */
export function probeOffloads(fd: number, name: string): boolean {
  try {
    const uso = takesOffloads(fd, TUN_OFFLOADS_USO);
    if (!uso) setTapOffloads(fd, TUN_OFFLOADS);
    setTapOffloads(fd, 0);
    return uso;
  } catch (error) {
    if (!(error instanceof SysError)) throw error;
    throw new DeviceError(`tap "${name}" takes no offloads; use offload=off (${error.message})`, {
      cause: error,
    });
  }
}

function takesOffloads(fd: number, offloads: number): boolean {
  try {
    setTapOffloads(fd, offloads);
    return true;
  } catch (error) {
    if (error instanceof SysError && error.errno === EINVAL) return false;
    throw error;
  }
}

function open(name: string, multiQueue: boolean): Tap {
  return openTap({ name, multiQueue, headerSize: HEADER_SIZE });
}

/** An interface that was made with multi_queue is opened with it, for one queue too. */
function openFirst(name: string, queues: number): { tap: Tap; multiQueue: boolean } {
  const multiQueue = queues > 1;
  try {
    return { tap: open(name, multiQueue), multiQueue };
  } catch (error) {
    const retry = !multiQueue && error instanceof SysError && error.errno === EINVAL;
    if (!retry || ((tunFlags(name) ?? 0) & IFF_MULTI_QUEUE) === 0) throw error;
    return { tap: open(name, true), multiQueue: true };
  }
}

function exists(name: string): boolean {
  try {
    interfaceFlags(name);
    return true;
  } catch (error) {
    if (error instanceof SysError && error.errno === ENODEV) return false;
    throw error;
  }
}

/** The kernel lets anybody add queues to a tap with several, and the packets would be shared out. */
function checkAlone(name: string, queues: number): void {
  let found;
  try {
    found = [...Deno.readDirSync(`/sys/class/net/${name}/queues`)];
  } catch {
    return; // Without a sysfs of this network namespace nobody can tell.
  }
  const inUse = found.filter((queue) => queue.name.startsWith("tx-")).length;
  if (inUse > queues) throw new DeviceError(busy(name));
}

/** The flags that a tun or tap was made with; undefined for another interface, and where sysfs can't tell. */
function tunFlags(name: string): number | undefined {
  try {
    return Number(Deno.readTextFileSync(`/sys/class/net/${name}/tun_flags`));
  } catch {
    return undefined;
  }
}

function busy(name: string): string {
  return `tap "${name}" is in use by another program; give each machine its own`;
}

function explained(error: SysError, name: string, queues: number): DeviceError {
  return new DeviceError(explanation(error, name, queues), { cause: error });
}

function explanation(error: SysError, name: string, queues: number): string {
  const isOpen = error.call.startsWith("open(");
  switch (error.errno) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
      return `tap "${name}" can't be opened: this host has no /dev/net/tun; load it with "modprobe tun"`;
    case EACCES:
    case EPERM:
      if (isOpen) return `tap "${name}" can't be opened: this user may not open /dev/net/tun`;
      return `tap "${name}" needs CAP_NET_ADMIN, or to be made for this user: ` +
        `"ip tuntap add dev ${name} mode tap user NAME${queues > 1 ? " multi_queue" : ""}"`;
    case EBUSY:
      return busy(name);
    case E2BIG:
      return `tap "${name}" has no room for ${queues} more queues; another program may have opened it`;
    case EINVAL:
      return mismatch(name, queues, error);
    default:
      return `tap "${name}" can't be opened: ${error.message}`;
  }
}

function mismatch(name: string, queues: number, error: SysError): string {
  const flags = tunFlags(name);
  if (flags === undefined) return `"${name}" is no tap interface (${error.message})`;
  if ((flags & IFF_TAP) === 0) return `"${name}" is a tun interface; a network card needs a tap`;
  if (queues > 1 && (flags & IFF_MULTI_QUEUE) === 0) {
    return `tap "${name}" was made for one queue, not ${queues}: give queues=1, or make it anew with ` +
      `"ip tuntap add dev ${name} mode tap multi_queue"`;
  }
  return `tap "${name}" can't be opened as it is (${error.message})`;
}
