"""The table [web]: what the daemon shows to monitoring."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from oracle.config.listen import ListenAddress, host_and_port
from oracle.core.settings import Seconds, Section

__all__ = ["WebConfig"]


class WebConfig(Section):
    """The server of `/metrics`, `/healthz` and `/readyz`.

    Attributes:
        listen: Host and port. None: nothing is served. There is no authentication: choose an address that only your
            monitoring reaches.
        interval: Seconds between two looks at the chain's head, the payer's balance and the feeds' state.
        max_head_age: How many seconds old the chain's latest block may be for the oracle to count as ready. None: any
            age, as for a local chain, which makes blocks only when there are transactions.
        min_reports: How many submissions the payer must be able to pay for. With fewer, the oracle is not ready, and
            logs a warning.
    """

    listen: ListenAddress | None = None
    interval: Seconds = 15.0
    max_head_age: Seconds | None = None
    min_reports: Annotated[int, Field(ge=1)] = 20

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port of `listen`; None if there is none."""
        return host_and_port(self.listen)
