/**
 * The kernel's own headers judge the numbers and layouts of this folder: a C program, written from the tables
 * themselves, prints what the compiler sees.
 * @module
 */
import assert from "node:assert/strict";
import * as errno from "./errno.ts";
import * as fd from "./fd.ts";
import * as file from "./file.ts";
import * as inet from "./inet.ts";
import * as lock from "./file_lock.ts";
import * as program from "./program_abi.ts";
import * as scope from "./io_scope.ts";
import * as uring from "./io_uring_abi.ts";
import * as vectors from "./io_vectors.ts";
import * as socket from "./unix_socket.ts";
import * as tap from "./tap.ts";
import * as terminal from "./terminal.ts";

/** What Debian 12's headers (Linux 6.1) lack. */
const NEWER = ["TUN_F_USO4", "TUN_F_USO6"];
/** Ours alone: C's name for it, if it has one. */
const RENAMED: Readonly<Record<string, string>> = {
  SOCKET_PATH_LIMIT: "(sizeof(((struct sockaddr_un *)0)->sun_path) - 1)",
  INTERFACE_NAME_LIMIT: "(IFNAMSIZ - 1)",
  TERMIOS_SIZE: "sizeof(struct termios)",
  IOV_MAX: "UIO_MAXIOV",
  SYS_io_uring_setup: "__NR_io_uring_setup",
  SYS_io_uring_enter: "__NR_io_uring_enter",
  ifr_value: "ifr_ifru",
  ifr_hwaddr_data: "ifr_hwaddr.sa_data",
};

const HEADERS = [
  "errno.h",
  "fcntl.h",
  "malloc.h",
  "poll.h",
  "stddef.h",
  "stdint.h",
  "stdio.h",
  "sys/ioctl.h",
  "sys/mman.h",
  "sys/socket.h",
  "sys/stat.h",
  "sys/syscall.h",
  "sys/uio.h",
  "sys/un.h",
  "termios.h",
  "net/if.h",
  "netinet/in.h",
  "linux/auxvec.h",
  "linux/elf.h",
  "linux/falloc.h",
  "linux/fs.h",
  "linux/if_tun.h",
  "linux/io_uring.h",
  "linux/time_types.h",
];

/** A name, the C expression for it, and what we say it is. */
type Fact = readonly [name: string, expression: string, ours: number];

function factsOf(name: string, value: unknown): Fact[] {
  if (typeof value === "number") return [[name, RENAMED[name] ?? name, value]];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value as Record<string, number>).map(([field, offset]): Fact => {
    const member = RENAMED[field] ?? field;
    const expression = field === "size"
      ? `sizeof(struct ${name})`
      : `offsetof(struct ${name}, ${member})`;
    return [`${name}.${field}`, expression, offset];
  });
}

function run(command: string, args: readonly string[]): string {
  const { success, stdout, stderr } = new Deno.Command(command, { args: [...args] }).outputSync();
  const text = new TextDecoder();
  assert(success, `${command} ${args.join(" ")}:\n${text.decode(stderr)}`);
  return text.decode(stdout);
}

/** The facts that the compiler sees otherwise. */
function disagreements(facts: readonly Fact[]): string[] {
  const directory = Deno.makeTempDirSync();
  try {
    const lines = facts.map(([name, expression]) =>
      `  printf("${name} = %llu\\n", (unsigned long long)(uint32_t)(${expression}));`
    );
    const program = [
      "#define _GNU_SOURCE",
      ...HEADERS.map((header) => `#include <${header}>`),
      "int main(void) {",
      ...lines,
      "  return 0;",
      "}",
      "",
    ].join("\n");
    Deno.writeTextFileSync(`${directory}/oracle.c`, program);
    run("gcc", ["-o", `${directory}/oracle`, `${directory}/oracle.c`]);
    const answers = new Map(
      run(`${directory}/oracle`, []).trimEnd().split("\n").map((line) =>
        line.split(" = ") as [string, string]
      ),
    );
    return facts.flatMap(([name, , ours]) => {
      const theirs = answers.get(name);
      return theirs === String(ours >>> 0) ? [] : [`${name}: ${ours}, the header: ${theirs}`];
    });
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

function hasCompilerAndHeaders(): boolean {
  try {
    const args = ["-E", "-include", "linux/io_uring.h", "-x", "c", "/dev/null"];
    return new Deno.Command("gcc", { args, stdout: "null", stderr: "null" }).outputSync().success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

const ignore = !hasCompilerAndHeaders();
const needs = ignore ? " (needs gcc and linux-libc-dev)" : "";

const modules = { ...errno, ...fd, ...file, ...lock, ...scope, ...uring, ...vectors, ...socket };
const facts = Object.entries({ ...modules, ...inet, ...tap, ...terminal, ...program })
  .flatMap(([name, value]) => factsOf(name, value))
  .filter(([name]) => !NEWER.includes(name));

Deno.test(
  `the numbers and layouts of system calls are what the headers say${needs}`,
  { ignore },
  () => {
    assert(facts.length > 190, `only ${facts.length} facts were compared`);
    assert.deepEqual(disagreements(facts), []);
  },
);

Deno.test(`the oracle notices a wrong number, offset and size${needs}`, { ignore }, () => {
  const wrong = [
    ...factsOf("TUNSETIFF", 1),
    ...factsOf("io_uring_sqe", { size: 128, len: 25, addr: 16 }),
  ];
  assert.deepEqual(disagreements(wrong).map((line) => line.split(":")[0]), [
    "TUNSETIFF",
    "io_uring_sqe.size",
    "io_uring_sqe.len",
  ]);
});
