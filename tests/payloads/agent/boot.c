#include "boot.h"
#include "command.h"
#include "config.h"
#include "folder.h"
#include "server.h"

#include <linux/mount.h>
#include <linux/reboot.h>
#include <linux/signal.h>
#include <linux/sockios.h>

#define FOLDER "/lib/denovisor/"
#define MOST_CONFIG (1 << 16)
#define NEW_ROOT "/.root"
#define LOWER "/.lower"
#define UPPER "/.upper"
/* How long a disk may take to appear. */
#define DISK_MS 10000
#define DISK_PAUSE_MS 5
/* So that the message is read by whoever looks at the console. */
#define FAILURE_MS 100

/* umount2(2), socket(2), netdevice(7); the headers for user space leave them to the C library. */
#define MNT_DETACH 2
#define AF_INET 2
#define SOCK_DGRAM 2
#define IFF_UP 1
struct interface {
	char name[16];
	short flags;
	/* Of struct ifreq. */
	char rest[22];
};

/* Says what failed, and ends the machine. */
static void fail(const char *what, const char *with, long error) __attribute__((noreturn));
static void fail(const char *what, const char *with, long error)
{
	say("can't ", what, " ", with, ": ", errno_name(error), NULL);
	say("the guest can't be used and powers off", NULL);
	SYS(sync);
	sleep_ms(FAILURE_MS);
	SYS(reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_POWER_OFF, 0);
	/* The kernel then panics, and says so. */
	leave(1);
}

/* ---- mounts */

static void mount_at(const char *source, const char *target, const char *type, unsigned long flags, const char *options)
{
	long result = make_folders(target, 0755);

	/* A read-only root may lack the place, which mount(2) then tells. */
	if (result == 0 || result == -EROFS)
		result = SYS(mount, source, target, type, flags, options);
	/* The kernel may have mounted devtmpfs itself. */
	if (result < 0 && result != -EBUSY)
		fail("mount", target, result);
}

static void mount_system(void)
{
	static const char *const links[][2] = {
		{ "/proc/self/fd", "/dev/fd" },
		{ "fd/0", "/dev/stdin" },
		{ "fd/1", "/dev/stdout" },
		{ "fd/2", "/dev/stderr" },
	};

	mount_at("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	mount_at("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	mount_at("devtmpfs", "/dev", "devtmpfs", MS_NOSUID, "mode=0755");
	mount_at("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "mode=0620,gid=5,ptmxmode=0666");
	mount_at("shm", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
	for (size_t i = 0; i < COUNT(links); i++)
		SYS(symlinkat, links[i][0], AT_FDCWD, links[i][1]);
}

/* Once the root is what it stays. */
static void mount_memory(void)
{
	mount_at("run", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755");
	mount_at("tmp", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
}

/* The console, now that it may be there. Without one, what is said goes nowhere. */
static void open_console(void)
{
	/* Not closed by execve: the guest's own init has it, too. */
	long fd = SYS(openat, AT_FDCWD, "/dev/console", O_RDWR | O_NOCTTY);

	if (fd < 0)
		fd = SYS(openat, AT_FDCWD, "/dev/null", O_RDWR);
	for (int i = 0; fd >= 0 && i < 3; i++)
		if (fd != i)
			SYS(dup3, fd, i, 0);
	if (fd > 2)
		close_file((int)fd);
}

/* ---- modules */

/* One line of the list: a path, and what the module is to be told. */
static void load_module(char *line)
{
	char *parameters = find(line, ' ');
	long fd, result;

	if (parameters != NULL)
		*parameters++ = 0;
	fd = open_file(line, O_RDONLY, 0);
	if (fd < 0)
		fail("open the kernel module", line, fd);
	result = SYS(finit_module, fd, parameters == NULL ? "" : parameters, 0);
	/* It may be built in, or have been loaded by the kernel. */
	if (result < 0 && result != -EEXIST)
		fail("load the kernel module", line, result);
	close_file((int)fd);
}

static void load_modules(void)
{
	long result;
	char *line = read_file(FOLDER "modules", MOST_CONFIG, &result);

	if (line == NULL && result != -ENOENT)
		fail("read", FOLDER "modules", result);
	while (line != NULL && *line != 0) {
		char *end = find(line, '\n');

		if (end != NULL)
			*end++ = 0;
		if (*line != 0)
			load_module(line);
		line = end;
	}
}

/* ---- the root */

/* Finds the disk with a serial number, and gives its path. */
static bool find_serial(const char *serial, struct text *path)
{
	static struct folder disks;
	const char *name;
	bool found = false;
	long result = open_file("/sys/block", O_RDONLY | O_DIRECTORY, 0);
	u8 type;

	if (result < 0)
		fail("open", "/sys/block", result);
	disks = (struct folder){ .fd = (int)result };
	while (!found && (name = next_name(&disks, &type, &result)) != NULL) {
		char place[PATH_BYTES], value[64];
		struct text text = TEXT(place);
		long fd, count;

		put(&text, "/sys/block/");
		put(&text, name);
		put(&text, "/serial");
		fd = open_file(finish(&text), O_RDONLY, 0);
		if (fd < 0)
			continue;
		count = SYS(read, fd, value, sizeof(value) - 1);
		close_file((int)fd);
		if (count < 0)
			continue;
		while (count > 0 && value[count - 1] == '\n')
			count--;
		value[count] = 0;
		if (equal(value, serial)) {
			put(path, "/dev/");
			put(path, name);
			finish(path);
			found = true;
		}
	}
	close_folder(&disks);
	return found;
}

/* The source as mount(2) wants it. Waits for a disk that is not there yet. */
static const char *find_source(const char *source)
{
	static char found[PATH_BYTES];
	struct text path = TEXT(found);
	struct statx ignored;
	s64 end = now_ms() + DISK_MS;

	for (;;) {
		if (starts_with(source, "serial=")) {
			if (find_serial(source + 7, &path))
				return found;
		} else if (!starts_with(source, "/dev/") || stat_at(AT_FDCWD, source, 0, &ignored) == 0) {
			return source;
		}
		if (now_ms() > end)
			fail("find the disk", source, -ENODEV);
		sleep_ms(DISK_PAUSE_MS);
	}
}

static void mount_disk(const struct mount *mount, const char *target, bool read_only)
{
	unsigned long flags = read_only ? MS_RDONLY : 0;
	const char *source = find_source(mount->source);
	long result = make_folders(target, 0755);

	if (result == 0 || result == -EROFS)
		result = SYS(mount, source, target, mount->type, flags, mount->options);
	if (result < 0)
		fail("mount", mount->source, result);
}

/* Puts memory over a root that is only read. */
static void mount_overlay(const struct mount *root)
{
	mount_disk(root, LOWER, true);
	mount_at("upper", UPPER, "tmpfs", 0, "mode=0755");
	make_folders(UPPER "/upper", 0755);
	make_folders(UPPER "/work", 0755);
	mount_at("overlay", NEW_ROOT, "overlay", 0, "lowerdir=" LOWER ",upperdir=" UPPER "/upper,workdir=" UPPER "/work");
	/* They are part of the overlay, and nobody's to go into. */
	SYS(umount2, LOWER, MNT_DETACH);
	SYS(umount2, UPPER, MNT_DETACH);
}

static void move_mount(const char *from)
{
	char place[64];
	struct text text = TEXT(place);
	long result;

	put(&text, NEW_ROOT);
	put(&text, from);
	finish(&text);
	result = make_folders(place, 0755);
	if (result == 0 || result == -EROFS)
		result = SYS(mount, from, place, NULL, MS_MOVE, NULL);
	if (result < 0)
		fail("move a mount to the root's", from, result);
}

/* Gives the memory of the initramfs back. */
static void empty_old_root(void)
{
	static struct folder root;
	static char place[PATH_BYTES];
	struct statx found;
	const char *name;
	long result = stat_at(AT_FDCWD, "/", 0, &found);
	u8 type;

	if (result == 0)
		result = open_folder(&root, AT_FDCWD, "/");
	if (result < 0)
		return;
	while ((name = next_name(&root, &type, &result)) != NULL) {
		struct text text = TEXT(place);

		/* The new root is on another device, and so stays. */
		remove_tree(root.fd, name, device_of(&found), &text);
	}
	close_folder(&root);
}

/* As switch_root(8). */
static void change_root(const struct config *config)
{
	long result;

	if (config->overlay)
		mount_overlay(&config->root);
	else
		mount_disk(&config->root, NEW_ROOT, config->root.read_only);
	move_mount("/dev");
	move_mount("/proc");
	move_mount("/sys");
	result = SYS(chdir, NEW_ROOT);
	if (result < 0)
		fail("enter", NEW_ROOT, result);
	empty_old_root();
	result = SYS(mount, ".", "/", NULL, MS_MOVE, NULL);
	if (result == 0)
		result = SYS(chroot, ".");
	if (result == 0)
		result = SYS(chdir, "/");
	if (result < 0)
		fail("change to the root", config->root.source, result);
}

/* ---- the rest */

/* Programs that talk to themselves expect it. */
static void raise_loopback(void)
{
	struct interface request = { .name = "lo", .flags = IFF_UP };
	long fd = SYS(socket, AF_INET, SOCK_DGRAM | O_CLOEXEC, 0);

	/* A kernel without networks has none. */
	if (fd < 0)
		return;
	SYS(ioctl, fd, SIOCSIFFLAGS, &request);
	close_file((int)fd);
}

/* When memory runs out, the guest's programs are ended before this one. */
static void outlive_others(void)
{
	long fd = open_file("/proc/self/oom_score_adj", O_WRONLY, 0);

	if (fd < 0)
		return;
	write_all((int)fd, "-1000", 5);
	close_file((int)fd);
}

static void read_config(struct config *config)
{
	char number[24];
	struct text text = TEXT(number);
	const char *wrong;
	unsigned line;
	long result;
	char *bytes = read_file(FOLDER "config", MOST_CONFIG, &result);

	if (bytes == NULL && result == -ENOENT)
		return;
	if (bytes == NULL)
		fail("read", FOLDER "config", result);
	wrong = parse_config(bytes, config, &line);
	if (wrong == NULL)
		return;
	put_number(&text, line, 10);
	say("line ", finish(&text), " of " FOLDER "config: ", wrong, NULL);
	fail("use", FOLDER "config", -EINVAL);
}

/* The guest's own first process takes this one's place. */
static void hand_over(const char *init) __attribute__((noreturn));
static void hand_over(const char *init)
{
	char *arguments[] = { (char *)init, NULL };
	char *environment[] = { "HOME=/", "TERM=linux", "PATH=" DEFAULT_PATH, NULL };

	SYS(umask, 022);
	fail("run the guest's own init", init, SYS(execve, init, arguments, environment));
}

void boot(void)
{
	struct config config = { .listen = "vsock:52", .ready = "vsock:52" };
	struct server server = { .may_end = true };
	long listener, pid;

	SYS(umask, 0);
	mount_system();
	open_console();
	read_config(&config);
	load_modules();
	if (config.root.source != NULL)
		change_root(&config);
	mount_memory();
	for (size_t i = 0; i < config.mount_count; i++)
		mount_disk(&config.mounts[i], config.mounts[i].target, config.mounts[i].read_only);
	if (config.hostname != NULL)
		SYS(sethostname, config.hostname, strlen(config.hostname));
	raise_loopback();
	server.listen = config.listen;
	server.ready = config.ready;
	/* Ctrl-Alt-Del asks the guest's own init, if there is one. */
	SYS(reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_CAD_OFF, 0);
	listener = open_listener(&server);
	if (listener < 0)
		fail("listen at", server.listen, listener);
	if (config.init == NULL) {
		outlive_others();
		serve_host(&server, (int)listener);
	}
	pid = fork_process();
	if (pid < 0)
		fail("start", "the agent", pid);
	if (pid == 0) {
		SYS(setsid);
		outlive_others();
		serve_host(&server, (int)listener);
	}
	hand_over(config.init);
}
