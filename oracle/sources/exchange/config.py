"""The configuration of a source of the type "exchange"."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from oracle.core.settings import Seconds
from oracle.sources.config import LiveSourceConfig

__all__ = ["ExchangeSourceConfig"]


class ExchangeSourceConfig(LiveSourceConfig):
    """A ticker of an exchange, through `ccxt` (needs the extra `exchanges`).

    Attributes:
        exchange: The exchange's name in ccxt: "kraken", "coinbase", "bitstamp".
        symbol: The market's name in ccxt: "ETH/USD".
        what: The latest price, the middle of best bid and best ask, or the volume-weighted average of a day.
        max_age: As for the other sources, by the exchange's own time. Not every exchange gives one.
    """

    type: Literal["exchange"]
    exchange: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,40}$")]
    symbol: Annotated[str, Field(min_length=3, max_length=60)]
    what: Literal["last", "mid", "vwap"] = "last"
    timeout: Seconds = 10.0

    def _found_origin(self) -> str:
        return f"{self.exchange} {self.symbol} {self.what}"
