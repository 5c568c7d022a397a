/* What the machine is said to have, by what PVH and ACPI tell of it. */
#ifndef HARDWARE_H
#define HARDWARE_H

#include "runtime.h"

/* Bytes of RAM, by the memory map of PVH. */
u64 memory_size(void);

/* Processors that can be used, by ACPI's MADT; 0 where there is none. */
u32 processor_count(void);

#endif
