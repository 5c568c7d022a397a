#include "command.h"

#include <asm/ioctls.h>
#include <linux/prctl.h>
#include <linux/signal.h>

#define SHELL "/bin/sh"

/* ---- in the process, until the program runs; what fails goes through a pipe that its start closes */

static void give_up(int pipe, long error, const char *what, const char *with) __attribute__((noreturn));
static void give_up(int pipe, long error, const char *what, const char *with)
{
	static struct failure failure;
	struct text name = TEXT(failure.what), path = TEXT(failure.with);

	put(&name, what);
	put(&path, with);
	finish(&name);
	finish(&path);
	failure.error = error;
	write_all(pipe, &failure, sizeof(failure));
	leave(127);
}

/* execve, and a shell for what has no format that the kernel knows, as execvp(3). */
static long execute(const struct command *c, const char *path)
{
	long result = SYS(execve, path, c->arguments, c->environment);

	if (result == -ENOEXEC) {
		char **arguments = allocate((c->argument_count + 2) * sizeof(char *));

		if (arguments == NULL)
			return -ENOMEM;
		arguments[0] = SHELL;
		arguments[1] = (char *)path;
		memcpy(arguments + 2, c->arguments + 1, c->argument_count * sizeof(char *));
		SYS(execve, SHELL, arguments, c->environment);
	}
	return result;
}

/* Looks in the folders of the path, as execvp(3). Returns why there is nothing to be run. */
static long execute_by_path(const struct command *c)
{
	const char *name = c->arguments[0], *path = c->path == NULL ? DEFAULT_PATH : c->path;
	bool forbidden = false;

	if (find(name, '/') != NULL)
		return execute(c, name);
	if (*name == 0)
		return -ENOENT;
	for (;;) {
		char candidate[PATH_BYTES];
		struct text text = TEXT(candidate);
		const char *colon = find(path, ':');
		size_t length = colon == NULL ? strlen(path) : (size_t)(colon - path);
		long result;

		/* An empty one is the current folder. */
		put_bytes(&text, path, length);
		if (length > 0)
			put(&text, "/");
		put(&text, name);
		finish(&text);
		result = text.overflow ? -ENAMETOOLONG : execute(c, candidate);
		if (result == -EACCES)
			forbidden = true;
		else if (result != -ENOENT && result != -ENOTDIR && result != -ENAMETOOLONG)
			return result;
		if (colon == NULL)
			return forbidden ? -EACCES : -ENOENT;
		path = colon + 1;
	}
}

static void become_user(int pipe, const struct user *user)
{
	long result = SYS(setgroups, user->group_count, user->groups);

	if (result == 0)
		result = SYS(setresgid, user->gid, user->gid, user->gid);
	if (result == 0)
		result = SYS(setresuid, user->uid, user->uid, user->uid);
	if (result < 0)
		give_up(pipe, result, "become the user", user->name);
}

/* The agent may be one that is not ended when memory runs out; what it runs is not. */
static void take_part_in_oom(void)
{
	long fd = open_file("/proc/self/oom_score_adj", O_WRONLY, 0);

	if (fd < 0)
		return;
	write_all((int)fd, "0", 1);
	close_file((int)fd);
}

static void run_child(const struct command *c, const int streams[3], int pipe)
{
	const char *folder = c->folder == NULL ? "/" : c->folder;
	long result;

	SYS(setsid);
	take_part_in_oom();
	for (int i = 0; i < 3; i++) {
		result = SYS(dup3, streams[i], i, 0);
		if (result < 0)
			give_up(pipe, result, "give it the stream", i == 0 ? "stdin" : i == 1 ? "stdout" : "stderr");
	}
	if (c->has_terminal && (result = SYS(ioctl, 0, TIOCSCTTY, 0)) < 0)
		give_up(pipe, result, "give it the terminal", "");
	if (c->has_user)
		become_user(pipe, &c->user);
	result = SYS(chdir, folder);
	if (result < 0)
		give_up(pipe, result, "enter the folder", folder);
	for (int i = 1; i <= SIGNALS; i++)
		default_signal(i);
	block_signals(0);
	SYS(umask, 022);
	SYS(prctl, PR_SET_PDEATHSIG, SIGKILL);
	result = execute_by_path(c);
	give_up(pipe, result, "execute", c->arguments[0]);
}
/* ---- in its parent */

long open_pipe(int *reader, int *writer)
{
	int ends[2];
	long result = SYS(pipe2, ends, O_CLOEXEC);

	*reader = ends[0];
	*writer = ends[1];
	return result;
}

static long read_failure(int pipe, struct failure *failure)
{
	size_t used = 0;

	while (used < sizeof(*failure)) {
		long result = SYS(read, pipe, (u8 *)failure + used, sizeof(*failure) - used);

		if (result == -EINTR)
			continue;
		if (result <= 0)
			break;
		used += (size_t)result;
	}
	return used == sizeof(*failure) ? failure->error : 0;
}

long start_child(const struct command *c, const int streams[3], struct failure *failure)
{
	int reader, writer;
	long pid = open_pipe(&reader, &writer), result;

	if (pid == 0)
		pid = fork_process();
	if (pid == 0)
		run_child(c, streams, writer);
	if (pid < 0) {
		memcpy(failure->what, "start a process", sizeof("start a process"));
		return pid;
	}
	for (int i = 0; i < 3; i++)
		close_file(streams[i]);
	close_file(writer);
	result = read_failure(reader, failure);
	close_file(reader);
	if (result == 0)
		return pid;
	SYS(wait4, pid, 0, 0, 0);
	return result;
}
