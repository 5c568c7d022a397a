#include "session.h"
#include "folder.h"

#include <linux/mount.h>
#include <linux/prctl.h>
#include <linux/reboot.h>
#include <linux/signal.h>
#include <linux/sysinfo.h>
#include <linux/utsname.h>

/* How long programs have to end by themselves before the machine does, and those that are killed to be gone. */
#define FAREWELL_MS 2000
#define KILLED_MS 500
#define PAUSE_MS 10

static void serve_power(const struct session *session, struct fields fields)
{
	const char *kind = field_of(fields, 'k');

	if (kind == NULL || (!equal(kind, "off") && !equal(kind, "reboot")))
		return send_error(session->control, -EINVAL, "end the machine", kind == NULL ? "" : kind);
	if (!session->may_end)
		return send_error(session->control, -EPERM, "end the machine", kind);
	send_done(session->control);
	/* The answer is on its way when the host has taken it, and closed. */
	drain(session->control);
	end_machine(equal(kind, "reboot"));
}

static void serve_sync(int control)
{
	SYS(sync);
	send_done(control);
}

void serve_info(int control)
{
	struct new_utsname names;
	struct sysinfo info;
	char payload[512];
	struct text text = TEXT(payload);
	long result = SYS(uname, &names);

	if (result == 0)
		result = SYS(sysinfo, &info);
	if (result < 0)
		return send_error(control, result, "ask the kernel", "");
	put_number_field(&text, 'v', VERSION, 10);
	put_field(&text, 'k', names.release);
	put_field(&text, 'h', names.nodename);
	put_field(&text, 'a', names.machine);
	put_number_field(&text, 'u', (u64)info.uptime, 10);
	put_number_field(&text, 't', info.totalram * info.mem_unit, 10);
	put_number_field(&text, 'f', info.freeram * info.mem_unit, 10);
	put_number_field(&text, 'p', info.procs, 10);
	send_text(control, DONE, &text);
}

/* Whether there's any program but this one and the first. Kernel threads and zombies have no arguments. */
static bool others_run(void)
{
	static struct folder processes;
	const char *name;
	bool found = false;
	long result = open_folder(&processes, AT_FDCWD, "/proc"), own = SYS(getpid);
	u8 type;

	if (result < 0)
		return false;
	while (!found && (name = next_name(&processes, &type, &result)) != NULL) {
		char place[64], byte;
		struct text text = TEXT(place);
		u64 pid;
		long fd;

		if (!parse_decimal(name, &pid) || pid == 1 || pid == (u64)own)
			continue;
		put(&text, "/proc/");
		put(&text, name);
		put(&text, "/cmdline");
		fd = open_file(finish(&text), O_RDONLY, 0);
		if (fd < 0)
			continue;
		found = SYS(read, fd, &byte, 1) == 1;
		close_file((int)fd);
	}
	close_folder(&processes);
	return found;
}

static void wait_for_others(s64 most)
{
	s64 end = now_ms() + most;

	while (others_run() && now_ms() < end)
		sleep_ms(PAUSE_MS);
}

void end_machine(bool reboot)
{
	/* Its parent is among those that are ended, and is not to take it along. */
	SYS(prctl, PR_SET_PDEATHSIG, 0, 0, 0, 0);
	/* Everybody but this process and the first. */
	SYS(kill, -1, SIGTERM);
	SYS(kill, -1, SIGCONT);
	wait_for_others(FAREWELL_MS);
	SYS(kill, -1, SIGKILL);
	wait_for_others(KILLED_MS);
	SYS(sync);
	/* So that a file system is left as by an orderly end; one that is still written to stays as it is. */
	SYS(mount, NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL);
	SYS(reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
	    reboot ? LINUX_REBOOT_CMD_RESTART : LINUX_REBOOT_CMD_POWER_OFF, 0);
	say("the kernel does not end the machine", NULL);
	leave(1);
}

void serve_session(const struct session *session)
{
	struct header header;
	struct fields fields;
	char *payload = NULL;
	long result = read_header(session->control, &header, MOST_REQUEST);

	if (result == 0) {
		payload = allocate(header.length);
		result = payload == NULL ? -ENOMEM : read_bytes(session->control, payload, header.length);
	}
	if (result == 0 && !good_fields(payload, header.length))
		result = -EPROTO;
	if (result < 0)
		return send_error(session->control, result, "read the request", "");
	fields = (struct fields){ .at = payload, .end = payload + header.length };
	switch (header.type) {
	case EXEC:
		return serve_exec(session, fields);
	case READ:
		return serve_read(session->control, fields);
	case WRITE:
		return serve_write(session->control, fields);
	case STAT:
		return serve_stat(session->control, fields);
	case MKDIR:
		return serve_make_folder(session->control, fields);
	case REMOVE:
		return serve_remove(session->control, fields);
	case LIST:
		return serve_list(session->control, fields);
	case PACK:
		return serve_pack(session->control, fields);
	case UNPACK:
		return serve_unpack(session->control, fields);
	case POWER:
		return serve_power(session, fields);
	case SYNC:
		return serve_sync(session->control);
	case INFO:
		return serve_info(session->control);
	default:
		return send_error(session->control, -ENOSYS, "understand the request", "");
	}
}
