/*
 * The yardstick of `deno task compare exits`: a loop on KVM_RUN as C programs write it.
 *
 * usage: exit_loop IMAGE ADDRESS MEMORY COUNT WARM_UP
 *
 * Loads a flat image (tests/payloads/exit_latency.s) and enters it in real mode, answers its exits until
 * it writes to the debug exit port, and writes the times that it left in its memory to standard output,
 * COUNT 32-bit numbers of TSC ticks for each of the four kinds. What the monitor under test sets up is
 * set up here too: shared memory, interrupt controllers, a CPUID.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PARAMETERS = 0x1000, SAMPLES = 0x100000, KINDS = 4, ENTRIES = 256 };
enum { PORT = 0x80, DEBUG_EXIT = 0xf4, STATUS = 80 };
enum { DEVICE = 0xd0000000 };

static void check(int good, const char *what) {
  if (good) return;
  perror(what);
  exit(1);
}

/* The two devices: a byte behind a port, and one behind an address. */
static uint8_t latch, scratch;

/* Returns whether the guest has ended. */
static int serve_port(struct kvm_run *run) {
  uint8_t *data = (uint8_t *)run + run->io.data_offset;
  for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size) {
    if (run->io.direction == KVM_EXIT_IO_OUT) {
      if (run->io.port == PORT) latch = *data;
      else if (run->io.port == DEBUG_EXIT) return 1;
    } else if (run->io.port == PORT) {
      memset(data, 0, run->io.size);
      *data = latch;
    } else {
      memset(data, 0xff, run->io.size);
    }
  }
  return 0;
}

static void serve_address(struct kvm_run *run) {
  int claimed = run->mmio.phys_addr == DEVICE && run->mmio.len == 1;
  if (run->mmio.is_write) {
    if (claimed) scratch = run->mmio.data[0];
  } else if (claimed) {
    run->mmio.data[0] = scratch;
  } else {
    memset(run->mmio.data, 0xff, sizeof run->mmio.data);
  }
}

static int run_guest(int vcpu, struct kvm_run *run) {
  for (;;) {
    check(ioctl(vcpu, KVM_RUN, 0) == 0, "KVM_RUN");
    switch (run->exit_reason) {
      case KVM_EXIT_IO:
        if (serve_port(run)) return *((uint8_t *)run + run->io.data_offset);
        break;
      case KVM_EXIT_MMIO:
        serve_address(run);
        break;
      default:
        fprintf(stderr, "exit_loop: unexpected exit %u\n", run->exit_reason);
        return -1;
    }
  }
}

static uint8_t *guest_memory(int vm, size_t size) {
  int fd = memfd_create("guest-memory", MFD_CLOEXEC);
  check(fd >= 0 && ftruncate(fd, size) == 0, "memfd_create");
  uint8_t *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  check(memory != MAP_FAILED, "mmap");
  struct kvm_userspace_memory_region region = {
    .memory_size = size,
    .userspace_addr = (uintptr_t)memory,
  };
  check(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) == 0, "KVM_SET_USER_MEMORY_REGION");
  return memory;
}

static int create_vcpu(int kvm, int vm, uint64_t entry) {
  int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
  check(vcpu >= 0, "KVM_CREATE_VCPU");
  struct kvm_cpuid2 *cpuid = calloc(1, sizeof *cpuid + ENTRIES * sizeof cpuid->entries[0]);
  check(cpuid != NULL, "calloc");
  cpuid->nent = ENTRIES;
  check(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, cpuid) == 0, "KVM_GET_SUPPORTED_CPUID");
  check(ioctl(vcpu, KVM_SET_CPUID2, cpuid) == 0, "KVM_SET_CPUID2");
  free(cpuid);
  struct kvm_sregs sregs;
  check(ioctl(vcpu, KVM_GET_SREGS, &sregs) == 0, "KVM_GET_SREGS");
  sregs.cs.base = 0;
  sregs.cs.selector = 0;
  check(ioctl(vcpu, KVM_SET_SREGS, &sregs) == 0, "KVM_SET_SREGS");
  struct kvm_regs regs = { .rip = entry, .rflags = 2 };
  check(ioctl(vcpu, KVM_SET_REGS, &regs) == 0, "KVM_SET_REGS");
  return vcpu;
}

static void load(const char *path, uint8_t *to, size_t room) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  check(fd >= 0 && read(fd, to, room) > 0, path);
  close(fd);
}

int main(int argc, char **argv) {
  if (argc != 6) {
    fprintf(stderr, "usage: exit_loop IMAGE ADDRESS MEMORY COUNT WARM_UP\n");
    return 2;
  }
  size_t address = strtoul(argv[2], NULL, 0), size = strtoul(argv[3], NULL, 0);
  uint32_t count = strtoul(argv[4], NULL, 0), warm_up = strtoul(argv[5], NULL, 0);
  size_t samples = (size_t)count * KINDS * sizeof(uint32_t);
  if (address >= 0x10000 || SAMPLES + samples > size) {
    fprintf(stderr, "exit_loop: the image or the times do not fit\n");
    return 2;
  }

  int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
  check(kvm >= 0, "/dev/kvm");
  int vm = ioctl(kvm, KVM_CREATE_VM, 0);
  check(vm >= 0, "KVM_CREATE_VM");
  check(ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000) == 0, "KVM_SET_TSS_ADDR");
  check(ioctl(vm, KVM_CREATE_IRQCHIP, 0) == 0, "KVM_CREATE_IRQCHIP");
  uint8_t *memory = guest_memory(vm, size);
  load(argv[1], memory + address, 0x10000 - address);
  memcpy(memory + PARAMETERS, &count, sizeof count);
  memcpy(memory + PARAMETERS + sizeof count, &warm_up, sizeof warm_up);

  int vcpu = create_vcpu(kvm, vm, address);
  int run_size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
  check(run_size > 0, "KVM_GET_VCPU_MMAP_SIZE");
  struct kvm_run *run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
  check(run != MAP_FAILED, "mmap of kvm_run");

  int status = run_guest(vcpu, run);
  if (status != STATUS) {
    fprintf(stderr, "exit_loop: the guest ended with %d\n", status);
    return 1;
  }
  check(fwrite(memory + SAMPLES, 1, samples, stdout) == samples, "writing the times");
  return fflush(stdout) == 0 ? 0 : 1;
}
