/**
 * What a guest does to the driver of its disks, as scripts of its own.
 *
 * `load SERIAL FILE` writes a file to a disk, and reads it, again and again, however often the disk goes away. The number
 * of its process group is in /run/group.SERIAL, and how often all went well in /run/laps.SERIAL.
 * `rebind ROUNDS` takes all disks from their driver and gives them back; `disk SERIAL` says which one has it.
 * @module
 */
import type { CpioEntry } from "../../loader/mod.ts";

// The kernel ends a serial without a new line, which `read` calls a failure.
const DISK = `#!/bin/sh
for disk in /sys/block/vd*; do
  read -r serial < $disk/serial
  [ "$serial" = "$1" ] && echo \${disk##*/} && exit
done 2> /dev/null
exit 1
`;

// It opens nodes of its own: an open of one in /dev that is just going would make a file in its place.
const LOAD = `#!/bin/sh
echo $$ > /run/group.$1
node=/tmp/load.$1
count=0
while :; do
  rm -f $node
  disk=$(disk $1) && read -r number < /sys/block/$disk/dev &&
    mknod $node b \${number%:*} \${number#*:} && dd if=$2 of=$node bs=64k oflag=direct &&
    dd if=$node of=/dev/null bs=64k count=16 iflag=direct && {
      count=$((count + 1))
      echo $count > /run/laps.$1
      continue
    }
  sleep 0.02
done 2> /dev/null
`;

const REBIND = `#!/bin/sh
cd /sys/bus/virtio/drivers/virtio_blk
disks=$(ls -d virtio[0-9]*)
i=1
while [ $i -le $1 ]; do
  for disk in $disks; do echo $disk > unbind || exit; done
  ls /sys/block | grep '^vd' && exit 1
  for disk in $disks; do echo $disk > bind || exit; done
  sleep 0.2
  i=$((i + 1))
done
`;

/** The scripts. */
export const REBIND_SCRIPTS: readonly CpioEntry[] = Object.entries({
  disk: DISK,
  load: LOAD,
  rebind: REBIND,
}).map(([name, data]): CpioEntry => ({ path: `bin/${name}`, type: "file", mode: 0o755, data }));
