/**
 * What a guest does to its drivers, as a script of its own: `rebind WHAT`.
 * @module
 */
import type { CpioEntry } from "../../loader/mod.ts";

/** How often each driver is taken away and comes back. */
export const ROUNDS = 10;

/** What keeps the devices busy; each command ends when its device is gone, and is begun anew. */
function loadScript(hostIp: string, guestIp: string): string {
  return `#!/bin/sh
echo $$ > /run/load
again() { while :; do "$@" || sleep 0.02; done; }
net() {
  ip address add ${guestIp}/30 dev eth0
  ip link set eth0 up && ping -A -q -w 2 -s 4000 ${hostIp}
}
both() {
  port=$(port busy) || return
  exec 3<> $port || return
  cat <&3 > /dev/null &
  while head -c 65536 /dev/zero; do sleep 0.01; done >&3
  wait
}
again cat /dev/hwrng > /dev/null &
again net &
while :; do (both); sleep 0.02; done &
wait
`;
}

const REBIND = `#!/bin/sh
fail() { echo "round $i: $*"; exit 1; }
# Takes a driver's devices away and gives them back.
swap() {
  cd $1 || exit
  devices=$(ls | grep "$2")
  [ -n "$devices" ] || fail "$1 has no device"
  for device in $devices; do echo $device > unbind || fail "unbind $device from $1"; done
  for device in $devices; do echo $device > bind || fail "bind $device to $1"; done
}
reload() {
  name=vmw_vsock_virtio_transport
  for device in $(ls $virtio/$name | grep '^virtio[0-9]'); do echo $device > $virtio/$name/unbind; done
  tries=200
  # Sockets that were connected hold the module until their programs have let go of them.
  until rmmod $name 2> /dev/null; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || fail "$name is in use"
    sleep 0.05
  done
  insmod /lib/modules/$name.ko || fail "insmod $name"
}
rescan() {
  functions=$(ls /sys/bus/pci/drivers/virtio-pci | grep ^0000:)
  for function in $functions; do echo 1 > /sys/bus/pci/devices/$function/remove; done
  ls /sys/bus/virtio/devices | grep . && fail "there are devices after their removal"
  echo 1 > /sys/bus/pci/rescan
}
virtio=/sys/bus/virtio/drivers
i=1
while [ $i -le ${ROUNDS} ]; do
  case "$1" in
    pci) (swap /sys/bus/pci/drivers/virtio-pci ^0000:) || exit ;;
    mmio) (swap /sys/bus/platform/drivers/virtio-mmio ^LNRO0005:) || exit ;;
    rescan) (rescan) || exit ;;
    reload) (reload) || exit ;;
    *) (swap $virtio/$1 '^virtio[0-9]') || exit ;;
  esac
  i=$((i + 1))
done
`;

/** One line for each device: its driver and its status, sorted. */
const DEVICES = `#!/bin/sh
for device in /sys/bus/virtio/devices/*; do
  driver=$(readlink $device/driver)
  echo \${driver##*/} $(cat $device/status)
done | sort
`;

/** The scripts, for a guest with two addresses on the network of its card. */
export function rebindScripts(hostIp: string, guestIp: string): CpioEntry[] {
  const scripts = { load: loadScript(hostIp, guestIp), rebind: REBIND, devices: DEVICES };
  return Object.entries(scripts).map(([name, data]): CpioEntry => {
    return { path: `bin/${name}`, type: "file", mode: 0o755, data };
  });
}
