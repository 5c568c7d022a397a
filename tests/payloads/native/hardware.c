#include "hardware.h"

/* hvm_start_info and hvm_memmap_table_entry (Xen, public/arch-x86/hvm/start_info.h). */
struct start_info {
	u32 magic, version, flags, nr_modules;
	u64 modlist, cmdline, rsdp, memmap;
	u32 memmap_entries, reserved;
};
struct memmap_entry {
	u64 address, size;
	u32 type, reserved;
};
extern const struct start_info *start_info;
enum { MEMMAP_RAM = 1 };

/* ACPI 6.5: 5.2.5.3, 5.2.6, 5.2.8, 5.2.12. Tables lie at any address. */
enum { RSDP_XSDT = 24, TABLE_LENGTH = 4, TABLE_HEADER = 36, MADT_STRUCTURES = 44 };
enum { LOCAL_APIC = 0, LOCAL_APIC_FLAGS = 4, LOCAL_X2APIC = 9, LOCAL_X2APIC_FLAGS = 8, ENABLED = 1 };

static u32 number32(const u8 *at)
{
	u32 value;
	memcpy(&value, at, sizeof value);
	return value;
}

static const u8 *pointer(const u8 *at)
{
	const u8 *value;
	memcpy(&value, at, sizeof value);
	return value;
}

u64 memory_size(void)
{
	const struct memmap_entry *entries = (const struct memmap_entry *)start_info->memmap;
	u64 size = 0;
	for (u32 i = 0; i < start_info->memmap_entries; i++)
		size += entries[i].type == MEMMAP_RAM ? entries[i].size : 0;
	return size;
}

static u32 processors_in(const u8 *madt)
{
	u32 count = 0;
	const u8 *end = madt + number32(madt + TABLE_LENGTH);
	for (const u8 *at = madt + MADT_STRUCTURES; at + 2 <= end && at[1] >= 2; at += at[1]) {
		if (at[0] == LOCAL_APIC)
			count += number32(at + LOCAL_APIC_FLAGS) & ENABLED;
		if (at[0] == LOCAL_X2APIC)
			count += number32(at + LOCAL_X2APIC_FLAGS) & ENABLED;
	}
	return count;
}

u32 processor_count(void)
{
	const u8 *rsdp = (const u8 *)start_info->rsdp;
	if (rsdp == NULL)
		return 0;
	const u8 *xsdt = pointer(rsdp + RSDP_XSDT);
	u32 length = number32(xsdt + TABLE_LENGTH);
	for (u32 at = TABLE_HEADER; at + 8 <= length; at += 8) {
		const u8 *table = pointer(xsdt + at);
		if (memcmp(table, "APIC", 4) == 0)
			return processors_in(table);
	}
	return 0;
}
