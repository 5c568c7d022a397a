/*
 * The yardstick of `deno task compare exits` and `smp`: a loop on KVM_RUN as C programs write it, one thread for each
 * vCPU.
 *
 * usage: exit_loop IMAGE ADDRESS MEMORY COUNT WARM_UP CPUS
 *
 * Loads a flat image (tests/payloads/exit_latency.s) and enters it in real mode, answers its exits until each vCPU has
 * written to the debug exit port, and writes the times that it left in its memory to standard output.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include "kvm_guest.h"

enum { PARAMETERS = 0x1000, SAMPLES = 0x100000, KINDS = 4, MAX_CPUS = 64 };
enum { PORT = 0x80, DEBUG_EXIT = 0xf4, STATUS = 80 };
enum { DEVICE = 0xd0000000 };

/* The two devices: a byte behind a port, and one behind an address. Plain moves, and all that a byte's device needs. */
static _Atomic uint8_t latch, scratch;

/* Returns whether the guest has ended. */
static int serve_port(struct kvm_run *run) {
  uint8_t *data = (uint8_t *)run + run->io.data_offset;
  for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size) {
    if (run->io.direction == KVM_EXIT_IO_OUT) {
      if (run->io.port == PORT) atomic_store_explicit(&latch, *data, memory_order_relaxed);
      else if (run->io.port == DEBUG_EXIT) return 1;
    } else if (run->io.port == PORT) {
      memset(data, 0, run->io.size);
      *data = atomic_load_explicit(&latch, memory_order_relaxed);
    } else {
      memset(data, 0xff, run->io.size);
    }
  }
  return 0;
}

static void serve_address(struct kvm_run *run) {
  int claimed = run->mmio.phys_addr == DEVICE && run->mmio.len == 1;
  if (run->mmio.is_write) {
    if (claimed) atomic_store_explicit(&scratch, run->mmio.data[0], memory_order_relaxed);
  } else if (claimed) {
    run->mmio.data[0] = atomic_load_explicit(&scratch, memory_order_relaxed);
  } else {
    memset(run->mmio.data, 0xff, sizeof run->mmio.data);
  }
}

static int run_vcpu(int vcpu, struct kvm_run *run) {
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

struct thread {
  pthread_t id;
  int vcpu, status;
  struct kvm_run *run;
};

static void *run_thread(void *argument) {
  struct thread *thread = argument;
  thread->status = run_vcpu(thread->vcpu, thread->run);
  return NULL;
}

int main(int argc, char **argv) {
  if (argc != 7) {
    fprintf(stderr, "usage: exit_loop IMAGE ADDRESS MEMORY COUNT WARM_UP CPUS\n");
    return 2;
  }
  size_t address = strtoul(argv[2], NULL, 0), size = strtoul(argv[3], NULL, 0);
  uint32_t parameters[] = { strtoul(argv[4], NULL, 0), strtoul(argv[5], NULL, 0), strtoul(argv[6], NULL, 0) };
  uint32_t cpus = parameters[2];
  size_t samples = (size_t)parameters[0] * KINDS * cpus * sizeof(uint32_t);
  if (address >= IMAGE_END || cpus < 1 || cpus > MAX_CPUS || SAMPLES + samples > size) {
    fprintf(stderr, "exit_loop: the image, the processors or the times do not fit\n");
    return 2;
  }

  struct guest guest = create_guest(argv[1], address, size);
  memcpy(guest.memory + PARAMETERS, parameters, sizeof parameters);
  struct thread threads[MAX_CPUS];
  for (uint32_t i = 0; i < cpus; i++) {
    threads[i].vcpu = create_vcpu(&guest, i, address);
    threads[i].run = map_run(&guest, threads[i].vcpu);
  }
  for (uint32_t i = 0; i < cpus; i++)
    check(pthread_create(&threads[i].id, NULL, run_thread, &threads[i]) == 0, "pthread_create");
  for (uint32_t i = 0; i < cpus; i++) {
    pthread_join(threads[i].id, NULL);
    if (threads[i].status == STATUS) continue;
    fprintf(stderr, "exit_loop: the guest ended with %d\n", threads[i].status);
    return 1;
  }
  check(fwrite(guest.memory + SAMPLES, 1, samples, stdout) == samples, "writing the times");
  return fflush(stdout) == 0 ? 0 : 1;
}
