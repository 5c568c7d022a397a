/**
 * The code that starts an executable which is Deno's own program with parts appended: the module that Deno is told to
 * run. It reads the parts from the file that it runs from, and unpacks nothing.
 *
 * Nothing of them is evaluated before their SHA-256 is found to be right.
 * @module
 */
import { PARTS, type Parts } from "../parts/carrier.ts";
import { DIGEST_SIZE, type Extent, type Layout, MAIN, type Main } from "./layout.ts";
import { PART_FUNCTIONS } from "./script.ts";

/** Written in front of this code when an executable is built. */
declare const LAYOUT: Layout;

/** The file that the process was started from, also after another has taken its name (proc(5)). */
const SELF = "/proc/self/exe";

/** As for every failure of the host. */
const EXIT_HOST = 125;

/** Says what is wrong with the file, and ends. */
function refuse(problem: string): never {
  const text = `denovisor: ${path} is damaged: ${problem}. Copy it again, or build it again.\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(text));
  return Deno.exit(EXIT_HOST);
}

/** Opens the file. Whoever may execute it need not be allowed to read it. */
function open(): Deno.FsFile {
  try {
    return Deno.openSync(SELF);
  } catch (error) {
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
    const text =
      `denovisor: ${path} can't be read by this user, and has to read itself: chmod +r it.\n`;
    Deno.stderr.writeSync(new TextEncoder().encode(text));
    return Deno.exit(EXIT_HOST);
  }
}

/** Reads a part of the file. */
function read(offset: number, length: number): Uint8Array<ArrayBuffer> {
  using file = open();
  const { size } = file.statSync();
  if (size !== LAYOUT.size) refuse(`it has ${size} bytes, and was built with ${LAYOUT.size}`);
  file.seekSync(offset, Deno.SeekMode.Start);
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length;) {
    const count = file.readSync(bytes.subarray(done));
    if (count === null) refuse(`it ends at byte ${offset + done}`);
    else done += count;
  }
  return bytes;
}

async function digestOf(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

/**
 * What a Worker is started with: this function's own text. It evaluates a bundle, and can use nothing that is outside
 * of it.
 */
function startWorker(path: string, offset: number, length: number): void {
  using file = Deno.openSync(path);
  file.seekSync(offset, Deno.SeekMode.Start);
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length;) done += file.readSync(bytes.subarray(done)) ?? length;
  (0, eval)(`${new TextDecoder().decode(bytes)}\n//# sourceURL=denovisor/worker.js`);
}

/** The same for a Worker that is posted its bundle's bytes, once they are known to be right. */
function startPosted(): void {
  const scope = globalThis as unknown as {
    onmessage: ((event: MessageEvent<Uint8Array<ArrayBuffer>>) => void) | null;
  };
  scope.onmessage = ({ data }) => {
    scope.onmessage = null;
    (0, eval)(`${new TextDecoder().decode(data)}\n//# sourceURL=denovisor/worker.js`);
  };
}

/** The URL of a module that is a call of a function. */
function callOf(program: (...args: never) => void, args: readonly unknown[] = []): string {
  const list = JSON.stringify(args).slice(1, -1);
  return `data:text/javascript,${encodeURIComponent(`(${program})(${list})`)}`;
}

const path = Deno.execPath();
const region = read(LAYOUT.offset, LAYOUT.length);
const digest = digestOf(region);

const parts: Parts = {
  build: LAYOUT.build,
  worker(name) {
    const [offset, length] = LAYOUT.workers[name];
    return callOf(startWorker, [SELF, LAYOUT.offset + offset, length]);
  },
  early(name) {
    if (name !== "vcpu") return undefined;
    const worker = spare;
    spare = undefined;
    return worker;
  },
  asset: (name) => bytesOf(LAYOUT.assets[name]),
  async verify() {
    const before = LAYOUT.size - DIGEST_SIZE;
    const [actual, expected] = [await digestOf(read(0, before)), read(before, DIGEST_SIZE).toHex()];
    return actual === expected
      ? undefined
      : `${path}: its SHA-256 is not the one it was built with`;
  },
};

/** What the parts of the main program have given that were evaluated. */
const evaluated = new Map<string, unknown>();

/** What a part of the main program gives. It is evaluated when it is first asked for. */
function partOf(name: string): unknown {
  if (evaluated.has(name)) return evaluated.get(name);
  const value = (0, eval)(`${textOf(LAYOUT.main[name])}\n//# sourceURL=denovisor/${name}`);
  evaluated.set(name, value);
  return value;
}

/** A copy of a part's bytes. */
function bytesOf([offset, length]: Extent): Uint8Array<ArrayBuffer> {
  return region.slice(offset, offset + length);
}

function textOf([offset, length]: Extent): string {
  return new TextDecoder().decode(region.subarray(offset, offset + length));
}

/** A vCPU's isolate that nobody has asked for yet. Where there is no machine in the end, it ends with the process. */
let spare: Worker | undefined;

async function start(): Promise<void> {
  // A run needs one. To make it blocks this isolate, and meanwhile another thread reads all parts for their digest.
  if (Deno.args[0] === "run") {
    spare = new Worker(callOf(startPosted), { type: "module", name: "vcpu0" });
    // Whoever asks for one starts another, and is told what is wrong.
    spare.onerror = (event) => {
      event.preventDefault();
      spare = undefined;
    };
  }
  if (await digest !== LAYOUT.sha256) refuse("its SHA-256 is not the one it was built with");
  if (spare !== undefined) {
    const program = bytesOf(LAYOUT.workers.vcpu);
    spare.postMessage(program, [program.buffer]);
  }
  const shared = globalThis as { [PARTS]?: Parts; [MAIN]?: Main };
  shared[PARTS] = parts;
  const define = (name: string, value: (part: string) => unknown) =>
    Object.defineProperty(globalThis, name, { value });
  define(PART_FUNCTIONS.now, partOf);
  // A part that fails to load is the caller's error, as with a module.
  define(PART_FUNCTIONS.later, (name) => Promise.resolve(name).then(partOf));
  partOf(Object.keys(LAYOUT.main)[0]);
  const main = shared[MAIN];
  if (main === undefined) throw new Error("the program left no main function");
  Deno.exit(await main(Deno.args));
}

start();
