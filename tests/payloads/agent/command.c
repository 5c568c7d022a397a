#include "command.h"

/* The most variables that are added to what the host gives. */
#define ADDED 5

static bool has_variable(const struct command *c, size_t count, const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < count; i++)
		if (starts_with(c->environment[i], name) && c->environment[i][length] == '=')
			return true;
	return false;
}

static void add_variable(struct command *c, size_t *count, const char *name, const char *value)
{
	size_t size = strlen(name) + strlen(value) + 2;
	char *bytes;
	struct text text;

	if (value[0] == 0 || has_variable(c, *count, name))
		return;
	bytes = allocate(size);
	if (bytes == NULL)
		return;
	text = (struct text){ .start = bytes, .size = size };
	put(&text, name);
	put(&text, "=");
	put(&text, value);
	c->environment[(*count)++] = finish(&text);
}

bool parse_size(const char *value, struct winsize *size)
{
	char copy[32];
	struct text text = TEXT(copy);
	char *times;
	u64 columns, rows;

	put(&text, value);
	times = find(finish(&text), 'x');
	if (times == NULL)
		return false;
	*times++ = 0;
	if (!parse_decimal(copy, &columns) || !parse_decimal(times, &rows))
		return false;
	if (columns > 0xffff || rows > 0xffff)
		return false;
	size->ws_col = (u16)columns;
	size->ws_row = (u16)rows;
	return true;
}

long read_command(struct command *c, struct fields fields, const char **what, const char **with)
{
	struct fields rest = fields;
	struct field field;
	size_t arguments = 0, variables = 0;
	bool clear = false;

	while (next_field(&rest, &field))
		arguments += field.letter == 'a', variables += field.letter == 'e';
	c->arguments = allocate((arguments + 1) * sizeof(char *));
	c->environment = allocate((variables + ADDED + 1) * sizeof(char *));
	*what = "read the request";
	*with = "";
	if (c->arguments == NULL || c->environment == NULL)
		return -ENOMEM;
	if (arguments == 0)
		return -EINVAL;
	variables = 0;
	while (next_field(&fields, &field)) {
		switch (field.letter) {
		case 'a':
			c->arguments[c->argument_count++] = (char *)field.value;
			break;
		case 'e':
			c->environment[variables++] = (char *)field.value;
			break;
		case 'c':
			clear = true;
			break;
		case 'd':
			c->folder = field.value;
			break;
		case 'u': {
			long result = find_user(field.value, &c->user);

			*what = "find the user";
			*with = field.value;
			if (result < 0)
				return result;
			c->has_user = true;
			break;
		}
		case 't':
			*what = "read the terminal's size";
			*with = field.value;
			if (!parse_size(field.value, &c->size))
				return -EINVAL;
			c->has_terminal = true;
			break;
		default:
			return -EINVAL;
		}
	}
	/* Who nobody was asked to be is whoever the agent is. */
	if (!c->has_user) {
		char number[16];
		struct text text = TEXT(number);

		put_number(&text, (u64)SYS(getuid), 10);
		find_user(finish(&text), &c->user);
	}
	if (!clear) {
		add_variable(c, &variables, "PATH", DEFAULT_PATH);
		add_variable(c, &variables, "HOME", c->user.home[0] != 0 ? c->user.home : "/");
		add_variable(c, &variables, "USER", c->user.name);
		add_variable(c, &variables, "LOGNAME", c->user.name);
		if (c->has_terminal)
			add_variable(c, &variables, "TERM", "xterm");
	}
	for (size_t i = 0; i < variables; i++)
		if (starts_with(c->environment[i], "PATH="))
			c->path = c->environment[i] + 5;
	return 0;
}
