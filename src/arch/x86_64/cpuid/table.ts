/**
 * CPUID leaves by their numbers: a view of KVM's list that can be changed.
 * @module
 */
import type { KvmCpuidEntry2 } from "../../../kvm/mod.ts";
import { BootSetupError, hex } from "../errors.ts";

/** The four registers of an answer. */
export interface CpuidRegisters {
  eax: number;
  ebx: number;
  ecx: number;
  edx: number;
}

/** The registers by name. */
export type CpuidRegister = keyof CpuidRegisters;

/** Whose CPUID layout a processor follows where Intel's and AMD's differ. */
export type CpuVendor = "intel" | "amd";

/** KVM_CPUID_FLAG_SIGNIFCANT_INDEX: the leaf has sub-leaves (ECX in). */
const SIGNIFICANT_INDEX = 1;
const FIRST_EXTENDED = 0x8000_0000;

/** The leaves of one processor. */
export class CpuidTable {
  #entries: KvmCpuidEntry2[];

  /** A copy of the entries that KVM_GET_SUPPORTED_CPUID gave, to be changed freely. */
  constructor(entries: readonly KvmCpuidEntry2[]) {
    this.#entries = entries.map((entry) => ({ ...entry }));
  }

  /** What KVM_SET_CPUID2 takes. */
  get entries(): readonly KvmCpuidEntry2[] {
    return this.#entries;
  }

  /** The leaf, or undefined where the processor answers with zeros. */
  find(leaf: number, index = 0): CpuidRegisters | undefined {
    return this.#entries.find((entry) => entry.function === leaf && entry.index === index);
  }

  /**
   * A leaf that every processor has.
   *
   * @throws {BootSetupError} where KVM did not list it
   */
  require(leaf: number): CpuidRegisters {
    const found = this.find(leaf);
    if (found === undefined) {
      throw new BootSetupError(`this host's KVM does not list CPUID leaf ${hex(leaf)}`);
    }
    return found;
  }

  /** All sub-leaves of a leaf, in their order. */
  subleaves(leaf: number): readonly CpuidRegisters[] {
    return this.#entries.filter((entry) => entry.function === leaf);
  }

  /** Puts `answer` in the place of the leaf, which has no sub-leaves. */
  set(leaf: number, answer: CpuidRegisters): void {
    this.#replace(leaf, [{ function: leaf, index: 0, flags: 0, ...answer }]);
  }

  /** Puts `answers` in the place of the leaf's sub-leaves, from index 0 on. */
  setSubleaves(leaf: number, answers: readonly CpuidRegisters[]): void {
    const flags = SIGNIFICANT_INDEX;
    this.#replace(
      leaf,
      answers.map((answer, index) => ({ function: leaf, index, flags, ...answer })),
    );
  }

  /** Lets the leaf answer with zeros, as one that the processor does not have. */
  clear(leaf: number): void {
    this.#replace(leaf, []);
  }

  /** Sets or clears one bit where the leaf exists. */
  setBit(leaf: number, index: number, register: CpuidRegister, bit: number, on: boolean): void {
    const found = this.find(leaf, index);
    if (found === undefined) return;
    const mask = 1 << bit;
    found[register] = (on ? found[register] | mask : found[register] & ~mask) >>> 0;
  }

  /** Whether one bit is set. */
  hasBit(leaf: number, index: number, register: CpuidRegister, bit: number): boolean {
    const found = this.find(leaf, index);
    return found !== undefined && ((found[register] >>> bit) & 1) === 1;
  }

  /** The last basic leaf (0 EAX). */
  get lastBasic(): number {
    return this.require(0).eax;
  }

  /** The last extended leaf (0x80000000 EAX). */
  get lastExtended(): number {
    return this.find(FIRST_EXTENDED)?.eax ?? FIRST_EXTENDED;
  }

  /** The vendor: Hygon's processors follow AMD, everybody else's Intel. */
  get vendor(): CpuVendor {
    const { ebx, edx, ecx } = this.require(0);
    const id = new TextDecoder().decode(new Uint32Array([ebx, edx, ecx]));
    return id === "AuthenticAMD" || id === "HygonGenuine" ? "amd" : "intel";
  }

  #replace(leaf: number, entries: KvmCpuidEntry2[]): void {
    this.#entries = this.#entries.filter((entry) => entry.function !== leaf).concat(entries);
  }
}
