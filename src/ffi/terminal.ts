/**
 * Terminals: pairs of our own (pty(7)), raw mode, and window sizes.
 * @module
 */
import { check } from "./errno.ts";
import { Fd, O_CLOEXEC, O_NOCTTY, O_NONBLOCK, O_RDWR } from "./fd.ts";
import { ioctl, ioctlValue } from "./ioctl.ts";
import { libc } from "./libc.ts";

/** ioctls of terminals (asm-generic/ioctls.h), and struct winsize. */
export const TIOCGWINSZ = 0x5413;
export const TIOCSWINSZ = 0x5414;
export const TIOCGPTN = 0x80045430;
export const TIOCSPTLCK = 0x40045431;
export const TIOCGPTPEER = 0x5441;
export const winsize = { size: 8, ws_row: 0, ws_col: 2 } as const;

/** sizeof(struct termios) of glibc. */
export const TERMIOS_SIZE = 60;
const TCSANOW = 0;

/** A pair of terminals. */
export interface Pty extends Disposable {
  /** The end that the program keeps, non-blocking. What is read was typed, what is written is shown. */
  readonly controller: Fd;
  /** The other end. While it is open, the controller reads EAGAIN, not EIO, when nobody else has opened it. */
  readonly terminal: Fd;
  /** Where others find it, such as `"/dev/pts/3"`. */
  readonly path: string;
}

/** Makes a pair of terminals in raw mode. @throws {SysError} ENOENT without devpts; ENOSPC: there are too many */
export function openPty(what: string): Pty {
  using cleanup = new DisposableStack();
  const controller = cleanup.use(Fd.open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK, what));
  ioctl(controller.raw, TIOCSPTLCK, new Int32Array([0]), "TIOCSPTLCK");
  const number = new Uint32Array(1);
  ioctl(controller.raw, TIOCGPTN, number, "TIOCGPTN");
  const flags = O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC;
  const raw = ioctlValue(controller.raw, TIOCGPTPEER, flags, "TIOCGPTPEER");
  const terminal = cleanup.use(new Fd(raw, what));
  makeRaw(terminal.raw, what);
  const owned = cleanup.move();
  const path = `/dev/pts/${number[0]}`;
  return { controller, terminal, path, [Symbol.dispose]: () => owned.dispose() };
}

/** The settings of a terminal as {@linkcode makeRaw} found them. */
export type TerminalSettings = Uint8Array<ArrayBuffer>;

/**
 * Has a terminal pass bytes on as they are: no lines, no echo, no signals (cfmakeraw(3)).
 *
 * @returns what to give to {@linkcode restoreTerminal}
 * @throws {SysError} ENOTTY for what is no terminal
 */
export function makeRaw(fd: number, what: string): TerminalSettings {
  const before = new Uint8Array(TERMIOS_SIZE);
  check(libc.tcgetattr(fd, before), "tcgetattr", what);
  const raw = before.slice();
  libc.cfmakeraw(raw);
  check(libc.tcsetattr(fd, TCSANOW, raw), "tcsetattr", what);
  return before;
}

/** Gives a terminal its settings back. @throws {SysError} */
export function restoreTerminal(fd: number, settings: TerminalSettings, what: string): void {
  check(libc.tcsetattr(fd, TCSANOW, settings), "tcsetattr", what);
}

/** How large a terminal's window is, in characters; zeros where nobody has said. */
export interface WindowSize {
  readonly columns: number;
  readonly rows: number;
}

/** @throws {SysError} ENOTTY for what is no terminal */
export function windowSize(fd: number): WindowSize {
  const view = new DataView(new ArrayBuffer(winsize.size));
  ioctl(fd, TIOCGWINSZ, view, "TIOCGWINSZ");
  return {
    columns: view.getUint16(winsize.ws_col, true),
    rows: view.getUint16(winsize.ws_row, true),
  };
}

/** Says how large the window is; programs on the other end get SIGWINCH. @throws {SysError} */
export function setWindowSize(fd: number, size: WindowSize): void {
  const view = new DataView(new ArrayBuffer(winsize.size));
  view.setUint16(winsize.ws_col, size.columns, true);
  view.setUint16(winsize.ws_row, size.rows, true);
  ioctl(fd, TIOCSWINSZ, view, "TIOCSWINSZ");
}
