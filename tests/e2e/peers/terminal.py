#!/usr/bin/env python3
"""Runs a command on a terminal of its own and talks to the shell in it: terminal.py COMMAND..."""

import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time


class Terminal:
    def __init__(self, command):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvp(command[0], command)
        self.seen = b""

    def size(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        self.seen = b""
        os.write(self.fd, text)

    def expect(self, text, seconds=20):
        end = time.monotonic() + seconds
        while text not in self.seen:
            ready, _, _ = select.select([self.fd], [], [], max(0, end - time.monotonic()))
            if not ready:
                sys.exit(f"{text!r} did not come, but {self.seen!r}")
            self.seen += os.read(self.fd, 65536)

    def code(self):
        try:
            while os.read(self.fd, 65536):
                pass
        except OSError:
            pass  # how Linux says that the other end is closed
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def main():
    t = Terminal(sys.argv[1:])
    t.size(33, 101)
    t.expect(b"$ ")
    t.type(b"stty size\n")
    t.expect(b"33 101")
    t.size(50, 120)
    time.sleep(0.5)
    t.type(b"stty size; tty\n")
    t.expect(b"50 120")
    t.expect(b"/dev/pts/")
    t.type(b"echo at$((40+2)); sleep 100\n")
    t.expect(b"at42")
    time.sleep(0.3)
    t.type(b"\x03")
    t.expect(b"$ ")
    t.type(b"echo code=$?\n")
    t.expect(b"code=130")
    t.type(b"exit 5\n")
    code = t.code()
    if code != 5:
        sys.exit(f"the exit code is {code}, not 5")


main()
