/*
 * The yardstick of `deno task compare interrupt`: interrupts by irqfd as C programs raise them.
 *
 * usage: interrupt_loop IMAGE ADDRESS MEMORY COUNT WARM_UP read|epoll
 *
 * Loads a flat image (tests/payloads/interrupt_latency.s) and enters it in real mode. Its writes to one port are
 * answered by signalling the irqfd. Those to another port are an ioeventfd's, for which a thread waits with read(2)
 * alone, or with epoll_wait(2) before it, as threads do that serve several; it signals the irqfd then. The times that the
 * guest leaves in its memory go to standard output.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include "kvm_guest.h"

enum { PARAMETERS = 0x1000, SAMPLES = 0x100000, KINDS = 2 };
enum { BELL = 0xe00, KICK = 0xe01, DEBUG_EXIT = 0xf4, STATUS = 80 };
enum { GSI = 24, MESSAGE_ADDRESS = 0xfee00000, VECTOR = 0x50, ENOUGH_SECONDS = 60 };

static int interrupt_fd, kick_fd;

static void signal_interrupt(void) {
  uint64_t one = 1;
  check(write(interrupt_fd, &one, sizeof one) == sizeof one, "signalling the irqfd");
}

static void *serve_kicks(void *with_epoll) {
  int epoll = -1;
  if (with_epoll != NULL) {
    struct epoll_event event = { .events = EPOLLIN };
    epoll = epoll_create1(EPOLL_CLOEXEC);
    check(epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, kick_fd, &event) == 0, "epoll");
  }
  for (;;) {
    uint64_t count;
    struct epoll_event event;
    if (epoll >= 0) check(epoll_wait(epoll, &event, 1, -1) == 1, "epoll_wait");
    check(read(kick_fd, &count, sizeof count) == sizeof count, "reading the ioeventfd");
    signal_interrupt();
  }
  return NULL;
}

static int run_guest(int vcpu, struct kvm_run *run) {
  for (;;) {
    check(ioctl(vcpu, KVM_RUN, 0) == 0, "KVM_RUN");
    if (run->exit_reason != KVM_EXIT_IO || run->io.direction != KVM_EXIT_IO_OUT) {
      fprintf(stderr, "interrupt_loop: unexpected exit %u\n", run->exit_reason);
      return -1;
    }
    if (run->io.port == BELL) signal_interrupt();
    else if (run->io.port == DEBUG_EXIT) return *((uint8_t *)run + run->io.data_offset);
  }
}

static void wire(int vm) {
  struct kvm_irq_routing *routing = calloc(1, sizeof *routing + sizeof routing->entries[0]);
  check(routing != NULL, "calloc");
  routing->nr = 1;
  routing->entries[0] = (struct kvm_irq_routing_entry){
    .gsi = GSI,
    .type = KVM_IRQ_ROUTING_MSI,
    .u.msi = { .address_lo = MESSAGE_ADDRESS, .data = VECTOR },
  };
  check(ioctl(vm, KVM_SET_GSI_ROUTING, routing) == 0, "KVM_SET_GSI_ROUTING");
  free(routing);
  struct kvm_irqfd irqfd = { .fd = interrupt_fd, .gsi = GSI };
  check(ioctl(vm, KVM_IRQFD, &irqfd) == 0, "KVM_IRQFD");
  struct kvm_ioeventfd ioeventfd = {
    .addr = KICK, .len = 1, .fd = kick_fd, .flags = KVM_IOEVENTFD_FLAG_PIO,
  };
  check(ioctl(vm, KVM_IOEVENTFD, &ioeventfd) == 0, "KVM_IOEVENTFD");
}

int main(int argc, char **argv) {
  if (argc != 7) {
    fprintf(stderr, "usage: interrupt_loop IMAGE ADDRESS MEMORY COUNT WARM_UP read|epoll\n");
    return 2;
  }
  size_t address = strtoul(argv[2], NULL, 0), size = strtoul(argv[3], NULL, 0);
  uint32_t parameters[] = { strtoul(argv[4], NULL, 0), strtoul(argv[5], NULL, 0) };
  size_t samples = (size_t)parameters[0] * KINDS * sizeof(uint32_t);
  if (address >= IMAGE_END || SAMPLES + samples > size) {
    fprintf(stderr, "interrupt_loop: the image or the times do not fit\n");
    return 2;
  }
  interrupt_fd = eventfd(0, EFD_CLOEXEC);
  kick_fd = eventfd(0, EFD_CLOEXEC);
  check(interrupt_fd >= 0 && kick_fd >= 0, "eventfd");
  struct guest guest = create_guest(argv[1], address, size);
  memcpy(guest.memory + PARAMETERS, parameters, sizeof parameters);
  int vcpu = create_vcpu(&guest, 0, address);
  wire(guest.vm);
  pthread_t thread;
  void *with_epoll = strcmp(argv[6], "epoll") == 0 ? &guest : NULL;
  check(pthread_create(&thread, NULL, serve_kicks, with_epoll) == 0, "pthread_create");
  /* A guest that waits for an interrupt that never comes is ended by a signal. */
  alarm(ENOUGH_SECONDS);
  int status = run_guest(vcpu, map_run(&guest, vcpu));
  if (status != STATUS) {
    fprintf(stderr, "interrupt_loop: the guest ended with %d\n", status);
    return 1;
  }
  check(fwrite(guest.memory + SAMPLES, 1, samples, stdout) == samples, "writing the times");
  return fflush(stdout) == 0 ? 0 : 1;
}
