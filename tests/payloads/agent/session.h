/*
 * One request of the host's, served by a process of its own.
 */
#ifndef SESSION_H
#define SESSION_H

#include "protocol.h"

struct session {
	int control;
	/* By role; -1 for none. */
	int streams[ROLES];
	/* Whether this agent may end the machine. */
	bool may_end;
};

/* Reads the request and does it. */
void serve_session(const struct session *session);

/* What they do stands in protocol.h. Each answers at `session->control`. */
void serve_exec(const struct session *session, struct fields fields);
void serve_read(int control, struct fields fields);
void serve_write(int control, struct fields fields);
void serve_stat(int control, struct fields fields);
void serve_make_folder(int control, struct fields fields);
void serve_remove(int control, struct fields fields);
void serve_list(int control, struct fields fields);
void serve_pack(int control, struct fields fields);
void serve_unpack(int control, struct fields fields);
void serve_info(int control);
/* Ends the machine, politely: everything is stopped, and what was written is on its disks. */
void end_machine(bool reboot) __attribute__((noreturn));

#endif
