/*
 * A virtual machine as C programs set it up, for the yardsticks in this folder: shared memory, interrupt controllers, a
 * CPUID, and vCPUs in real mode at the first byte of a flat image. What the monitor under test sets up is set up here.
 */
#ifndef KVM_GUEST_H
#define KVM_GUEST_H

#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CPUID_ENTRIES = 256, TSS_ADDRESS = 0xfffbd000, IMAGE_END = 0x10000 };

struct guest {
  int kvm, vm;
  uint8_t *memory;
};

static inline void check(int good, const char *what) {
  if (good) return;
  perror(what);
  exit(1);
}

static inline uint8_t *guest_memory(int vm, size_t size) {
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

/* A machine of `size` bytes, which are all zero. */
static inline struct guest create_machine(size_t size) {
  struct guest guest = { .kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC) };
  check(guest.kvm >= 0, "/dev/kvm");
  guest.vm = ioctl(guest.kvm, KVM_CREATE_VM, 0);
  check(guest.vm >= 0, "KVM_CREATE_VM");
  check(ioctl(guest.vm, KVM_SET_TSS_ADDR, TSS_ADDRESS) == 0, "KVM_SET_TSS_ADDR");
  check(ioctl(guest.vm, KVM_CREATE_IRQCHIP, 0) == 0, "KVM_CREATE_IRQCHIP");
  guest.memory = guest_memory(guest.vm, size);
  return guest;
}

/* A machine of `size` bytes with the image in the file `path` at `address`. */
static inline struct guest create_guest(const char *path, size_t address, size_t size) {
  struct guest guest = create_machine(size);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  check(fd >= 0 && read(fd, guest.memory + address, IMAGE_END - address) > 0, path);
  close(fd);
  return guest;
}

/* A vCPU that runs from `entry` on as soon as it is entered, whichever it is. */
static inline int create_vcpu(const struct guest *guest, int id, uint64_t entry) {
  int vcpu = ioctl(guest->vm, KVM_CREATE_VCPU, id);
  check(vcpu >= 0, "KVM_CREATE_VCPU");
  struct kvm_cpuid2 *cpuid = calloc(1, sizeof *cpuid + CPUID_ENTRIES * sizeof cpuid->entries[0]);
  check(cpuid != NULL, "calloc");
  cpuid->nent = CPUID_ENTRIES;
  check(ioctl(guest->kvm, KVM_GET_SUPPORTED_CPUID, cpuid) == 0, "KVM_GET_SUPPORTED_CPUID");
  check(ioctl(vcpu, KVM_SET_CPUID2, cpuid) == 0, "KVM_SET_CPUID2");
  free(cpuid);
  struct kvm_sregs sregs;
  check(ioctl(vcpu, KVM_GET_SREGS, &sregs) == 0, "KVM_GET_SREGS");
  sregs.cs.base = 0;
  sregs.cs.selector = 0;
  check(ioctl(vcpu, KVM_SET_SREGS, &sregs) == 0, "KVM_SET_SREGS");
  struct kvm_regs regs = { .rip = entry, .rflags = 2 };
  check(ioctl(vcpu, KVM_SET_REGS, &regs) == 0, "KVM_SET_REGS");
  struct kvm_mp_state state = { .mp_state = KVM_MP_STATE_RUNNABLE };
  check(ioctl(vcpu, KVM_SET_MP_STATE, &state) == 0, "KVM_SET_MP_STATE");
  return vcpu;
}

static inline struct kvm_run *map_run(const struct guest *guest, int vcpu) {
  int size = ioctl(guest->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
  check(size > 0, "KVM_GET_VCPU_MMAP_SIZE");
  struct kvm_run *run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
  check(run != MAP_FAILED, "mmap of kvm_run");
  return run;
}

#endif
