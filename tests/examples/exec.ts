/**
 * Boots Linux with busybox, runs commands in it, and moves files in and out.
 *
 *     deno run -A tests/examples/exec.ts
 *
 * @module
 */
import { Machine } from "denovisor";

await using vm = await Machine.start({
  kernel: { debian: "cloud" },
  rootfs: "busybox",
  memory: "256M",
});
const { guest } = vm;

const { code, stdoutText } = await guest.exec(["uname", "-sr"]);
console.log(code, stdoutText.trim());

await guest.writeFile("/etc/motd", "hello from the host\n");
console.log((await guest.exec(["cat", "/etc/motd"])).stdoutText.trim());

// A process with streams, as of Deno.Command.
await using sort = await guest.spawn(["sort"], { stdin: "piped" });
await ReadableStream.from(["pear\n", "apple\n"]).pipeThrough(new TextEncoderStream())
  .pipeTo(sort.stdin);
console.log(await new Response(sort.stdout).text());

await guest.poweroff();
console.log(await vm.ended);
