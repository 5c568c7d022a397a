/* Lines from whoever sits at the first serial port. */
#ifndef TERMINAL_H
#define TERMINAL_H

#include "runtime.h"

/* The longest line, with the NUL behind it. */
enum { LINE_SIZE = 80 };

/* Prepares the port for input. Call it once, before the first line is read. */
void open_terminal(void);

/*
 * Reads a line as it is typed, and shows it: Backspace takes a character back, Ctrl-U and Ctrl-C all of them. The
 * processor halts while nothing is typed.
 *
 * Returns false at the input's end, which is Ctrl-D in an empty line; one behind a line ends that, and comes again.
 */
bool read_line(char line[LINE_SIZE]);

#endif
