#include "session.h"

#include <linux/reboot.h>
#include <linux/signal.h>
#include <linux/sysinfo.h>
#include <linux/utsname.h>

/* How long programs have to end by themselves before the machine does. */
#define FAREWELL_MS 500

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

void end_machine(bool reboot)
{
	/* Everybody else but the first process. */
	SYS(kill, -1, SIGTERM);
	SYS(kill, -1, SIGCONT);
	sleep_ms(FAREWELL_MS);
	SYS(kill, -1, SIGKILL);
	SYS(sync);
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
