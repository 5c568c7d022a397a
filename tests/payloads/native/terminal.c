#include "terminal.h"

/* PC16550D, "Interrupt Enable Register", "Modem Control Register", "Line Status Register". */
enum { COM1_DATA = 0x3f8, COM1_IER = 0x3f9, COM1_MCR = 0x3fc, COM1_LSR = 0x3fd };
enum { IER_ERBFI = 1, MCR_DTR_RTS_OUT2 = 0x0b, LSR_DR = 1 };

enum { CTRL_C = 3, CTRL_D = 4, BACKSPACE = 8, CTRL_U = 21, DELETE = 127 };

/* Whether the last line has ended with a carriage return: a line feed then belongs to it. */
static bool after_return;
/* Whether the input's end was seen behind a line that had no end of its own. */
static bool ended;

void open_terminal(void)
{
	out8(COM1_MCR, MCR_DTR_RTS_OUT2);
	out8(COM1_IER, IER_ERBFI);
}

static char read_key(void)
{
	/* With nothing to be read INTR is low, so the next byte makes an edge, and none is missed. */
	while (!(in8(COM1_LSR) & LSR_DR))
		wait_for_serial();
	return (char)in8(COM1_DATA);
}

static void erase(u32 count)
{
	while (count-- > 0)
		print("\b \b");
}

bool read_line(char line[LINE_SIZE])
{
	u32 length = 0;
	while (!ended) {
		char key = read_key();
		bool joined = key == '\n' && after_return;
		after_return = key == '\r';
		if (joined)
			continue;
		if (key == '\r' || key == '\n') {
			print("\n");
			line[length] = 0;
			return true;
		}
		if (key == CTRL_D) {
			ended = true;
			print("\n");
			if (length == 0)
				return false;
			line[length] = 0;
			return true;
		}
		if (key == CTRL_C) {
			print("^C\n");
			line[0] = 0;
			return true;
		}
		if ((key == BACKSPACE || key == DELETE) && length > 0) {
			erase(1);
			length--;
		} else if (key == CTRL_U) {
			erase(length);
			length = 0;
		} else if (key >= ' ' && key < DELETE && length < LINE_SIZE - 1) {
			char shown[2] = { key, 0 };
			print(shown);
			line[length++] = key;
		} else if (key >= ' ' && key < DELETE) {
			print("\a");
		}
	}
	return false;
}
