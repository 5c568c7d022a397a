/**
 * The kernel's own headers judge the bindings: a C program, written from the tables themselves, prints every
 * number, size and offset as the compiler sees it.
 *
 * `KVM_UAPI_INCLUDE=/path/to/usr/include` judges by another kernel's headers than the installed ones.
 * @module
 */
import assert from "node:assert/strict";
import * as common from "./bindings/mod.ts";
import * as x86 from "./bindings/x86.ts";
import { type CType, FlexType, struct, StructType, u32, u64, UnionType } from "./struct.ts";
import { ArrayType } from "./ctype.ts";

/** What Debian 12's headers (Linux 6.1) lack, under a version that has it. Nothing else may be missing. */
const NEWER: Readonly<Record<string, readonly string[]>> = {
  "6.2": ["KVM_CAP_S390_PROTECTED_ASYNC_DISABLE", "KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP"],
  "6.3": ["KVM_CAP_PMU_EVENT_MASKED_EVENTS", "KVM_PMU_EVENT_FLAG_MASKED_EVENTS"],
  "6.4": ["KVM_CAP_COUNTER_OFFSET"],
  "6.5": ["KVM_CAP_ARM_EAGER_SPLIT_CHUNK_SIZE", "KVM_CAP_ARM_SUPPORTED_BLOCK_SIZES"],
  "6.6": ["KVM_DEV_TYPE_RISCV_AIA"],
  "6.7": ["KVM_CAP_ARM_SUPPORTED_REG_MASK_RANGES", "KVM_EXIT_LOONGARCH_IOCSR"],
  "6.8": [
    "KVM_CAP_USER_MEMORY2",
    "KVM_CAP_MEMORY_FAULT_INFO",
    "KVM_CAP_MEMORY_ATTRIBUTES",
    "KVM_CAP_GUEST_MEMFD",
    "KVM_CAP_VM_TYPES",
    "KVM_EXIT_MEMORY_FAULT",
    "KVM_MEMORY_EXIT_FLAG_PRIVATE",
    "KVM_MEM_GUEST_MEMFD",
    "KVM_MEMORY_ATTRIBUTE_PRIVATE",
    "KVM_SET_USER_MEMORY_REGION2",
    "KVM_SET_MEMORY_ATTRIBUTES",
    "KVM_CREATE_GUEST_MEMFD",
    "KVM_X86_DEFAULT_VM",
    "KVM_X86_SW_PROTECTED_VM",
  ],
  "6.10": ["KVM_X86_SEV_VM", "KVM_X86_SEV_ES_VM"],
  "6.11": [
    "KVM_CAP_PRE_FAULT_MEMORY",
    "KVM_CAP_X86_APIC_BUS_CYCLES_NS",
    "KVM_PRE_FAULT_MEMORY",
    "KVM_X86_SNP_VM",
  ],
  "6.12": ["KVM_X86_QUIRK_SLOT_ZAP_ALL"],
  "6.13": [
    "KVM_CAP_X86_GUEST_MODE",
    "KVM_RUN_X86_GUEST_MODE",
    "KVM_X86_QUIRK_STUFF_FEATURE_MSRS",
    "KVM_DEV_TYPE_LOONGARCH_IPI",
    "KVM_DEV_TYPE_LOONGARCH_EIOINTC",
    "KVM_DEV_TYPE_LOONGARCH_PCHPIC",
  ],
  "6.15": ["KVM_CAP_ARM_WRITABLE_IMP_ID_REGS"],
  "6.16": [
    "KVM_CAP_ARM_EL2",
    "KVM_CAP_ARM_EL2_E2H0",
    "KVM_CAP_RISCV_MP_STATE_RESET",
    "KVM_EXIT_TDX",
    "KVM_SYSTEM_EVENT_TDX_FATAL",
    "KVM_X86_TDX_VM",
    "KVM_X86_QUIRK_IGNORE_GUEST_PAT",
  ],
  "6.17": ["KVM_CAP_ARM_CACHEABLE_PFNMAP_SUPPORTED", "KVM_X86_DISABLE_EXITS_APERFMPERF"],
  "6.18": [
    "KVM_CAP_GUEST_MEMFD_FLAGS",
    "GUEST_MEMFD_FLAG_MMAP",
    "GUEST_MEMFD_FLAG_INIT_SHARED",
    "KVM_X86_REG_TYPE_MSR",
    "KVM_X86_REG_TYPE_KVM",
    "KVM_REG_GUEST_SSP",
  ],
  "7.2": [
    "KVM_CAP_ARM_SEA_TO_USER",
    "KVM_CAP_S390_USER_OPEREXEC",
    "KVM_CAP_S390_KEYOP",
    "KVM_CAP_S390_VSIE_ESAMODE",
    "KVM_CAP_S390_HPAGE_2G",
    "KVM_EXIT_ARM_SEA",
    "KVM_EXIT_ARM_SEA_FLAG_GPA_VALID",
    "KVM_EXIT_ARM_LDST64B",
    "KVM_EXIT_SNP_REQ_CERTS",
    "KVM_DEV_TYPE_LOONGARCH_DMSINTC",
    "KVM_DEV_TYPE_ARM_VGIC_V5",
    "KVM_X2APIC_ENABLE_SUPPRESS_EOI_BROADCAST",
    "KVM_X2APIC_DISABLE_SUPPRESS_EOI_BROADCAST",
    "KVM_X86_QUIRK_VMCS12_ALLOW_FREEZE_IN_SMM",
    "KVM_X86_QUIRK_NESTED_SVM_SHARED_PAT",
  ],
  "7.3": ["KVM_CAP_PPC_COMPAT_CAPS", "KVM_CAP_ARM_PMU_V3_STRICT"],
};

/** Structs and fields that only some headers have, and how the preprocessor can tell. */
const CONDITIONS: Readonly<Record<string, string>> = {
  "kvm_userspace_memory_region2": "defined(KVM_SET_USER_MEMORY_REGION2)",
  "kvm_memory_attributes": "defined(KVM_SET_MEMORY_ATTRIBUTES)",
  "kvm_create_guest_memfd": "defined(KVM_CREATE_GUEST_MEMFD)",
  "kvm_pre_fault_memory": "defined(KVM_PRE_FAULT_MEMORY)",
  "kvm_run.memory_fault": "defined(KVM_EXIT_MEMORY_FAULT)",
  "kvm_run.arm_sea": "defined(KVM_EXIT_ARM_SEA)",
  // Linux 6.5 made "longmode" and its padding a union with 64 bits of flags.
  "kvm_run.hypercall.pad": "!defined(KVM_EXIT_HYPERCALL_LONG_MODE)",
};

/** One thing to ask the compiler: what it is called, C that prints it, and what we say it is. */
interface Fact {
  readonly name: string;
  readonly condition: string;
  readonly print: string;
  readonly ours: string;
}

function conditionFor(path: string): string | undefined {
  const found = Object.keys(CONDITIONS).find((key) => path === key || path.startsWith(`${key}.`));
  return found === undefined ? undefined : CONDITIONS[found];
}

function constantFact(name: string, value: number | bigint): Fact {
  const print = `printf("%llu", (unsigned long long)(${name}));`;
  return { name, condition: `defined(${name})`, print, ours: String(value) };
}

function layoutFact(name: string, print: string, ours: string): Fact {
  return { name, condition: conditionFor(name) ?? "1", print, ours };
}

/** Offset, size and, for an integer, signedness of everything inside `type`, which is at `path` of `tag`. */
function memberFacts(tag: string, path: string, type: CType, offset: number): Fact[] {
  if (type instanceof UnionType && type.anonymous) {
    return Object.entries(type.alternatives as Record<string, CType>).flatMap((
      [name, alternative],
    ) => memberFacts(tag, name, alternative, offset));
  }
  const member = `((struct ${tag} *)0)->${path}`;
  const integer = type.kind === "signed" || type.kind === "unsigned";
  const sign = integer ? `(__typeof__(${member}))-1 < 0 ? "signed" : "unsigned"` : `"-"`;
  // A nested struct without a tag may grow inside its union, so its own members speak for its size.
  const size = type instanceof StructType && type.cName === "" ? undefined : type.size;
  const print = `printf("%zu %zu %s", offsetof(struct ${tag}, ${path}), ` +
    `${size === undefined ? "(size_t)0" : `sizeof(${member})`}, ${sign});`;
  const ours = `${offset} ${size ?? 0} ${integer ? type.kind : "-"}`;
  const facts = [layoutFact(`${tag}.${path}`, print, ours)];
  if (type instanceof StructType) {
    for (const [name, field] of Object.entries(type.fields as Record<string, CType>)) {
      const at = (type.offsets as Record<string, number>)[name];
      facts.push(...memberFacts(tag, `${path}.${name}`, field, offset + at));
    }
  } else if (type instanceof UnionType) {
    for (const [name, alternative] of Object.entries(type.alternatives as Record<string, CType>)) {
      facts.push(...memberFacts(tag, `${path}.${name}`, alternative, offset));
    }
  } else if (type instanceof ArrayType && type.element instanceof StructType) {
    facts.push(...memberFacts(tag, `${path}[0]`, type.element, offset));
  }
  return facts;
}

function sizeFact(tag: string, size: number): Fact {
  return layoutFact(tag, `printf("%zu", sizeof(struct ${tag}));`, String(size));
}

function structFacts(type: StructType<Readonly<Record<string, CType>>>): Fact[] {
  return Object.entries(type.fields).flatMap(([name, field]) =>
    memberFacts(type.cName, name, field, type.offsets[name])
  );
}

/** Everything that an export of the bindings claims. */
function factsOf(name: string, value: unknown): Fact[] {
  if (typeof value === "number" || typeof value === "bigint") return [constantFact(name, value)];
  if (value instanceof StructType) {
    return [sizeFact(value.cName, value.size), ...structFacts(value)];
  }
  if (value instanceof FlexType) {
    const { cName, entriesName, entriesAt, size, header } = value;
    const print = `printf("%zu", offsetof(struct ${cName}, ${entriesName}));`;
    const entries = layoutFact(`${cName}.${entriesName}`, print, String(entriesAt));
    return [sizeFact(cName, size), entries, ...structFacts(header)];
  }
  if (typeof value === "function") return [];
  assert(typeof value === "object" && value !== null, `${name} is nothing the oracle knows`);
  return Object.entries(value).map(([key, number]) => {
    assert(typeof number === "number", `${name}.${key} is no number`);
    return constantFact(`${name}_${key}`, number);
  });
}

function program(facts: readonly Fact[]): string {
  const lines = facts.map(({ name, condition, print }) =>
    `#if ${condition}\n  printf("${name} = "); ${print} printf("\\n");\n` +
    `#else\n  printf("${name} = missing\\n");\n#endif`
  );
  return [
    "#include <stddef.h>",
    "#include <stdio.h>",
    "#include <linux/kvm.h>",
    "#include <linux/version.h>",
    "int main(void) {",
    '  printf("LINUX_VERSION_CODE = %d\\n", LINUX_VERSION_CODE);',
    ...lines,
    "  return 0;",
    "}",
    "",
  ].join("\n");
}

const include = Deno.env.get("KVM_UAPI_INCLUDE");
const includes = include === undefined
  ? []
  : ["-isystem", `${include}/x86_64-linux-gnu`, "-isystem", include];

function run(command: string, args: readonly string[]): string {
  const { success, stdout, stderr } = new Deno.Command(command, { args: [...args] }).outputSync();
  const text = new TextDecoder();
  assert(success, `${command} ${args.join(" ")}:\n${text.decode(stderr)}`);
  return text.decode(stdout);
}

/** What the compiler answers, by name. */
function ask(facts: readonly Fact[]): Map<string, string> {
  const directory = Deno.makeTempDirSync();
  try {
    Deno.writeTextFileSync(`${directory}/oracle.c`, program(facts));
    run("gcc", [...includes, "-o", `${directory}/oracle`, `${directory}/oracle.c`]);
    const lines = run(`${directory}/oracle`, []).trimEnd().split("\n");
    return new Map(lines.map((line) => line.split(" = ") as [string, string]));
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

/** Each fact that the compiler sees otherwise. */
function disagreements(facts: readonly Fact[], answers: ReadonlyMap<string, string>): string[] {
  return facts.flatMap(({ name, ours }) => {
    const theirs = answers.get(name);
    return theirs === ours || theirs === "missing"
      ? []
      : [`${name}: ${ours}, the header: ${theirs}`];
  });
}

function hasCompilerAndHeaders(): boolean {
  try {
    const args = [...includes, "-E", "-include", "linux/kvm.h", "-x", "c", "/dev/null"];
    return new Deno.Command("gcc", { args, stdout: "null", stderr: "null" }).outputSync().success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

const ignore = Deno.build.arch !== "x86_64" || !hasCompilerAndHeaders();
const needs = ignore ? " (needs x86-64, gcc and linux-libc-dev)" : "";

const facts = Object.entries({ ...common, ...x86 }).flatMap(([name, value]) =>
  factsOf(name, value)
);

Deno.test(
  `every number, size and offset is what the kernel's headers say${needs}`,
  { ignore },
  () => {
    const answers = ask(facts);
    assert.equal(answers.size, new Set(facts.map(({ name }) => name)).size + 1);
    assert(facts.length > 1700, `only ${facts.length} facts were compared`);
    assert.deepEqual(disagreements(facts, answers), []);

    const version = Number(answers.get("LINUX_VERSION_CODE"));
    const since = new Map<string, string>();
    for (const [release, names] of Object.entries(NEWER)) {
      for (const name of names) since.set(name, release);
    }
    for (const { name } of facts.filter((fact) => fact.condition === `defined(${fact.name})`)) {
      if (answers.get(name) !== "missing") continue;
      const release = since.get(name);
      assert(release !== undefined, `${name} is not in the header, and nothing says why`);
      const [major, minor] = release.split(".").map(Number);
      assert(
        version < major * 0x10000 + minor * 0x100,
        `${name} is said to be in Linux ${release}`,
      );
    }
  },
);

Deno.test("what is said to be newer than Debian 12's headers is in the bindings", () => {
  const names = new Set(facts.map(({ name }) => name));
  for (const name of Object.values(NEWER).flat()) assert(names.has(name), name);
  for (const name of Object.keys(CONDITIONS)) assert(names.has(name), name);
});

Deno.test(`the oracle notices a wrong number, offset, size and sign${needs}`, { ignore }, () => {
  const wrong = [
    constantFact("KVM_RUN", 1),
    ...factsOf("Wrong", struct("kvm_irqfd", { gsi: u32, fd: u32, flags: u64 })),
    ...factsOf("Wrong", struct("kvm_ioeventfd", { datamatch: u64, addr: u64, len: u32, fd: u32 })),
  ];
  assert.deepEqual(disagreements(wrong, ask(wrong)).map((line) => line.split(":")[0]), [
    "KVM_RUN",
    "kvm_irqfd",
    "kvm_irqfd.gsi",
    "kvm_irqfd.fd",
    "kvm_irqfd.flags",
    "kvm_ioeventfd",
    "kvm_ioeventfd.fd",
  ]);
});

Deno.test("no two ioctls share a number", () => {
  const numbers = new Map<number, string[]>();
  for (const [name, value] of Object.entries({ ...common, ...x86 })) {
    if (typeof value !== "number" || ((value >>> 8) & 0xff) !== 0xae || value < 0xae00) continue;
    numbers.set(value, [...(numbers.get(value) ?? []), name]);
  }
  const twice = [...numbers.values()].filter((names) => names.length > 1);
  assert.deepEqual(twice, []);
});
