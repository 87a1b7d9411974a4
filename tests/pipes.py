"""A process that is stopped, and the input that it has not read: so tests know that it was asked and can not answer."""

from __future__ import annotations

import array
import fcntl
import os
import signal
import termios
import threading
import time

import psutil


def stop(pid: int) -> None:
    """Stop a process, and wait until it has stopped: a busy machine lets it read what it is asked just before."""
    os.kill(pid, signal.SIGSTOP)
    while psutil.Process(pid).status() != psutil.STATUS_STOPPED:
        time.sleep(0.001)


def unread(pid: int) -> int:
    """Return how many bytes wait in the pipe that is a process's standard input."""
    with open(f"/proc/{pid}/fd/0", "rb", buffering=0) as pipe:
        left = array.array("i", [0])
        fcntl.ioctl(pipe, termios.FIONREAD, left)
    return left[0]


def kill_once_asked(pid: int) -> None:
    """Stop a process, and kill it once it is asked something: one that is dead before is replaced in silence."""
    stop(pid)

    def kill() -> None:
        while not unread(pid):
            time.sleep(0.001)
        os.kill(pid, signal.SIGKILL)

    threading.Thread(target=kill, name="killer", daemon=True).start()
