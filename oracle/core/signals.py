"""Handlers of signals within an event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping


@contextlib.contextmanager
def handled(handlers: Mapping[int, Callable[[], None]]) -> Iterator[None]:
    """Call a handler in the running event loop for each of these signals, by number, until the context ends."""
    loop = asyncio.get_running_loop()
    added = []
    for number, handler in handlers.items():
        # Only the main thread can handle signals, and not on every platform.
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, handler)
            added.append(number)
    try:
        yield
    finally:
        for number in added:
            loop.remove_signal_handler(number)
