#include "config.h"

#define MOST_WORDS 6

static size_t split(char *line, char *words[MOST_WORDS])
{
	size_t count = 0;

	while (line != NULL && *line != 0) {
		char *space = find(line, ' ');

		if (count == MOST_WORDS)
			return MOST_WORDS + 1;
		if (space != NULL)
			*space++ = 0;
		words[count++] = line;
		line = space;
	}
	return count;
}

/* TYPE ro|rw [OPTIONS] */
static const char *parse_mount(struct mount *mount, char *words[], size_t count)
{
	if (count < 2 || count > 3)
		return "it takes a type, ro or rw, and perhaps options";
	if (!equal(words[1], "ro") && !equal(words[1], "rw"))
		return "it is neither ro nor rw";
	mount->type = words[0];
	mount->read_only = equal(words[1], "ro");
	mount->options = count == 3 ? words[2] : "";
	return NULL;
}

static const char *parse_line(struct config *config, char *words[], size_t count)
{
	const char *key = words[0];

	if (equal(key, "root") && count >= 2) {
		config->root = (struct mount){ .source = words[1] };
		return parse_mount(&config->root, words + 2, count - 2);
	}
	if (equal(key, "mount") && count >= 3) {
		struct mount *mount = &config->mounts[config->mount_count];

		if (config->mount_count++ == MOST_MOUNTS)
			return "there are too many mounts";
		*mount = (struct mount){ .source = words[1], .target = words[2] };
		return parse_mount(mount, words + 3, count - 3);
	}
	if (equal(key, "overlay") && count == 1) {
		config->overlay = true;
		return NULL;
	}
	if (count != 2)
		return "it is not understood";
	if (equal(key, "hostname"))
		config->hostname = words[1];
	else if (equal(key, "init"))
		config->init = words[1];
	else if (equal(key, "listen"))
		config->listen = words[1];
	else if (equal(key, "ready"))
		config->ready = words[1];
	else
		return "it is not understood";
	return NULL;
}

const char *parse_config(char *text, struct config *config, unsigned *line)
{
	for (*line = 1; text != NULL && *text != 0; ++*line) {
		char *end = find(text, '\n'), *words[MOST_WORDS];
		const char *wrong = NULL;
		size_t count;

		if (end != NULL)
			*end++ = 0;
		count = *text == '#' ? 0 : split(text, words);
		if (count > MOST_WORDS)
			wrong = "it has too many words";
		else if (count > 0)
			wrong = parse_line(config, words, count);
		if (wrong != NULL)
			return wrong;
		text = end;
	}
	return NULL;
}
