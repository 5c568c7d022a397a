"""Runs a program on a pseudo-terminal, step by step, and tells as JSON what it left.

pty.py STEPS PROGRAM ARGUMENT...

STEPS is a JSON list: {"expect": TEXT} waits for output, {"type": TEXT} types, {"signal": NAME} sends a
signal to the program, {"raw": BOOL} waits until the terminal is (not) in raw mode, {"stopped":
true} until the program is stopped, {"resize": [ROWS, COLUMNS]} changes its size from 24 and 80,
{"hangup": true} closes the terminal's other end. After PTY_SECONDS of the environment, 30 by default, the program is killed. The answer is {"status", "output",
"restored", "error"}: a status of -N is a death by signal N; "restored" tells whether the terminal's
settings are what they were.
"""
import fcntl
import json
import os
import select
import signal
import struct
import sys
import termios
import time

LIMIT = float(os.environ.get("PTY_SECONDS", "30"))

master, slave = os.openpty()
# Rows, columns, and two numbers that nobody uses.
fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
before = termios.tcgetattr(slave)
pid = os.fork()
if pid == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in (0, 1, 2):
        os.dup2(slave, fd)
    os.closerange(3, 256)
    os.execvp(sys.argv[2], sys.argv[2:])

output = b""
seen = 0
error = None
deadline = time.monotonic() + LIMIT
status = None
open_master = True


def pump(seconds):
    """Takes over what the program has written."""
    global output
    if not open_master:
        time.sleep(seconds)
        return
    ready, _, _ = select.select([master], [], [], seconds)
    if ready:
        try:
            output += os.read(master, 65536)
        except OSError:
            time.sleep(seconds)


def reap():
    """Whether the program has ended."""
    global status
    if status is None:
        done, left = os.waitpid(pid, os.WNOHANG)
        if done:
            status = os.waitstatus_to_exitcode(left)
    return status is not None


def wait(condition, what):
    """Waits for a condition while the program goes on."""
    global error
    while not condition():
        if time.monotonic() > deadline or reap():
            error = error or "it never came to: " + what
            return
        pump(0.02)


def is_raw():
    return termios.tcgetattr(slave)[3] & (termios.ICANON | termios.ECHO | termios.ISIG) == 0


def is_stopped():
    with open("/proc/%d/stat" % pid) as stat:
        return stat.read().rpartition(")")[2].split()[0] == "T"


for step in json.loads(sys.argv[1]):
    if "expect" in step:
        text = step["expect"].encode()
        wait(lambda: text in output[seen:], "output of " + repr(step["expect"]))
        seen = output.find(text, seen) + len(text)
    elif "type" in step:
        os.write(master, step["type"].encode())
    elif "signal" in step:
        os.kill(pid, getattr(signal, step["signal"]))
    elif "raw" in step:
        wait(lambda: is_raw() == step["raw"], "raw mode %s" % step["raw"])
    elif "stopped" in step:
        wait(is_stopped, "a stop")
    elif "resize" in step:
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", *step["resize"], 0, 0))
    elif "hangup" in step:
        os.close(master)
        open_master = False

while not reap():
    if time.monotonic() > deadline:
        error = error or "it did not end"
        os.kill(pid, signal.SIGKILL)
        deadline = float("inf")
    pump(0.02)
pump(0.1)
restored = termios.tcgetattr(slave) == before if open_master else None
json.dump(
    {
        "status": status,
        "output": output.decode(errors="replace"),
        "restored": restored,
        "error": error,
    },
    sys.stdout,
)
