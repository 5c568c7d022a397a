/*
 * The guest that the program carries, for who has no kernel at hand: tells what machine it finds itself in, tries its
 * disks, and then answers at the first serial port until it is told to end, or its input ends (Ctrl-D).
 *
 * `scratch=MASK` has a bit for each disk that may be written to. Ends with 0, or with 1 if a disk has failed.
 */
#include "calendar.h"
#include "disk_check.h"
#include "hardware.h"
#include "terminal.h"
#include "virtio.h"

enum { MASK_BITS = 64 };

static bool good = true;
static u64 started;

static void print_machine(void)
{
	u32 processors = processor_count();
	print("This is a virtual machine: ");
	print_decimal(processors);
	print(processors == 1 ? " vCPU, " : " vCPUs, ");
	print_decimal((memory_size() + (1 << 19)) >> 20);
	print(parameter("mmio") != NULL ? " MiB of memory, virtio-mmio devices.\n" :
		" MiB of memory, virtio devices on PCI.\n");
}

static void check_disks(void)
{
	u64 scratch = number_parameter("scratch", 0);
	unsigned n = 0;
	while (check_disk(n, n < MASK_BITS && scratch >> n & 1, &good))
		n++;
	if (n == 0)
		print("There is no disk.\n");
}

static const char *name_of(u32 type)
{
	switch (type) {
	case VIRTIO_NET:
		return "network card";
	case VIRTIO_BLOCK:
		return "disk";
	case VIRTIO_CONSOLE:
		return "console";
	case VIRTIO_ENTROPY:
		return "entropy source";
	case VIRTIO_BALLOON:
		return "memory balloon";
	case VIRTIO_VSOCK:
		return "socket device";
	default:
		return "device";
	}
}

static void print_devices(void)
{
	struct device device;
	for (unsigned n = 0; find_any_device(&device, n); n++) {
		print("virtio ");
		print(name_of(device.type));
		print(" (type ");
		print_decimal(device.type);
		print(")\n");
	}
}

static void print_two_digits(const char *before, u32 value)
{
	print(before);
	print(value < 10 ? "0" : "");
	print_decimal(value);
}

static void print_time(void)
{
	struct moment now = read_clock();
	print_decimal(now.year);
	print_two_digits("-", now.month);
	print_two_digits("-", now.day);
	print_two_digits(" ", now.hour);
	print_two_digits(":", now.minute);
	print_two_digits(":", now.second);
	print(" by the clock\n");
}

static void print_uptime(void)
{
	struct moment now = read_clock();
	u64 seconds = seconds_of(&now) - started;
	print("up for ");
	print_decimal(seconds);
	print(seconds == 1 ? " second\n" : " seconds\n");
}

static void print_help(void)
{
	print("info    what machine this is, and its devices\n"
	      "disk    try the disks again\n"
	      "time    what the real-time clock shows\n"
	      "uptime  for how long this machine has run\n"
	      "exit    end the machine (poweroff and Ctrl-D do so, too)\n");
}

static bool is(const char *line, const char *word)
{
	while (*line && *line == *word) {
		line++;
		word++;
	}
	return *line == *word;
}

/* The line without the spaces around it. */
static const char *trimmed(char *line)
{
	while (*line == ' ')
		line++;
	char *end = line;
	for (char *at = line; *at; at++)
		if (*at != ' ')
			end = at + 1;
	*end = 0;
	return line;
}

/* Returns false at the end. */
static bool answer(const char *line)
{
	if (is(line, "exit") || is(line, "poweroff"))
		return false;
	if (is(line, "help")) {
		print_help();
	} else if (is(line, "info")) {
		print_machine();
		print_devices();
	} else if (is(line, "disk")) {
		check_disks();
	} else if (is(line, "time")) {
		print_time();
	} else if (is(line, "uptime")) {
		print_uptime();
	} else if (*line) {
		print("There is no command \"");
		print(line);
		print("\"; try help. This is no Linux, but a few KiB of code that denovisor carries.\n");
	}
	return true;
}

int main(void)
{
	print_machine();
	check_disks();
	print("\n"
	      "Boot a kernel of yours:  denovisor run vmlinuz --initrd initrd.img\n"
	      "See all options:         denovisor help run\n"
	      "\n"
	      "Type help to see what this guest can do, exit to end it.\n");
	struct moment now = read_clock();
	started = seconds_of(&now);
	open_terminal();
	char line[LINE_SIZE];
	do
		print("> ");
	while (read_line(line) && answer(trimmed(line)));
	print("The machine ends.\n");
	return good ? 0 : 1;
}
