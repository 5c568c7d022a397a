/**
 * The one table of C functions that denovisor calls, each beside its prototype.
 *
 * Only this folder opens libraries or makes pointers. Every isolate (the main one and each Worker) that
 * imports this module gets its own handle; the functions and the process behind them are shared.
 *
 * Parameter types are chosen for Deno's fast call path: `i32`, `u32`, `pointer` and `buffer`. A 64-bit
 * integer (`usize`, `i64`) costs more and is used only where a value may exceed 32 bits. `ioctl`'s request
 * is an `unsigned long` in C, but the kernel takes an `unsigned int` (fs/ioctl.c), so `u32` is exact.
 * @module
 */

const LIBC = "libc.so.6";

const FUNCTIONS = {
  // int *__errno_location(void);
  __errno_location: { parameters: [], result: "pointer" },
  // const char *strerrorname_np(int errnum);  (glibc 2.32)
  strerrorname_np: { parameters: ["i32"], result: "pointer" },
  // char *strerror(int errnum);
  strerror: { parameters: ["i32"], result: "pointer" },

  // int open(const char *pathname, int flags, mode_t mode);
  open: { parameters: ["buffer", "i32", "u32"], result: "i32" },
  // int close(int fd);
  close: { parameters: ["i32"], result: "i32" },
  // int close(int fd);  (in another thread)
  close_elsewhere: { name: "close", parameters: ["i32"], result: "i32", nonblocking: true },
  // ssize_t read(int fd, void *buf, size_t count);
  read: { parameters: ["i32", "buffer", "usize"], result: "i32" },
  // ssize_t write(int fd, const void *buf, size_t count);
  write: { parameters: ["i32", "buffer", "usize"], result: "i32" },
  // ssize_t write(int fd, const void *buf, size_t count);
  write_pointer: { name: "write", parameters: ["i32", "pointer", "usize"], result: "i32" },
  // ssize_t readv(int fd, const struct iovec *iov, int iovcnt);
  readv: { parameters: ["i32", "pointer", "i32"], result: "i32" },
  // ssize_t writev(int fd, const struct iovec *iov, int iovcnt);
  writev: { parameters: ["i32", "pointer", "i32"], result: "i32" },
  // ssize_t preadv(int fd, const struct iovec *iov, int iovcnt, off_t offset);
  preadv: { parameters: ["i32", "pointer", "i32", "i64"], result: "i32" },
  // ssize_t pwritev(int fd, const struct iovec *iov, int iovcnt, off_t offset);
  pwritev: { parameters: ["i32", "pointer", "i32", "i64"], result: "i32" },
  // int fcntl(int fd, int op, struct flock *lock);
  fcntl_buffer: { name: "fcntl", parameters: ["i32", "i32", "buffer"], result: "i32" },
  // int statx(int dirfd, const char *pathname, int flags, unsigned int mask, struct statx *statxbuf);
  statx: { parameters: ["i32", "buffer", "i32", "u32", "buffer"], result: "i32" },
  // int fsync(int fd);
  fsync: { parameters: ["i32"], result: "i32" },
  // int fdatasync(int fd);
  fdatasync: { parameters: ["i32"], result: "i32" },
  // int fallocate(int fd, int mode, off_t offset, off_t len);
  fallocate: { parameters: ["i32", "i32", "i64", "i64"], result: "i32" },
  // off_t lseek(int fd, off_t offset, int whence);
  lseek: { parameters: ["i32", "i64", "i32"], result: "i64" },
  // int eventfd(unsigned int initval, int flags);
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  // int memfd_create(const char *name, unsigned int flags);
  memfd_create: { parameters: ["buffer", "u32"], result: "i32" },
  // int ftruncate(int fd, off_t length);
  ftruncate: { parameters: ["i32", "i64"], result: "i32" },

  // void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset);
  mmap: { parameters: ["pointer", "usize", "i32", "i32", "i32", "i64"], result: "i64" },
  // int munmap(void *addr, size_t length);
  munmap: { parameters: ["pointer", "usize"], result: "i32" },
  // int madvise(void *addr, size_t length, int advice);
  madvise: { parameters: ["pointer", "usize", "i32"], result: "i32" },

  // int mallopt(int param, int value);
  mallopt: { parameters: ["i32", "i32"], result: "i32" },
  // int malloc_trim(size_t pad);
  malloc_trim: { parameters: ["usize"], result: "i32" },

  // int socket(int domain, int type, int protocol);
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  // int socketpair(int domain, int type, int protocol, int sv[2]);
  socketpair: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  // int bind(int sockfd, const struct sockaddr *addr, socklen_t addrlen);
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  // int listen(int sockfd, int backlog);
  listen: { parameters: ["i32", "i32"], result: "i32" },
  // int accept4(int sockfd, struct sockaddr *addr, socklen_t *addrlen, int flags);
  accept4: { parameters: ["i32", "pointer", "pointer", "i32"], result: "i32" },
  // int connect(int sockfd, const struct sockaddr *addr, socklen_t addrlen);
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  // int shutdown(int sockfd, int how);
  shutdown: { parameters: ["i32", "i32"], result: "i32" },
  // int getsockopt(int sockfd, int level, int optname, void *optval, socklen_t *optlen);
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },

  // int epoll_create1(int flags);
  epoll_create1: { parameters: ["i32"], result: "i32" },
  // int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event);
  epoll_ctl: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  // int epoll_wait(int epfd, struct epoll_event *events, int maxevents, int timeout);
  epoll_wait: { parameters: ["i32", "buffer", "i32", "i32"], result: "i32" },

  // int tcgetattr(int fd, struct termios *termios_p);
  tcgetattr: { parameters: ["i32", "buffer"], result: "i32" },
  // int tcsetattr(int fd, int optional_actions, const struct termios *termios_p);
  tcsetattr: { parameters: ["i32", "i32", "buffer"], result: "i32" },
  // void cfmakeraw(struct termios *termios_p);
  cfmakeraw: { parameters: ["buffer"], result: "void" },

  // int ioctl(int fd, unsigned long request, void *argp);
  ioctl_pointer: { name: "ioctl", parameters: ["i32", "u32", "pointer"], result: "i32" },
  // int ioctl(int fd, unsigned long request, void *argp);
  ioctl_buffer: { name: "ioctl", parameters: ["i32", "u32", "buffer"], result: "i32" },
  // int ioctl(int fd, unsigned long request, unsigned long arg);
  ioctl_value: { name: "ioctl", parameters: ["i32", "u32", "usize"], result: "i32" },

  // pid_t getpid(void);
  getpid: { parameters: [], result: "i32" },
  // pid_t gettid(void);  (glibc 2.30)
  gettid: { parameters: [], result: "i32" },
  // int tgkill(pid_t tgid, pid_t tid, int sig);  (glibc 2.30)
  tgkill: { parameters: ["i32", "i32", "i32"], result: "i32" },
  // int sigaction(int signum, const struct sigaction *act, struct sigaction *oldact);
  sigaction: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  // void *dlsym(void *handle, const char *symbol);
  dlsym: { parameters: ["pointer", "buffer"], result: "pointer" },
  // int clock_gettime(clockid_t clockid, struct timespec *tp);
  clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
  // unsigned long getauxval(unsigned long type);  (glibc 2.16)
  getauxval: { parameters: ["u64"], result: "u64" },
  // long sysconf(int name);
  sysconf: { parameters: ["i32"], result: "i64" },
  // long syscall(SYS_io_uring_setup, u32 entries, struct io_uring_params *p);
  syscall_u32_buffer: { name: "syscall", parameters: ["i64", "u32", "buffer"], result: "i64" },
  // long syscall(SYS_io_uring_enter, unsigned int fd, unsigned int to_submit, unsigned int min_complete,
  //   unsigned int flags, const void *arg, size_t argsz);
  syscall_io_uring_enter: {
    name: "syscall",
    parameters: ["i64", "i32", "u32", "u32", "u32", "pointer", "usize"],
    result: "i32",
  },
} as const satisfies Deno.ForeignLibraryInterface;

/**
 * Functions that are looked up together, for whoever uses one uses all: to look one up costs half as much then. The
 * first are every isolate's that runs a vCPU, the second are those of a machine that is built.
 */
const TOGETHER: readonly (readonly (keyof typeof FUNCTIONS)[])[] = [
  ["__errno_location", "getpid", "ioctl_pointer", "sysconf", "gettid"],
  ["open", "close", "ioctl_value", "ioctl_buffer", "memfd_create", "ftruncate", "mmap", "eventfd"],
];

/** The C functions, by their C names (an `ioctl_*` or `syscall_*` name tells how the last argument travels). */
export const libc: Deno.StaticForeignLibraryInterface<typeof FUNCTIONS> = findLazily(
  FUNCTIONS,
  TOGETHER,
);

/**
 * Functions that are looked up in the library when they are first used: each costs 75 µs, and no isolate uses all.
 *
 * The getters are a prototype's. What one finds becomes a property of the object itself, so that every later use is
 * an ordinary load, and a call has one target only, as Deno's fast path wants it.
 */
function findLazily<T extends Deno.ForeignLibraryInterface>(
  functions: T,
  together: readonly (readonly (keyof T & string)[])[],
): Deno.StaticForeignLibraryInterface<T> {
  const getters: object = Object.create(null);
  for (const name of Object.keys(functions)) {
    Object.defineProperty(getters, name, {
      get(this: object) {
        const names = together.find((names) => names.includes(name)) ?? [name];
        const wanted = Object.fromEntries(names.map((name) => [name, functions[name]]));
        const symbols: Readonly<Record<string, unknown>> = Deno.dlopen(LIBC, wanted).symbols;
        for (const name of names) {
          Object.defineProperty(this, name, { value: symbols[name], enumerable: true });
        }
        return symbols[name];
      },
    });
  }
  return Object.create(getters);
}

const encoder = new TextEncoder();

/** `text` as a NUL-terminated C string. Text with a NUL inside is refused, as C would cut it off there. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  if (text.includes("\0")) throw new TypeError(`${JSON.stringify(text)} contains a NUL character`);
  return encoder.encode(text + "\0");
}
