/*
 * The yardstick of `deno task compare boot`: the least that a monitor does to bring Linux to its first process.
 *
 * usage: boot_minimum BZIMAGE INITRD COMMAND_LINE MEMORY_MIB
 *
 * One processor, KVM's interrupt controllers and timer, a serial port and a clock; no firmware tables, no other
 * devices, no threads and no event loop. The kernel is entered by the 32-bit boot protocol
 * (Documentation/arch/x86/boot.rst). What it prints goes to standard output; a triple fault (`reboot=t`) ends it.
 */
#define _GNU_SOURCE
#include <asm/bootparam.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include "kvm_guest.h"

enum { BOOT_PARAMS = 0x7000, GDT = 0x500, COMMAND_LINE = 0x20000, KERNEL = 0x100000, PAGE = 4096 };
enum { LOW_END = 0xa0000, E820_RAM = 1, SECTOR = 512, CODE_SELECTOR = 0x10, DATA_SELECTOR = 0x18 };
enum { LOADER_UNDEFINED = 0xff, HEADER = 0x1f1, HEADER_END = 0x202, HEADER_LENGTH = 0x201 };
enum { COM1 = 0x3f8, COM1_IRQ = 4, CMOS_INDEX = 0x70, CMOS_DATA = 0x71 };

static size_t load(const char *path, uint8_t *to, size_t room) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  check(fd >= 0, path);
  size_t size = 0;
  for (;;) {
    ssize_t got = read(fd, to + size, room - size);
    check(got >= 0, path);
    if (got == 0) break;
    size += got;
  }
  close(fd);
  return size;
}

static size_t size_of(const char *path) {
  struct stat status;
  check(stat(path, &status) == 0, path);
  return status.st_size;
}

static void require(int good, const char *what) {
  if (good) return;
  fprintf(stderr, "boot_minimum: %s\n", what);
  exit(1);
}

/* The kernel at 1 MiB, the initrd at the end of memory, and boot_params that tell of them. */
static void load_linux(uint8_t *memory, size_t size, char **argv) {
  size_t file_size = size_of(argv[1]);
  uint8_t *file = malloc(file_size);
  check(file != NULL, "malloc");
  require(load(argv[1], file, file_size) == file_size && file_size > PAGE, "the kernel is cut off");
  struct boot_params *params = (struct boot_params *)(memory + BOOT_PARAMS);
  size_t header = HEADER_END + file[HEADER_LENGTH] - HEADER;
  memcpy(&params->hdr, file + HEADER, header < sizeof params->hdr ? header : sizeof params->hdr);
  require(params->hdr.header == 0x53726448, "the kernel is no bzImage");
  size_t setup = (params->hdr.setup_sects + 1) * SECTOR;
  require(setup < file_size && KERNEL + file_size - setup < size, "the kernel does not fit");
  memcpy(memory + KERNEL, file + setup, file_size - setup);
  free(file);

  size_t initrd = size_of(argv[2]);
  require(initrd < size / 2, "the initrd does not fit");
  size_t place = (size - initrd) & ~(size_t)(PAGE - 1);
  require(load(argv[2], memory + place, initrd) == initrd, "the initrd is cut off");
  require(strlen(argv[3]) < params->hdr.cmdline_size, "the command line is too long");
  strcpy((char *)memory + COMMAND_LINE, argv[3]);

  params->hdr.type_of_loader = LOADER_UNDEFINED;
  params->hdr.cmd_line_ptr = COMMAND_LINE;
  params->hdr.ramdisk_image = place;
  params->hdr.ramdisk_size = initrd;
  params->e820_entries = 2;
  params->e820_table[0] = (struct boot_e820_entry){ 0, LOW_END, E820_RAM };
  params->e820_table[1] = (struct boot_e820_entry){ KERNEL, size - KERNEL, E820_RAM };
}

/* Protected mode with flat segments and without paging, as the protocol has it. */
static int create_processor(const struct guest *guest) {
  uint64_t *gdt = (uint64_t *)(guest->memory + GDT);
  gdt[CODE_SELECTOR / 8] = 0x00cf9b000000ffff;
  gdt[DATA_SELECTOR / 8] = 0x00cf93000000ffff;
  int vcpu = create_vcpu(guest, 0, KERNEL);
  struct kvm_sregs sregs;
  check(ioctl(vcpu, KVM_GET_SREGS, &sregs) == 0, "KVM_GET_SREGS");
  struct kvm_segment flat = { .limit = 0xffffffff, .present = 1, .s = 1, .db = 1, .g = 1 };
  sregs.cs = sregs.ds = flat;
  sregs.cs.selector = CODE_SELECTOR;
  sregs.cs.type = 0xb;
  sregs.ds.selector = DATA_SELECTOR;
  sregs.ds.type = 0x3;
  sregs.es = sregs.fs = sregs.gs = sregs.ss = sregs.ds;
  sregs.gdt.base = GDT;
  sregs.gdt.limit = DATA_SELECTOR + 7;
  sregs.cr0 |= 1;
  check(ioctl(vcpu, KVM_SET_SREGS, &sregs) == 0, "KVM_SET_SREGS");
  struct kvm_regs regs = { .rip = KERNEL, .rsi = BOOT_PARAMS, .rflags = 2 };
  check(ioctl(vcpu, KVM_SET_REGS, &regs) == 0, "KVM_SET_REGS");
  return vcpu;
}

/* Without this bit Linux looks for no hypervisor, and takes its time to find out how fast its clocks are. */
static void show_hypervisor(const struct guest *guest, int vcpu) {
  struct kvm_cpuid2 *cpuid = calloc(1, sizeof *cpuid + CPUID_ENTRIES * sizeof cpuid->entries[0]);
  check(cpuid != NULL, "calloc");
  cpuid->nent = CPUID_ENTRIES;
  check(ioctl(guest->kvm, KVM_GET_SUPPORTED_CPUID, cpuid) == 0, "KVM_GET_SUPPORTED_CPUID");
  for (uint32_t i = 0; i < cpuid->nent; i++) {
    if (cpuid->entries[i].function == 1) cpuid->entries[i].ecx |= 1u << 31;
  }
  check(ioctl(vcpu, KVM_SET_CPUID2, cpuid) == 0, "KVM_SET_CPUID2");
  free(cpuid);
}

/* A 16550A that sends at once and receives nothing. */
static struct { uint8_t ier, lcr, mcr, scr, fcr, divisor[2], thr_empty; int vm; } uart;

static void interrupt(void) {
  for (int level = 1; level >= 0; level--) {
    struct kvm_irq_level line = { .irq = COM1_IRQ, .level = level };
    check(ioctl(uart.vm, KVM_IRQ_LINE, &line) == 0, "KVM_IRQ_LINE");
  }
}

static void empty(void) {
  uart.thr_empty = 1;
  if (uart.ier & 2) interrupt();
}

static void uart_write(int offset, uint8_t value) {
  int latch = (uart.lcr & 0x80) != 0;
  switch (offset) {
    case 0:
      if (latch) uart.divisor[0] = value;
      else if (uart.mcr & 0x10) break;
      else check(write(1, &value, 1) == 1, "standard output"), empty();
      break;
    case 1:
      if (latch) uart.divisor[1] = value;
      else if ((uart.ier = value & 0xf) & 2) empty();
      break;
    case 2: uart.fcr = value; break;
    case 3: uart.lcr = value; break;
    case 4: uart.mcr = value; break;
    case 7: uart.scr = value; break;
  }
}

static uint8_t uart_read(int offset) {
  int latch = (uart.lcr & 0x80) != 0;
  switch (offset) {
    case 0: return latch ? uart.divisor[0] : 0;
    case 1: return latch ? uart.divisor[1] : uart.ier;
    case 2: {
      uint8_t cause = uart.thr_empty && (uart.ier & 2) ? 2 : 1;
      uart.thr_empty = 0;
      return cause | (uart.fcr & 1 ? 0xc0 : 0);
    }
    case 3: return uart.lcr;
    case 4: return uart.mcr;
    case 5: return 0x60;
    /* In loopback the modem's inputs are its outputs. */
    case 6: return uart.mcr & 0x10 ? (uart.mcr & 3) << 4 | (uart.mcr & 12) << 4 : 0xb0;
    default: return uart.scr;
  }
}

static uint8_t cmos_index;

static uint8_t bcd(int value) { return value / 10 << 4 | value % 10; }

static uint8_t cmos_read(void) {
  time_t now = time(NULL);
  struct tm tm;
  gmtime_r(&now, &tm);
  switch (cmos_index & 0x7f) {
    case 0: return bcd(tm.tm_sec);
    case 2: return bcd(tm.tm_min);
    case 4: return bcd(tm.tm_hour);
    case 6: return tm.tm_wday + 1;
    case 7: return bcd(tm.tm_mday);
    case 8: return bcd(tm.tm_mon + 1);
    case 9: return bcd(tm.tm_year % 100);
    case 10: return 0x26;
    case 11: return 0x02;
    case 13: return 0x80;
    case 50: return bcd(19 + tm.tm_year / 100);
    default: return 0;
  }
}

static void serve_port(struct kvm_run *run) {
  uint8_t *data = (uint8_t *)run + run->io.data_offset;
  int port = run->io.port, is_uart = port >= COM1 && port < COM1 + 8 && run->io.size == 1;
  for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size) {
    if (run->io.direction == KVM_EXIT_IO_OUT) {
      if (is_uart) uart_write(port - COM1, *data);
      else if (port == CMOS_INDEX) cmos_index = *data;
    } else {
      memset(data, 0xff, run->io.size);
      if (is_uart) *data = uart_read(port - COM1);
      else if (port == CMOS_DATA) *data = cmos_read();
    }
  }
}

int main(int argc, char **argv) {
  require(argc == 5, "usage: boot_minimum BZIMAGE INITRD COMMAND_LINE MEMORY_MIB");
  size_t size = (size_t)atoi(argv[4]) << 20;
  require(size >= 64 << 20 && size <= (size_t)2 << 30, "the memory must be from 64 to 2048 MiB");
  struct guest guest = create_machine(size);
  uart.vm = guest.vm;
  struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
  check(ioctl(guest.vm, KVM_CREATE_PIT2, &pit) == 0, "KVM_CREATE_PIT2");
  load_linux(guest.memory, size, argv);
  int vcpu = create_processor(&guest);
  show_hypervisor(&guest, vcpu);
  struct kvm_run *run = map_run(&guest, vcpu);
  for (;;) {
    check(ioctl(vcpu, KVM_RUN, 0) == 0, "KVM_RUN");
    switch (run->exit_reason) {
      case KVM_EXIT_IO:
        serve_port(run);
        break;
      case KVM_EXIT_MMIO:
        if (!run->mmio.is_write) memset(run->mmio.data, 0xff, sizeof run->mmio.data);
        break;
      case KVM_EXIT_SHUTDOWN:
        return 0;
      default:
        fprintf(stderr, "boot_minimum: unexpected exit %u\n", run->exit_reason);
        return 1;
    }
  }
}
