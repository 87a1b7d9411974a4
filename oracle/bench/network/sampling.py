"""Samples of what a process is doing, by the part of the code that each of its threads is in.

A profiler that counts every call slows small calls down more than large ones. A sample now and then does not.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from types import FrameType

__all__ = ["PLACES", "Samples", "sampled"]

INTERVAL_S = 0.005

PLACES: Mapping[str, str] = {
    "sign": "oracle/chain/keys/",
    "ledger": "sqlalchemy/",
    "JSON and hex": "oracle/network/messages.py",
    "HTTP": "aiohttp/",
    "rules, heard and collecting": "oracle/network/",
    "event loop": "asyncio/",
}
"""Parts, and the folder or module whose frame shows that a thread is in it. Of several, the first one here counts."""

_IDLE = ("selectors.py", "threading.py", "concurrent/futures/thread.py", "queue.py")
"""Modules in which a thread waits, if its innermost frame is there."""


class Samples:
    """The samples so far.

    Attributes:
        counts: How many fell into each part.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def take(self, frame: FrameType) -> None:
        """Count a thread by its innermost frame and those that called it; not if it waits."""
        if frame.f_code.co_filename.endswith(_IDLE):
            return
        files = set()
        at: FrameType | None = frame
        while at is not None:
            files.add(at.f_code.co_filename.replace("\\", "/"))
            at = at.f_back
        for place, part in PLACES.items():
            if any(part in file for file in files):
                self.counts[place] += 1
                return
        self.counts["other"] += 1

    def shares(self) -> dict[str, float]:
        """Return each part's share of the samples, the largest first."""
        total = sum(self.counts.values()) or 1
        return {place: round(count / total, 3) for place, count in self.counts.most_common()}


@contextlib.contextmanager
def sampled() -> Iterator[Samples]:
    """Sample all threads of this process but the sampling one while the context is open."""
    samples, ended = Samples(), threading.Event()

    def run() -> None:
        own = threading.get_ident()
        while not ended.wait(INTERVAL_S):
            for thread, frame in sys._current_frames().items():
                if thread != own:
                    samples.take(frame)

    thread = threading.Thread(target=run, name="samples", daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        ended.set()
        thread.join()
