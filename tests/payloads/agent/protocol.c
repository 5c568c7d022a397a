#include "protocol.h"

#include <linux/uio.h>
#include <linux/poll.h>

bool good_header(const struct header *header, u32 most)
{
	return header->length <= most && (header->zero[0] | header->zero[1] | header->zero[2]) == 0;
}

long send_frame(int fd, u8 type, const void *payload, size_t length)
{
	struct header header = { .length = (u32)length, .type = type };
	struct iovec pieces[2] = {
		{ .iov_base = &header, .iov_len = sizeof(header) },
		{ .iov_base = (void *)payload, .iov_len = length },
	};
	size_t left = sizeof(header) + length;

	while (left > 0) {
		long result = SYS(writev, fd, pieces, 2);

		if (result == -EINTR)
			continue;
		if (result < 0)
			return result;
		left -= (size_t)result;
		for (int i = 0; i < 2; i++) {
			size_t part = MIN((size_t)result, pieces[i].iov_len);

			pieces[i].iov_base = (u8 *)pieces[i].iov_base + part;
			pieces[i].iov_len -= part;
			result -= (long)part;
		}
	}
	return 0;
}

long read_bytes(int fd, void *into, size_t count)
{
	u8 *at = into;

	while (count > 0) {
		long result = SYS(read, fd, at, count);

		if (result == -EINTR)
			continue;
		if (result == 0)
			return -ECONNRESET;
		if (result < 0)
			return result;
		at += result;
		count -= (size_t)result;
	}
	return 0;
}

long read_header(int fd, struct header *header, u32 most)
{
	long result = read_bytes(fd, header, sizeof(*header));

	if (result < 0)
		return result;
	return good_header(header, most) ? 0 : -EPROTO;
}

void drain(int fd)
{
	u8 bytes[4096];
	long result;

	do
		result = SYS(read, fd, bytes, sizeof(bytes));
	while (result > 0 || result == -EINTR);
}

/* ---- fields */

bool good_fields(const char *payload, size_t length)
{
	/* Each has a letter and a NUL, so the last byte is a NUL and none is alone. */
	const char *end = payload + length;

	while (payload < end) {
		if (*payload == 0)
			return false;
		while (payload < end && *payload != 0)
			payload++;
		if (payload++ == end)
			return false;
	}
	return true;
}

bool next_field(struct fields *fields, struct field *field)
{
	if (fields->at >= fields->end)
		return false;
	field->letter = fields->at[0];
	field->value = fields->at + 1;
	fields->at += strlen(fields->at) + 1;
	return true;
}

const char *field_of(struct fields fields, char letter)
{
	struct field field;

	while (next_field(&fields, &field))
		if (field.letter == letter)
			return field.value;
	return NULL;
}

void put_field(struct text *text, char letter, const char *value)
{
	put_byte(text, letter);
	put_bytes(text, value, strlen(value) + 1);
}

void put_number_field(struct text *text, char letter, u64 value, unsigned base)
{
	put_byte(text, letter);
	put_number(text, value, base);
	put_byte(text, 0);
}

long send_text(int fd, u8 type, const struct text *text)
{
	return text->overflow ? -ENAMETOOLONG : send_frame(fd, type, text->start, text->used);
}

long send_done(int fd)
{
	return send_frame(fd, DONE, NULL, 0);
}

void send_error(int fd, long error, const char *what, const char *with)
{
	char payload[2 * PATH_BYTES];
	struct text text = TEXT(payload);

	put_field(&text, 'c', errno_name(error));
	put_field(&text, 'w', what);
	put_byte(&text, 'p');
	/* So that there's room for the end. */
	put_bytes(&text, with, MIN(strlen(with), PATH_BYTES));
	put_byte(&text, 0);
	if (send_text(fd, ERROR, &text) == 0)
		drain(fd);
}
