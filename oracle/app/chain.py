"""`oracle chain up`: the local chain."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import types
from collections.abc import Callable, Sequence
from pathlib import Path

from oracle.chain.local.anvil import Anvil, AnvilConfig, load_anvil_config
from oracle.chain.local.funding import Funding, fund
from oracle.chain.rpc import Rpc
from oracle.core.money import ether

__all__ = ["chain_fund", "chain_up"]

USUAL_FILE = Path("anvil.toml")
"""The file that describes the chain, where there is one."""


def chain_up(
    path: Path | None, port: int | None, announce: Callable[[str], None], fundings: Sequence[Funding] = ()
) -> None:
    """Run the local chain until it ends, or SIGINT or SIGTERM asks it to.

    Args:
        path: The file that describes the chain; None: anvil.toml, or the usual chain where there is none.
        port: Its port, if not the file's; 0: a free one.
        announce: Called with lines that say where the chain is and who got ether, and one when it has stopped.
        fundings: Ether for accounts.
    """

    def stop(number: int, frame: types.FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    overrides = {} if port is None else {"port": port}
    if path is None and not USUAL_FILE.exists():
        config = AnvilConfig(**overrides)
        announce(f"no {USUAL_FILE} here: the usual chain, which is forgotten when it stops")
    else:
        config = load_anvil_config(path or USUAL_FILE, **overrides)
    with Anvil(config) as chain:
        announce(f"chain {chain.chain_id} at {chain.rpc_url}, process {chain.pid}; Ctrl-C stops it")
        if fundings:
            for address, balance in asyncio.run(chain_fund(chain.rpc_url, fundings)).items():
                announce(f"{address} has {ether(balance)} ether")
        with contextlib.suppress(KeyboardInterrupt):
            chain.wait()
    announce("stopped")


async def chain_fund(url: str, fundings: Sequence[Funding]) -> dict[str, int]:
    """Give accounts of a running local chain ether, and return their balances in wei. See `fund`."""
    async with Rpc(url) as rpc:
        return await fund(rpc, fundings)
