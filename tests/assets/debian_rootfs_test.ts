import assert from "node:assert/strict";
import { runText } from "../../src/rootfs/command.ts";
import { debianRootfs } from "./debian_rootfs.ts";

Deno.test({
  name: "the Debian disk has a whole and small system, with the modules of the kernel it is for",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    const { image, kernel, initrd } = await debianRootfs();
    await runText(["e2fsck", "-fn", image]);
    const { size, blocks } = await Deno.stat(image);
    assert(size <= 400 * 2 ** 20, `${size}`);
    assert(blocks !== null && blocks * 512 < size * 0.7, `${blocks} blocks: it is not sparse`);

    const debugfs = (request: string) => runText(["debugfs", "-R", request, image]);
    assert.match(await debugfs("cat /usr/lib/os-release"), /^VERSION_CODENAME=bookworm$/m);
    // An empty second field: root has no password.
    assert.match(await debugfs("cat /etc/shadow"), /^root::/m);
    const modules = `/usr/lib/modules/${kernel.version}`;
    assert.match(await debugfs(`ls -p ${modules}`), /\/modules\.alias\.bin\//);
    assert.match(await debugfs(`cat ${modules}/modules.alias`), / virtio_net$/m);
    assert.match(await debugfs("stat /sbin/init"), /Type: symlink/);
    assert((await Deno.stat(initrd)).isFile);
  },
});
