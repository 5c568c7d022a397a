/**
 * The boot, step by step in one order: from a checked configuration to vCPUs that wait for their start.
 *
 * Each step puts what it took from the host on a stack. When a later step fails, the stack gives all of it
 * back; when none fails, the machine takes the stack over.
 * @module
 */
import { architecture, type BootImage } from "../arch/mod.ts";
import { EventFd, limitFreeHeap } from "../ffi/mod.ts";
import { Kvm, KVM_CAP, type Vcpu, type Vm } from "../kvm/mod.ts";
import { GuestRam } from "../memory/mod.ts";
import { ExitCounts, REQUEST_STOP, VcpuControl, VcpuMoments } from "../vcpu/mod.ts";
import { platformModule } from "../../devices/platform_registry.ts";
import type { ConsolePort, DeviceSpec } from "../../devices/device.ts";
import {
  BytesImage,
  detectKernel,
  type FileImage,
  type ImageSource,
  type LoadedKernel,
  loadKernel,
  openImage,
} from "../../loader/mod.ts";
import { ConfigError } from "./config_error.ts";
import { linuxConsole } from "./linux_console.ts";
import { irqLine } from "./irq_line.ts";
import { noVirtioDevices } from "./no_virtio.ts";
import type { CheckedConfig } from "./schema.ts";
import { VcpuThread } from "./vcpu_thread.ts";
import type { Workers } from "./workers.ts";
import { IoThreads } from "./io_threads.ts";
import type { BusDeviceInfo, LoadedUserDevices } from "./user_devices.ts";
import type { PlacedUserDevices } from "./user_places.ts";

/** One vCPU with everything that the main isolate holds of it. */
export interface MachineVcpu {
  readonly vcpu: Vcpu;
  readonly control: VcpuControl;
  readonly exits: ExitCounts;
  readonly moments: VcpuMoments;
  /** When its thread was spawned, as performance.now() tells time. */
  readonly spawned: number;
  readonly thread: VcpuThread;
}

/** A machine that was built; its vCPUs are parked. */
export interface BuiltMachine {
  readonly ram: GuestRam;
  readonly kernel: LoadedKernel;
  /** The port that carries the machine's console, then the others. */
  readonly consoles: readonly [ConsolePort, ...ConsolePort[]];
  readonly vcpus: readonly MachineVcpu[];
  readonly io: IoThreads;
  /** The bus devices that the user has written, by their names. */
  readonly busDevices: ReadonlyMap<string, BusDeviceInfo>;
  /** What this host refused and the guest can do without, a line each. */
  readonly notes: readonly string[];
}

/** The modules that make devices, where the machine has some. Others load nothing of that. */
export interface Makers {
  readonly virtio?: typeof import("./virtio_devices.ts");
  readonly own?: typeof import("./user_places.ts");
}

/** Loads what makes a machine's devices. */
export async function loadMakers(
  { devices }: CheckedConfig,
  user: LoadedUserDevices | undefined,
): Promise<Makers> {
  return {
    ...devices.length === 0 ? {} : { virtio: await import("./virtio_devices.ts") },
    ...user === undefined ? {} : { own: await import("./user_places.ts") },
  };
}

/**
 * Builds a machine.
 *
 * @param stack takes over everything that has to be given back
 * @param mark is called when a step is done, with the step's name
 * @param log is told what devices have to say, a line at a time
 * @param makers what {@linkcode loadMakers} gives
 * @param user the devices that the user has written; undefined where there are none
 * @param workers lends the Workers that vCPUs and devices run in
 * @throws {ConfigError | LoaderError | OutOfMemoryError | KvmUnavailableError | SysError}
 */
export function buildMachine(
  config: CheckedConfig,
  stack: AsyncDisposableStack,
  mark: (step: string) => void,
  log: (line: string) => void,
  makers: Makers,
  user: LoadedUserDevices | undefined,
  workers: Workers,
): BuiltMachine {
  using files = openFiles(config);
  using kvm = Kvm.open();
  checkLimits(config, kvm);
  mark("files and limits checked");

  // Their isolates come up in the background while the rest is built.
  const spawned = performance.now();
  const threads = spawnThreads(config.cpus, stack, workers);
  const hasOwnVirtio = user !== undefined && user.virtio.length > 0;
  const io = stack.use(new IoThreads(config.devices, log, workers, hasOwnVirtio));
  // What they leave of reading and compiling their programs.
  limitFreeHeap();
  mark("isolates spawned");

  const vm = stack.use(kvm.createVm());
  mark("virtual machine created");

  const ram = stack.use(GuestRam.allocate(architecture.ramRanges(config.memory), config.hugePages));
  for (const [slot, region] of ram.slots.entries()) vm.setUserMemoryRegion({ slot, ...region });
  mark("memory mapped");

  // After the memory: KVM puts these on its buses in the background (Linux 6.18), and a change of the memory would
  // have to wait until that is over, which takes it two ticks of the host's clock.
  architecture.createInterruptController(vm, config.cpus);
  mark("interrupt controllers created");

  const platform = createDevices(vm, ram, stack);
  const virtio = makers.virtio?.createVirtioDevices(vm, config, stack, user?.modules) ??
    noVirtioDevices();
  const devices = [...platform.devices, ...virtio.specs];
  const own = placeOwnDevices(vm, makers, user, config, devices, ram, stack);
  devices.push(...own?.specs ?? []);
  for (const note of own?.notes ?? []) log(note);
  // Before what they work with is given back, the threads have to let go of it.
  stack.defer(() => io.release());
  io.run(ram.memory.spec, virtio.served, user?.urls);
  mark("devices created");

  const ids = architecture.vcpuIds(config.cpus);
  const vcpus = threads.map((thread, index): MachineVcpu => {
    const vcpu = stack.use(vm.createVcpu(ids[index]));
    const exits = new ExitCounts(ExitCounts.allocate());
    const moments = new VcpuMoments(VcpuMoments.allocate());
    return { vcpu, control: VcpuControl.create(), exits, moments, thread, spawned };
  });
  stack.defer(() => stopVcpus(vcpus));
  // Each thread attaches to the machine while the rest of that is built, and parks.
  const userModules = [...new Set(user?.bus.map(({ config }) => config.url))];
  for (const { vcpu, control, exits, moments, thread } of vcpus) {
    thread.run({
      vcpu: vcpu.spec,
      vm: vm.spec,
      wiring: virtio.wiring,
      vcpuCount: config.cpus,
      memory: ram.memory.spec,
      devices,
      userModules,
      control: control.spec,
      exits: exits.memory,
      moments: moments.memory,
    });
  }
  mark("vCPUs created");

  const kernel = loadFiles(config, files, ram, virtio.parameters);
  mark("kernel loaded");

  const image = bootImage(config, kernel);
  const plugged = { ...virtio.plugged, user: own?.announced };
  const boot = architecture.writeBootData(kvm, ram.memory, image, config.cpus, plugged);
  const notes = architecture.configureVcpus(kvm, vcpus.map(({ vcpu }) => vcpu), boot);
  mark("vCPUs configured");
  return {
    ram,
    kernel,
    consoles: virtio.console === undefined
      ? [platform.console]
      : [virtio.console, platform.console],
    vcpus,
    io,
    busDevices: own?.infos ?? new Map(),
    notes,
  };
}

function spawnThreads(
  count: number,
  stack: AsyncDisposableStack,
  workers: Workers,
): VcpuThread[] {
  return Array.from({ length: count }, (_, index) => {
    const thread = new VcpuThread(index, workers);
    stack.defer(() => thread.release());
    return thread;
  });
}

/** Has vCPUs stop before what they work with is given back: when a later step fails, nobody else does. */
async function stopVcpus(vcpus: readonly MachineVcpu[]): Promise<void> {
  requestOf(vcpus, REQUEST_STOP);
  await Promise.all(vcpus.map(({ thread }) => thread.finished()));
}

/** Asks vCPUs for something, in whatever state they are. */
export function requestOf(vcpus: readonly MachineVcpu[], bits: number): void {
  for (const { vcpu, control } of vcpus) {
    control.request(bits, () => void (vcpu.kvmRun.immediateExit = true));
  }
}

/** The files of a machine, open until they are loaded. */
interface Files extends Disposable {
  readonly kernel: ImageSource;
  readonly initrd?: FileImage;
  readonly modules: readonly { readonly image: FileImage; readonly cmdline: string }[];
}

/** Opens all files before anything else is done, so that a misspelt name costs nothing. */
function openFiles(config: CheckedConfig): Files {
  using undo = new DisposableStack();
  const kernel = typeof config.kernel === "string"
    ? undo.use(openImage(config.kernel, "kernel"))
    : new BytesImage(config.kernel.name, config.kernel.bytes);
  const initrd = config.initrd === undefined
    ? undefined
    : undo.use(openImage(config.initrd, "initrd"));
  const modules = config.modules.map(({ path, cmdline }) => {
    return { image: undo.use(openImage(path, "module")), cmdline };
  });
  const stack = undo.move();
  return { kernel, initrd, modules, [Symbol.dispose]: () => stack.dispose() };
}

/** Refuses what this host's KVM can't give, with the figures. */
function checkLimits(config: CheckedConfig, kvm: Kvm): void {
  const problems: string[] = [];
  const maxCpus = kvm.checkExtension(KVM_CAP.MAX_VCPUS);
  if (config.cpus > maxCpus) {
    problems.push(`cpus: this host's KVM gives a machine at most ${maxCpus} (got ${config.cpus})`);
  }
  const maxMemory = architecture.maximumRam(kvm);
  if (config.memory > maxMemory) {
    problems.push(
      `memory: this host's processor addresses at most ${maxMemory} bytes (got ${config.memory})`,
    );
  }
  if (problems.length > 0) throw new ConfigError(problems);
}

function loadFiles(
  config: CheckedConfig,
  files: Files,
  ram: GuestRam,
  parameters: string,
): LoadedKernel {
  const { flat } = config;
  const protocol = config.protocol === "auto" ? undefined : config.protocol;
  const detected = detectKernel(files.kernel, { protocol });
  return loadKernel(ram.memory, files.kernel, {
    protocol: detected.protocol,
    reserved: architecture.reservedRanges(detected.protocol, flat.mode),
    cmdline: commandLine(config, detected.protocol, parameters),
    initrd: files.initrd,
    modules: files.modules,
    flat: detected.protocol === "flat"
      ? { address: flat.address ?? architecture.flatAddress(flat.mode), entry: flat.entry }
      : undefined,
  });
}

/**
 * The kernel's command line. Where none was given, Linux gets one that brings its messages to the console and ends
 * the machine when it panics.
 *
 * @param parameters what the kernel has to be told of devices
 */
function commandLine(
  config: CheckedConfig,
  protocol: LoadedKernel["protocol"],
  parameters: string,
): string | undefined {
  const isLinux = protocol !== "flat" && protocol !== "multiboot";
  const console = linuxConsole(config.console);
  const text = config.cmdline ?? (isLinux ? `console=${console} panic=-1` : undefined);
  if (parameters === "") return text;
  return [text, parameters].filter(Boolean).join(" ");
}

/** What the architecture is told of a kernel that was loaded. */
function bootImage(config: CheckedConfig, kernel: LoadedKernel): BootImage {
  const { entry } = kernel;
  switch (kernel.protocol) {
    case "linux64":
    case "linux32":
    case "pvh":
      return {
        protocol: kernel.protocol,
        entry,
        commandLine: kernel.cmdline,
        setupHeader: kernel.protocol === "pvh" ? undefined : kernel.bzImage?.setupHeader,
        initrd: kernel.initrd && {
          address: kernel.initrd.start,
          size: kernel.initrd.end - kernel.initrd.start,
        },
      };
    case "multiboot":
      return { protocol: "multiboot", entry, multibootInfo: kernel.info.start };
    case "flat":
      return { protocol: `flat${config.flat.mode}`, entry };
  }
}

/** Makes the devices that every machine of this architecture has, with their interrupt lines. */
function createDevices(
  vm: Vm,
  ram: GuestRam,
  stack: AsyncDisposableStack,
): { devices: DeviceSpec[]; console: ConsolePort } {
  let console: ConsolePort | undefined;
  const devices = architecture.platformDevices(ram.slots).map(({ kind, options, irq }) => {
    const module = platformModule(kind);
    const line = irq === undefined ? {} : { irqFd: interruptLine(vm, irq, kind, stack) };
    // The platform's options are data about a kind that only the registry knows.
    const spec = module.create({ ...options, ...line } as never);
    console ??= module.console?.(spec, { irq: irqLine });
    return spec;
  });
  if (console === undefined) throw new Error("this architecture has no device with a console");
  return { devices, console };
}

/** Finds places for the bus devices that the user has written, among `others`. */
function placeOwnDevices(
  vm: Vm,
  { own }: Makers,
  user: LoadedUserDevices | undefined,
  { transport, devices: { length } }: CheckedConfig,
  others: readonly DeviceSpec[],
  ram: GuestRam,
  stack: AsyncDisposableStack,
): PlacedUserDevices | undefined {
  if (own === undefined || user === undefined || user.bus.length === 0) return undefined;
  const places = transport === "pci" ? [] : architecture.virtioMmioPlaces.slice(0, length);
  const interrupts = places.map(({ gsi }) => gsi);
  return own.placeUserDevices(vm, user.bus, others, interrupts, ram, stack);
}

/** An eventfd that raises a line of the interrupt controller. */
function interruptLine(vm: Vm, gsi: number, kind: string, stack: AsyncDisposableStack): number {
  const event = stack.use(new EventFd(`interrupt of ${kind}`));
  vm.irqfd(event.raw, gsi);
  return event.raw;
}
