/**
 * The guest of the probe: at CPL 0 in 64-bit mode it executes, one test each, the instructions that every
 * stock Linux kernel uses and that KVM's instruction emulator does not know (arch/x86/kvm/emulate.c). Where
 * KVM runs guests on hardware they work; where it interprets kernel mode, KVM_RUN fails at them.
 *
 * Each line has its bytes and its source for GNU as; a test assembles the sources and compares. A test of
 * the guest ends with a byte to {@linkcode RESULT_PORT}: {@linkcode PASSED}, {@linkcode WRONG} for an
 * instruction that did something else, or {@linkcode EXCEPTION} + vector for an exception.
 *
 * Source of the encodings and of what the instructions do: Intel SDM volume 2.
 * @module
 */

/** Where the guest writes its result: the port of the debug exit device. */
export const RESULT_PORT = 0xf4;
/** The instruction did what the manual says. */
export const PASSED = 0x01;
/** The instruction did something else. */
export const WRONG = 0x00;
/** Plus the vector of the exception that came. */
export const EXCEPTION = 0x80;
/** How many exception vectors have a stub. */
export const VECTORS = 32;
/** The distance of the stubs in bytes. */
export const STUB_SIZE = 4;
/** Zeroed RAM for the tests, identity-mapped: the XSAVE area at its start, aligned to 64 bytes. */
export const SCRATCH = 0x10_8000;

/** Machine code in hexadecimal, and its source; a label has no code. */
export type Line = readonly [code: string, source: string];

function byte(value: number): string {
  return value.toString(16).padStart(2, "0");
}

const POINT_TO_SCRATCH: Line = [
  `bf ${[0, 8, 16, 24].map((shift) => byte((SCRATCH >> shift) & 0xff)).join(" ")}`,
  `mov $${SCRATCH}, %edi`,
];

/** What stub number `vector` is made of: its number to AL, then on to `report`, which is behind the stubs. */
function stub(vector: number): Line[] {
  const distance = (VECTORS - 1 - vector) * STUB_SIZE;
  return [
    [`b0 ${byte(EXCEPTION + vector)}`, `mov $${EXCEPTION + vector}, %al`],
    [`eb ${byte(distance)}`, "jmp report"],
  ];
}

/** The payload, line by line. It runs at any address, with a stack, a GDT and an IDT of its stubs. */
export const LINES: readonly Line[] = [
  // Exceptions come here, vector after vector.
  ["", "stubs:"],
  ...Array.from({ length: VECTORS }, (_, vector) => stub(vector)).flat(),
  ["", "report:"],
  [`e6 ${byte(RESULT_PORT)}`, `out %al, $${RESULT_PORT}`],
  ["f4", "hlt"],
  ["", "wrong:"],
  ["31 c0", "xor %eax, %eax"],
  ["eb f9", "jmp report"],

  // No instruction to be tried: a guest that never ends, for the test of the probe's time limit.
  ["", "SPIN:"],
  ["eb fe", "jmp SPIN"],

  // INT3 has to come to stub 3; what follows is reached only when it did nothing.
  ["", "INT3:"],
  ["cc", "int3"],
  ["eb f7", "jmp wrong"],

  // IRETQ to the next label with the stack as it was: the frame is SS, RSP, RFLAGS, CS, RIP.
  ["", "IRETQ:"],
  ["48 89 e1", "mov %rsp, %rcx"],
  ["6a 18", "push $0x18"],
  ["51", "push %rcx"],
  ["9c", "pushf"],
  ["6a 10", "push $0x10"],
  ["48 8d 05 05 00 00 00", "lea returned(%rip), %rax"],
  ["50", "push %rax"],
  ["48 cf", "iretq"],
  ["eb e2", "jmp wrong"],
  ["", "returned:"],
  ["48 39 cc", "cmp %rcx, %rsp"],
  ["75 dd", "jne wrong"],
  ["b0 01", "mov $1, %al"],
  ["eb d6", "jmp report"],

  // CMPXCHG16B: the zeros in memory are equal to RDX:RAX, so RCX:RBX takes their place.
  ["", "CMPXCHG16B:"],
  POINT_TO_SCRATCH,
  ["31 c0", "xor %eax, %eax"],
  ["31 d2", "xor %edx, %edx"],
  ["bb 11 00 00 00", "mov $0x11, %ebx"],
  ["b9 22 00 00 00", "mov $0x22, %ecx"],
  ["f0 48 0f c7 0f", "lock cmpxchg16b (%rdi)"],
  ["75 bf", "jne wrong"],
  ["48 83 3f 11", "cmpq $0x11, (%rdi)"],
  ["75 b9", "jne wrong"],
  ["48 83 7f 08 22", "cmpq $0x22, 8(%rdi)"],
  ["75 b2", "jne wrong"],
  ["b0 01", "mov $1, %al"],
  ["eb ab", "jmp report"],

  // XSAVE of the x87 state, which is in its initial form: the area begins with FCW, 0x37f.
  ["", "XSAVE:"],
  ["db e3", "fninit"],
  POINT_TO_SCRATCH,
  ["b8 01 00 00 00", "mov $1, %eax"],
  ["31 d2", "xor %edx, %edx"],
  ["0f ae 27", "xsave (%rdi)"],
  ["66 81 3f 7f 03", "cmpw $0x37f, (%rdi)"],
  ["75 96", "jne wrong"],
  ["b0 01", "mov $1, %al"],
  ["eb 8f", "jmp report"],

  // XRSTOR of an x87 state that is marked valid (XSTATE_BV bit 0, at 512) and has another FCW: 0x27f.
  ["", "XRSTOR:"],
  POINT_TO_SCRATCH,
  ["66 c7 07 7f 02", "movw $0x27f, (%rdi)"],
  ["c6 87 00 02 00 00 01", "movb $1, 512(%rdi)"],
  ["b8 01 00 00 00", "mov $1, %eax"],
  ["31 d2", "xor %edx, %edx"],
  ["0f ae 2f", "xrstor (%rdi)"],
  ["d9 bf 00 04 00 00", "fnstcw 1024(%rdi)"],
  ["66 81 bf 00 04 00 00 7f 02", "cmpw $0x27f, 1024(%rdi)"],
  ["0f 85 62 ff ff ff", "jne wrong"],
  ["b0 01", "mov $1, %al"],
  ["e9 58 ff ff ff", "jmp report"],
];

/** The payload's bytes. */
export const PAYLOAD: Uint8Array<ArrayBuffer> = Uint8Array.from(
  LINES.flatMap(([code]) => code.split(" ").filter((hex) => hex !== "")),
  (hex) => parseInt(hex, 16),
);

/** Where each label is in the payload. */
export const LABELS: ReadonlyMap<string, number> = new Map(labels());

function* labels(): Generator<[string, number]> {
  let at = 0;
  for (const [code, source] of LINES) {
    if (code === "") yield [source.slice(0, -1), at];
    else at += code.split(" ").length;
  }
}

/** One test of the guest. */
export interface ProbeTest {
  /** The instruction, and the label at which the test begins. */
  readonly instruction: string;
  /** The byte that the guest writes where all is well. */
  readonly expected: number;
  /** The bit of CPUID leaf 1, ECX, without which the CPU has no such instruction, and no kernel needs it. */
  readonly cpuidEcxBit?: number;
}

const BREAKPOINT = 3;

/** The tests in the order of the payload. CPUID bits: Intel SDM volume 2, CPUID, table 3-10. */
export const TESTS: readonly ProbeTest[] = [
  { instruction: "INT3", expected: EXCEPTION + BREAKPOINT },
  { instruction: "IRETQ", expected: PASSED },
  { instruction: "CMPXCHG16B", expected: PASSED, cpuidEcxBit: 13 },
  { instruction: "XSAVE", expected: PASSED, cpuidEcxBit: 26 },
  { instruction: "XRSTOR", expected: PASSED, cpuidEcxBit: 26 },
];
