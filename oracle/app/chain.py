"""`oracle chain up`: the local chain."""

from __future__ import annotations

import contextlib
import signal
import types
from collections.abc import Callable
from pathlib import Path

from oracle.chain.local.anvil import Anvil, load_anvil_config

__all__ = ["chain_up"]


def chain_up(path: Path, port: int | None, announce: Callable[[str], None]) -> None:
    """Run the local chain until it ends, or SIGINT or SIGTERM asks it to.

    Args:
        path: The file that describes the chain.
        port: Its port, if not the file's; 0: a free one.
        announce: Called with a line that says where the chain is, and one when it has stopped.
    """

    def stop(number: int, frame: types.FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    overrides = {} if port is None else {"port": port}
    with Anvil(load_anvil_config(path, **overrides)) as chain:
        announce(f"chain {chain.chain_id} at {chain.rpc_url}, process {chain.pid}; Ctrl-C stops it")
        with contextlib.suppress(KeyboardInterrupt):
            chain.wait()
    announce("stopped")
