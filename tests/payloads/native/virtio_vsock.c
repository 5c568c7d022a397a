#include "virtio_vsock.h"

void open_vsock(struct vsock *vsock, u8 *buffers, u32 count, u32 bytes)
{
	struct device *device = &vsock->device;
	check(find_device(device, VIRTIO_VSOCK, 0), 80);
	begin(device, F_EVENT_IDX);
	vsock->cid = read32(device->config);
	open_queue(device, &vsock->receive, VSOCK_RECEIVE, QUEUE_MAX);
	open_queue(device, &vsock->transmit, VSOCK_TRANSMIT, QUEUE_MAX);
	open_queue(device, &vsock->event, VSOCK_EVENT, QUEUE_MAX);
	go(device);
	check(count <= vsock->receive.size && 2 * VSOCK_SENDS <= vsock->transmit.size, 81);
	vsock->buffer_bytes = bytes;
	for (u32 i = 0; i < count; i++)
		vsock_done(vsock, buffers + (size_t)i * bytes + sizeof(struct vsock_header));
	kick(&vsock->receive);
	for (u32 i = 0; i < VSOCK_SENDS; i++)
		vsock->free[i] = (u8)i;
	vsock->free_count = VSOCK_SENDS;
	vsock->open = false;
}

void vsock_connect(struct vsock *vsock, u32 port)
{
	static u32 ports = 1024;
	vsock->port = ports++;
	vsock->peer_port = port;
	vsock->sent = vsock->received = vsock->told = 0;
	vsock->peer_size = vsock->peer_forwarded = 0;
	vsock->open = true;
	vsock_send(vsock, VSOCK_REQUEST, NULL, 0);
	kick(&vsock->transmit);
	/* The answer brings the first credit. */
	while (vsock->open && vsock->peer_size == 0) {
		const u8 *data;
		u32 length;
		vsock_sent(vsock);
		if (vsock_take(vsock, &data, &length))
			vsock_done(vsock, data);
		kick(&vsock->receive);
		relax();
	}
	check(vsock->open, 82);
}

void vsock_send(struct vsock *vsock, enum vsock_op op, const void *data, u32 length)
{
	check(vsock->free_count > 0, 83);
	u8 n = vsock->free[--vsock->free_count];
	vsock->headers[n] = (struct vsock_header){
		.source_cid = vsock->cid,
		.destination_cid = VSOCK_HOST,
		.source_port = vsock->port,
		.destination_port = vsock->peer_port,
		.length = length,
		.type = VSOCK_STREAM,
		.op = (u16)op,
		/* All that a shutdown here can mean: neither side sends any more. */
		.flags = op == VSOCK_SHUTDOWN ? 3 : 0,
		.buffer_size = VSOCK_BUFFER,
		.forwarded = vsock->received,
	};
	struct piece pieces[2] = { { &vsock->headers[n], sizeof vsock->headers[n] }, { data, length } };
	vsock->header_of[offer(&vsock->transmit, pieces, length > 0 ? 2 : 1, 0)] = n;
	vsock->sent += length;
	vsock->told = vsock->received;
}

void vsock_sent(struct vsock *vsock)
{
	int id;
	while ((id = take(&vsock->transmit, NULL)) >= 0)
		vsock->free[vsock->free_count++] = vsock->header_of[id];
}

bool vsock_take(struct vsock *vsock, const u8 **data, u32 *length)
{
	u32 written;
	int id = take(&vsock->receive, &written);
	if (id < 0)
		return false;
	*data = vsock->buffers[id];
	*length = 0;
	const struct vsock_header *header = (const struct vsock_header *)*data - 1;
	check(written >= sizeof *header && written <= vsock->buffer_bytes, 84);
	check(header->source_cid == VSOCK_HOST && header->destination_cid == vsock->cid, 85);
	/* What is said of a stream that is closed is of no interest. */
	if (header->source_port != vsock->peer_port || header->destination_port != vsock->port || !vsock->open)
		return true;
	vsock->heard++;
	vsock->peer_size = header->buffer_size;
	vsock->peer_forwarded = header->forwarded;
	if (header->op == VSOCK_RST)
		vsock->open = false;
	if (header->op != VSOCK_RW)
		return true;
	check(written == sizeof *header + header->length, 86);
	*length = header->length;
	vsock->received += header->length;
	return true;
}

void vsock_done(struct vsock *vsock, const u8 *data)
{
	struct piece piece = { data - sizeof(struct vsock_header), vsock->buffer_bytes };
	vsock->buffers[offer(&vsock->receive, &piece, 0, 1)] = (u8 *)data;
}

void vsock_give_credit(struct vsock *vsock)
{
	if (vsock->received - vsock->told < VSOCK_BUFFER / 2 || !vsock_has_room(vsock))
		return;
	vsock_send(vsock, VSOCK_CREDIT_UPDATE, NULL, 0);
	kick(&vsock->transmit);
}

void vsock_close(struct vsock *vsock)
{
	while (!vsock_has_room(vsock))
		vsock_sent(vsock);
	vsock_send(vsock, VSOCK_SHUTDOWN, NULL, 0);
	kick(&vsock->transmit);
	while (vsock->open) {
		const u8 *data;
		u32 length;
		vsock_sent(vsock);
		if (vsock_take(vsock, &data, &length))
			vsock_done(vsock, data);
		kick(&vsock->receive);
		relax();
	}
	while (vsock->free_count < VSOCK_SENDS) {
		vsock_sent(vsock);
		relax();
	}
}
