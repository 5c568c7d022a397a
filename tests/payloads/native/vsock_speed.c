/*
 * How fast sockets between guest and host are, with bench/vsock_peer.c at the host's ports: a stream to it in packets of
 * 64 KiB, streams from it into buffers of 64 KiB and of 4 KiB, and round trips of 64 bytes. Each kind runs for `ticks=`
 * ticks of the clock, after a while that doesn't count. `sent=` is how many bytes have gone out by streams in all: what
 * the host has to have seen.
 */
#include "virtio_vsock.h"

enum { LARGE = 16, LARGE_BYTES = sizeof(struct vsock_header) + VSOCK_PACKET, SMALL = 128, SMALL_BYTES = 4096 };
enum { PING = 64, WARM_UP_PART = 8 };
/* As vsock_peer.c has them. */
enum { PORT_SINK = 1, PORT_SOURCE = 2, PORT_ECHO = 3 };
/* The bytes of a stream: the same 64 KiB again and again, in which each word has its number. */
enum { PERIOD = VSOCK_PACKET, WORD = 4 };

static struct vsock vsock;
static u8 buffers[LARGE][LARGE_BYTES] __attribute__((aligned(16)));
static u32 pattern[PERIOD / WORD] __attribute__((aligned(4096)));
static u64 sent;

/* Takes what has come, which must be what comes there in the pattern; returns how many bytes. */
static u32 receive(u64 at)
{
	const u8 *data;
	u32 length, came = 0;
	while (vsock_take(&vsock, &data, &length)) {
		u64 place = (at + came) % PERIOD;
		if (length >= WORD && place % WORD == 0)
			check(*(const u32 *)data == place / WORD, 1);
		came += length;
		vsock_done(&vsock, data);
	}
	kick(&vsock.receive);
	return came;
}

static u64 send_stream(u64 duration, u64 *elapsed)
{
	vsock_connect(&vsock, PORT_SINK);
	u64 start = ticks();
	u64 done = 0;
	while (ticks() - start < duration) {
		vsock_sent(&vsock);
		receive(0);
		for (; vsock_has_room(&vsock) && vsock_credit(&vsock) >= VSOCK_PACKET; done += VSOCK_PACKET)
			vsock_send(&vsock, VSOCK_RW, pattern, VSOCK_PACKET);
		kick(&vsock.transmit);
		relax();
	}
	/* What the host has not taken is not done: it's asked again and again. */
	for (u32 heard = vsock.heard - 1; vsock.peer_forwarded != vsock.sent; relax()) {
		vsock_sent(&vsock);
		if (heard != vsock.heard && vsock_has_room(&vsock)) {
			heard = vsock.heard;
			vsock_send(&vsock, VSOCK_CREDIT_REQUEST, NULL, 0);
			kick(&vsock.transmit);
		}
		receive(0);
	}
	*elapsed = ticks() - start;
	vsock_close(&vsock);
	sent += done;
	return done;
}

static u64 receive_stream(u64 duration, u64 *elapsed)
{
	vsock_connect(&vsock, PORT_SOURCE);
	u64 start = ticks();
	u64 done = 0;
	do {
		done += receive(done);
		vsock_sent(&vsock);
		vsock_give_credit(&vsock);
		relax();
		*elapsed = ticks() - start;
	} while (*elapsed < duration);
	vsock_close(&vsock);
	return done;
}

static u64 round_trips(u64 duration, u64 *elapsed)
{
	vsock_connect(&vsock, PORT_ECHO);
	u64 start = ticks();
	u64 done = 0;
	do {
		vsock_send(&vsock, VSOCK_RW, pattern, PING);
		kick(&vsock.transmit);
		for (u32 came = 0; came < PING; relax())
			came += receive(came);
		vsock_sent(&vsock);
		done++;
		*elapsed = ticks() - start;
	} while (*elapsed < duration);
	vsock_close(&vsock);
	return done;
}

static void measure(const char *name, u64 (*kind)(u64 duration, u64 *elapsed), u64 duration)
{
	u64 elapsed;
	kind(duration / WARM_UP_PART, &elapsed);
	u64 done = kind(duration, &elapsed);
	print_rate(name, done, elapsed);
}

int main(void)
{
	u64 duration = number_parameter("ticks", 0);
	for (u32 i = 0; i < PERIOD / WORD; i++)
		pattern[i] = i;
	open_vsock(&vsock, buffers[0], LARGE, LARGE_BYTES);
	measure("to_host", send_stream, duration);
	print_number("sent", sent);
	measure("to_guest_64k", receive_stream, duration);
	measure("round_trip", round_trips, duration);
	reset(&vsock.device);
	open_vsock(&vsock, buffers[0], SMALL, SMALL_BYTES);
	measure("to_guest_4k", receive_stream, duration);
	reset(&vsock.device);
	return 0;
}
