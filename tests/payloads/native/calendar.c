#include "calendar.h"

/* MC146818A, "Time, Calendar, and Alarm Locations", "Register A", "Register B"; the century is a PC's. */
enum { INDEX = 0x70, DATA = 0x71 };
enum { SECOND = 0, MINUTE = 2, HOUR = 4, DAY = 7, MONTH = 8, YEAR = 9, CENTURY = 0x32 };
enum { REGISTER_A = 0x0a, UPDATE_IN_PROGRESS = 0x80, REGISTER_B = 0x0b, BINARY = 4, HOURS_24 = 2 };
enum { AFTERNOON = 0x80 };

static u8 cell(u8 index)
{
	out8(INDEX, index);
	return in8(DATA);
}

static struct moment read_cells(void)
{
	struct moment m = { .second = cell(SECOND), .minute = cell(MINUTE), .hour = cell(HOUR) };
	m.day = cell(DAY);
	m.month = cell(MONTH);
	m.year = cell(YEAR) | (u32)cell(CENTURY) << 8;
	return m;
}

static u32 binary(u32 value)
{
	return (value >> 4) * 10 + (value & 15);
}

struct moment read_clock(void)
{
	struct moment m;
	u8 second;
	/* What is read between two readings of the same second belongs together. */
	do {
		while (cell(REGISTER_A) & UPDATE_IN_PROGRESS)
			relax();
		second = cell(SECOND);
		m = read_cells();
	} while (m.second != second || cell(SECOND) != second);

	u8 mode = cell(REGISTER_B);
	bool afternoon = !(mode & HOURS_24) && (m.hour & AFTERNOON);
	m.hour &= ~(u32)AFTERNOON;
	u32 century = m.year >> 8;
	m.year &= 0xff;
	if (!(mode & BINARY)) {
		m = (struct moment){ binary(m.year), binary(m.month), binary(m.day),
			binary(m.hour), binary(m.minute), binary(m.second) };
		century = binary(century);
	}
	if (!(mode & HOURS_24))
		m.hour = m.hour % 12 + (afternoon ? 12 : 0);
	m.year += century * 100;
	return m;
}

u64 seconds_of(const struct moment *moment)
{
	/* Years that begin in March have their leap day at their end. */
	u64 year = moment->month > 2 ? moment->year : moment->year - 1;
	u64 month = (moment->month + 9) % 12;
	u64 days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 +
		moment->day - 1;
	const u64 DAYS_TO_1970 = 719468;
	return ((days - DAYS_TO_1970) * 24 + moment->hour) * 3600 + moment->minute * 60 + moment->second;
}
