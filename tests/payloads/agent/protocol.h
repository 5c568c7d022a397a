/*
 * What host and agent say to each other. The host's side of it is src/guest/agent/protocol.ts.
 *
 * Everything is a frame: the length of its payload in 32 bits, its type in 8, 24 bits of zero (little-endian), and the
 * payload. A connection begins with the host's HELLO, which says what it is for; a request's next frame is the request
 * itself. Payloads that are not raw bytes are fields: a letter, a value, and a NUL, as often as there are values.
 *
 * | request | fields                                        | then                                           |
 * | ------- | --------------------------------------------- | ---------------------------------------------- |
 * | EXEC    | a argument, e NAME=VALUE, c only those,       | STARTED p pid, then EXITED c code or s signal; |
 * |         | d folder, u user[:group], t COLUMNSxROWS      | the host's SIGNAL s number, RESIZE t as above  |
 * | READ    | p path, o offset, l most bytes                | DATA..., END                                   |
 * | WRITE   | p path, m mode, f letters of c t a x          | the host's DATA..., END; DONE                  |
 * | STAT    | p path, n not through a link                  | DONE k kind, m, o, g, s size, t, i names, l    |
 * | MKDIR   | p path, m mode, r with those above            | DONE                                           |
 * | REMOVE  | p path, r with all below                      | DONE                                           |
 * | LIST    | p path                                        | ENTRY k kind, p name; END                      |
 * | PACK    | p path                                        | a tree; END                                    |
 * | UNPACK  | p path                                        | the host's tree; END; DONE                     |
 * | POWER   | k off or reboot                               | DONE                                           |
 * | SYNC    |                                               | DONE                                           |
 * | INFO    |                                               | DONE v, k kernel, h host name, a architecture, |
 * |         |                                               | u uptime, t and f memory, p processes          |
 *
 * Any request may be answered by ERROR instead, or in the middle: c errno's name, w what failed, p with what.
 *
 * A tree is an ENTRY for each file, a folder before what is in it: k kind, p path below the root (empty for the root
 * itself), m mode, o and g owners, t time, l target. A file's bytes follow as DATA..., END. Kind D ends a folder, and
 * gives its mode and time. What a tree can't have is told by SKIPPED with kind and path.
 */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#include "sys.h"

#define VERSION 1
/* The port that the agent listens at, and that of the host's where it says so. Not for unprivileged programs. */
#define AGENT_PORT 52

#define HEADER_BYTES 8
/* Of DATA, and of everything that is no request. */
#define MOST_DATA 65536
/* As much as the kernel takes for arguments and environment. */
#define MOST_REQUEST (2 << 20)

enum frame_type {
	HELLO = 0x01,
	EXEC = 0x10, READ, WRITE, STAT, MKDIR, REMOVE, LIST, PACK, UNPACK, POWER, SYNC, INFO,
	SIGNAL = 0x20, RESIZE,
	DATA = 0x30, END, ENTRY,
	DONE = 0x40, ERROR, STARTED, EXITED, SKIPPED, READY,
};

struct header {
	u32 length;
	u8 type;
	u8 zero[3];
};

/* What a connection is for. A request is begun when all its streams are there, which have its token. */
enum role { REQUEST, STREAM_IN, STREAM_OUT, STREAM_ERR, ROLES };

struct hello {
	u8 magic[4];
	u16 version;
	u8 role;
	/* For a request: bit N for role N. */
	u8 streams;
	u8 token[16];
};
#define MAGIC "DVAG"

/* ---- frames */

/* Whether a header is one. */
bool good_header(const struct header *header, u32 most);
/* Sends a frame. 0, or a negative errno. */
long send_frame(int fd, u8 type, const void *payload, size_t length);
/* Reads so many bytes; the end of the stream is -ECONNRESET. */
long read_bytes(int fd, void *into, size_t count);
/* Reads a header whose payload has at most so many bytes. A bad one is -EPROTO. */
long read_header(int fd, struct header *header, u32 most);
/* Reads on until the other side has closed, so that it reads all that it was sent before. */
void drain(int fd);

/* ---- fields */

/* The fields of a payload. The NUL of the last one ends it. */
struct fields {
	const char *at, *end;
};
struct field {
	char letter;
	const char *value;
};
/* Whether a payload is fields. */
bool good_fields(const char *payload, size_t length);
/* The next one; false at the end. */
bool next_field(struct fields *fields, struct field *field);
/* The value of the first with a letter; NULL where there is none. */
const char *field_of(struct fields fields, char letter);

void put_field(struct text *text, char letter, const char *value);
void put_number_field(struct text *text, char letter, u64 value, unsigned base);
long send_text(int fd, u8 type, const struct text *text);
long send_done(int fd);
/* Tells what failed, with what, and with which negative errno; then waits for the host to have read it. */
void send_error(int fd, long error, const char *what, const char *with);

#endif
