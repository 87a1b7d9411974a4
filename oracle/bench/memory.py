"""Resident memory of processes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import psutil

_SAMPLE_S = 0.1


def megabytes(size: int) -> float:
    """Return a size in bytes as MB, to a tenth."""
    return round(size / 1e6, 1)


def resident(process: psutil.Process) -> tuple[int, int]:
    """Return the resident bytes of a process, and of its children together; 0 for what has ended meanwhile."""
    own = children = 0
    with contextlib.suppress(psutil.Error):
        own = process.memory_info().rss
        for child in process.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                children += child.memory_info().rss
    return own, children


@dataclass
class PeakMemory:
    """The most memory that a process's children took together, of the samples so far.

    Attributes:
        bytes: Resident sizes added up.
    """

    bytes: int = 0


@contextlib.contextmanager
def sampled_children() -> Iterator[PeakMemory]:
    """Sample the resident sizes of this process's children, added up, until the end of the block."""
    peak, ended = PeakMemory(), threading.Event()

    def sample() -> None:
        own = psutil.Process()
        while not ended.wait(_SAMPLE_S):
            total = 0
            for child in own.children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    total += child.memory_info().rss
            peak.bytes = max(peak.bytes, total)

    thread = threading.Thread(target=sample, name="memory")
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()
