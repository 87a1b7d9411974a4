"""The configuration of a source of the type "exchange"."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from oracle.core.settings import Seconds, wrong
from oracle.sources.config import LiveSourceConfig

__all__ = ["ExchangeSourceConfig"]


class ExchangeSourceConfig(LiveSourceConfig):
    """A ticker of an exchange, through `ccxt` (needs the extra `exchanges`).

    Attributes:
        exchange: The exchange's name in ccxt: "kraken", "coinbase", "bitstamp".
        symbol: The market's name in ccxt: "ETH/USD".
        what: The latest price, the middle of best bid and best ask, or the volume-weighted average of a day.
        max_bid_ask_ppm: How far best bid and best ask may be apart for their middle to be believed, in ppm of it.
        max_age: As for the other sources, by the exchange's own time. Not every exchange gives one.
    """

    type: Literal["exchange"]
    exchange: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,40}$")]
    symbol: Annotated[str, Field(min_length=3, max_length=60)]
    what: Literal["last", "mid", "vwap"] = "last"
    max_bid_ask_ppm: Annotated[int, Field(ge=1, le=1_000_000)] = 50_000
    timeout: Seconds = 10.0

    @model_validator(mode="after")
    def _of_a_middle(self) -> Self:
        if self.what != "mid" and "max_bid_ask_ppm" in self.model_fields_set:
            raise wrong(f"'max_bid_ask_ppm' is for what = \"mid\"; this source takes {self.what!r}")
        return self

    def _found_origin(self) -> str:
        return f"{self.exchange} {self.symbol} {self.what}"
