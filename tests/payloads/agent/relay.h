/*
 * Carries bytes between the frames of a connection and a pipe or a terminal, with backpressure both ways: what one side
 * does not take is not read from the other. Nothing here waits.
 */
#ifndef RELAY_H
#define RELAY_H

#include <linux/poll.h>

#include "protocol.h"

/* What a command prints, on its way to the host. */
struct outlet {
	/* The host's connection and the command's end; -1 once closed. */
	int connection, source;
	size_t length, sent;
	/* A header and its payload. */
	u8 buffer[HEADER_BYTES + MOST_DATA];
};

/* What the host says to a command. */
struct inlet {
	int connection, target;
	/* The target is a terminal, whose end of file is a character. */
	bool is_terminal;
	struct header header;
	size_t header_used;
	/* How much of the frame is still to come, and what has not been passed on of what came. */
	size_t left, length, passed;
	u8 buffer[MOST_DATA];
};

void open_outlet(struct outlet *outlet, int connection, int source);
void open_inlet(struct inlet *inlet, int connection, int target, bool is_terminal);
/* Two entries each. */
void watch_outlet(const struct outlet *outlet, struct pollfd *polls);
void watch_inlet(const struct inlet *inlet, struct pollfd *polls);
/* Does what can be done now. */
void serve_outlet(struct outlet *outlet, const struct pollfd *polls);
void serve_inlet(struct inlet *inlet, const struct pollfd *polls);
bool is_open(const struct outlet *outlet);
/* Nobody reads it any more: the host is told, who may have more to say. */
void refuse_input(struct inlet *inlet);

#endif
