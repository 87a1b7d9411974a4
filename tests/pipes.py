"""The input that a process has not read yet: tests that stop a process know by it that it was asked."""

from __future__ import annotations

import array
import fcntl
import termios


def unread(pid: int) -> int:
    """Return how many bytes wait in the pipe that is a process's standard input."""
    with open(f"/proc/{pid}/fd/0", "rb", buffering=0) as pipe:
        left = array.array("i", [0])
        fcntl.ioctl(pipe, termios.FIONREAD, left)
    return left[0]
