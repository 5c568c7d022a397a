/*
 * A machine in C from nothing to its guest's end: the peer of boot_bench.ts.
 *
 *     boot_peer IMAGE ADDRESS MEMORY
 *
 * Each byte of standard input is a wish; one byte of output answers when a machine was made, its guest was entered in
 * real mode at IMAGE's first byte, said '!' on COM1 and ended with status 7, and the machine was given back.
 */
#define _GNU_SOURCE
#include <sys/wait.h>
#include "kvm_guest.h"

enum { COM1 = 0x3f8, DEBUG_EXIT = 0xf4, STATUS = 7 };

/* Returns whether the guest did what it is there for. */
static int run_guest(const char *image, size_t address, size_t size)
{
	struct guest guest = create_guest(image, address, size);
	int vcpu = create_vcpu(&guest, 0, address);
	struct kvm_run *run = map_run(&guest, vcpu);
	for (int said = 0;;) {
		check(ioctl(vcpu, KVM_RUN, 0) == 0, "KVM_RUN");
		uint8_t *data = (uint8_t *)run + run->io.data_offset;
		if (run->exit_reason != KVM_EXIT_IO || run->io.direction != KVM_EXIT_IO_OUT)
			return 0;
		if (run->io.port == DEBUG_EXIT)
			return said && *data == STATUS;
		said = run->io.port == COM1 && *data == '!';
	}
}

int main(int argc, char **argv)
{
	char wish;
	if (argc != 4) {
		fprintf(stderr, "usage: boot_peer IMAGE ADDRESS MEMORY\n");
		return 2;
	}
	while (read(0, &wish, 1) == 1) {
		/* The kernel gives back what a process leaves. */
		pid_t child = fork();
		check(child >= 0, "fork");
		if (child == 0)
			_exit(!run_guest(argv[1], strtoul(argv[2], NULL, 0), strtoul(argv[3], NULL, 0)));
		int status;
		check(waitpid(child, &status, 0) == child, "waitpid");
		if (status != 0) {
			fprintf(stderr, "boot_peer: the guest did not end as it should\n");
			return 1;
		}
		check(write(1, &wish, 1) == 1, "write");
	}
	return 0;
}
