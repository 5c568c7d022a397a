/*
 * What the agent does as the first process of a guest.
 */
#ifndef BOOT_H
#define BOOT_H

/* Sets the guest up as its configuration says, and serves the host. */
void boot(void) __attribute__((noreturn));

#endif
