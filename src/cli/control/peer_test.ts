import assert from "node:assert/strict";
import { dirname } from "node:path";
import { rig } from "./testing.ts";

/** Another user's number; nobody needs to have it. */
const STRANGER = "12345";

/** Asks the socket that it is given for information, and prints the answer. Perl is part of every Debian. */
const CLIENT = `
use Socket;
socket(my $s, PF_UNIX, SOCK_STREAM, 0) or die "socket: $!";
connect($s, sockaddr_un($ARGV[0])) or die "connect: $!";
syswrite($s, qq({"denovisor":1,"do":"info"}\\n));
print <$s>;
`;

/** Runs the client as another user, with what it prints. */
async function asStranger(socket: string): Promise<{ out: string; err: string }> {
  const { stdout, stderr } = await new Deno.Command("setpriv", {
    args: [
      ...["--reuid", STRANGER, "--regid", STRANGER, "--clear-groups"],
      ...["perl", "-e", CLIENT, socket],
    ],
  }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { out, err };
}

const hasClient = await Promise.all(
  ["setpriv", "perl"].map((program) =>
    new Deno.Command(program, { args: ["--version"], stdout: "null", stderr: "null" }).output()
      .then(({ success }) => success, () => false)
  ),
).then((all) => all.every(Boolean));

Deno.test({
  name: "another user's client is kept out by permissions, and refused where those were changed",
  // Only root can become somebody else.
  ignore: Deno.uid() !== 0 || !hasClient,
  fn: async () => {
    await using it = rig();
    const { machine } = await it.serve("web");
    const socket = it.places.path("web");
    await Deno.chmod(dirname(it.places.folder), 0o755);
    assert.match((await asStranger(socket)).err, /^connect: Permission denied/);
    await Deno.chmod(it.places.folder, 0o755);
    assert.match((await asStranger(socket)).err, /^connect: Permission denied/);
    await Deno.chmod(socket, 0o666);
    const { out, err } = await asStranger(socket);
    assert.equal(err, "");
    assert.deepEqual(JSON.parse(out), {
      error: {
        kind: "failed",
        message: `user ${STRANGER} may not control this machine, only user 0 and root may`,
      },
    });
    assert.equal(machine.state, "running");
  },
});
