#include "virtio_net.h"

void open_card(struct card *card, u64 wanted, u16 queue_size)
{
	check(find_device(&card->device, VIRTIO_NET, 0), 80);
	begin(&card->device, wanted | NET_F_MAC);
	check(card->device.features & NET_F_MAC, 81);
	for (u32 i = 0; i < MAC_BYTES; i++)
		card->mac[i] = read8(card->device.config + i);
	open_queue(&card->device, &card->receive, NET_RECEIVE, queue_size);
	open_queue(&card->device, &card->transmit, NET_TRANSMIT, queue_size);
	go(&card->device);
}

u16 internet_checksum(const void *bytes, size_t count)
{
	const u8 *at = bytes;
	u32 sum = 0;
	for (size_t i = 0; i < count; i += 2)
		sum += (u32)(at[i] | at[i + 1] << 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (u16)~sum;
}
