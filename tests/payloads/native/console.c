/*
 * Prints through a virtio console's first port, and gives back what is typed there, until a line is "end".
 */
#include "virtio.h"

enum { RECEIVE = 0, TRANSMIT = 1, BUFFERS = 4, BUFFER_BYTES = 16, LINE = 256 };

static struct device device;
static struct queue receive;
static struct queue transmit;
static char buffers[BUFFERS][BUFFER_BYTES];
static char *of_id[QUEUE_MAX];
static char line[LINE];

static void say(const char *text, u32 length)
{
	struct piece piece = { text, length };
	offer(&transmit, &piece, 1, 0);
	kick(&transmit);
	wait(&transmit, NULL);
}

static void offer_buffer(char *buffer)
{
	struct piece piece = { buffer, BUFFER_BYTES };
	of_id[offer(&receive, &piece, 0, 1)] = buffer;
	kick(&receive);
}

static void open_console(void)
{
	check(find_device(&device, VIRTIO_CONSOLE, 0), 80);
	begin(&device, number_parameter("event_idx", 0) ? F_EVENT_IDX : 0);
	open_queue(&device, &receive, RECEIVE, QUEUE_MAX);
	open_queue(&device, &transmit, TRANSMIT, QUEUE_MAX);
	go(&device);
	for (u32 i = 0; i < BUFFERS; i++)
		offer_buffer(buffers[i]);
}

int main(void)
{
	static const char HELLO[] = "hello from the queue\n";
	static const char AGAIN[] = "hello after a reset\n";
	open_console();
	say(HELLO, sizeof HELLO - 1);
	open_console();
	say(AGAIN, sizeof AGAIN - 1);
	/* More than a ring of the host's may hold at once. */
	static char many[8192];
	for (u32 i = 0; i < sizeof many; i++)
		many[i] = i % 64 == 63 ? '\n' : (char)('0' + i % 64);
	for (u32 i = 0; i < 16; i++)
		say(many, sizeof many);
	say("ready\n", 6);
	u32 length = 0;
	for (;;) {
		u32 got;
		char *buffer = of_id[wait(&receive, &got)];
		check(got > 0 && got <= BUFFER_BYTES, 1);
		say(buffer, got);
		for (u32 i = 0; i < got; i++) {
			check(length < LINE, 2);
			line[length++] = buffer[i];
			if (buffer[i] != '\n')
				continue;
			if (length == 4 && memcmp(line, "end\n", 4) == 0)
				return 0;
			length = 0;
		}
		offer_buffer(buffer);
	}
}
