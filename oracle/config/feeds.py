"""The tables [[feeds]]: what is fixed in the contract, and how this machine observes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, Field, model_validator

from oracle.core.settings import (
    UINT32_MAX,
    Address,
    DecimalNumber,
    Seconds,
    Section,
    WholeSeconds,
    check_address,
    wrong,
)
from oracle.core.types import Kind
from oracle.sources.exchange.config import ExchangeSourceConfig
from oracle.sources.http.config import HttpSourceConfig
from oracle.sources.onchain.config import OnchainSourceConfig
from oracle.sources.packaged.config import PackagedSourceConfig
from oracle.sources.push.config import PushSourceConfig
from oracle.sources.replay.config import ReplaySourceConfig

__all__ = ["DENOMINATIONS", "MAX_AGE", "MAX_REPORTERS", "SOURCE_TYPES", "FeedConfig", "SourceConfig"]

SECONDS_A_DAY = 86_400

# The contract's bounds.
MAX_REPORTERS = 31
MAX_SKEW = 3_600
"""Seconds that an observation may be ahead of the block's time."""
MAX_MOVE = 32_766
"""Thousandths of sigma: more can't be compared with a move that was clipped."""
MAX_DESCRIPTION_BYTES = 64
MAX_AGE = 90 * SECONDS_A_DAY
MAX_CONFIRM_DELAY = 7 * SECONDS_A_DAY

_FIAT = {
    "USD": 840, "GBP": 826, "EUR": 978, "JPY": 392, "KRW": 410, "CNY": 156, "AUD": 36, "CAD": 124, "CHF": 756,
    "ARS": 32, "PHP": 608, "NZD": 554, "SGD": 702, "NGN": 566, "ZAR": 710, "RUB": 643, "INR": 356, "BRL": 986,
}  # fmt: skip
DENOMINATIONS: Mapping[str, str] = {
    "ETH": "0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE",
    "BTC": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB",
    **{name: f"0x{number:040x}" for name, number in _FIAT.items()},
}
"""Assets without a contract, as Chainlink's registry names them: two placeholders, and the numbers of ISO 4217."""


def _description(text: str) -> str:
    if len(text.encode()) > MAX_DESCRIPTION_BYTES:
        raise wrong(f"takes {len(text.encode())} bytes, but the contract allows {MAX_DESCRIPTION_BYTES}")
    return text


def _asset(value: str) -> str:
    if not value.startswith("0x") and value not in DENOMINATIONS:
        raise wrong(f"{value!r} is neither an address nor one of {', '.join(DENOMINATIONS)}")
    return check_address(DENOMINATIONS.get(value, value))


def _base_and_quote(pair: tuple[str, ...]) -> tuple[str, ...]:
    if len(pair) != 2 or pair[0] == pair[1]:
        raise wrong('must be two different assets, base and quote, as ["ETH", "USD"]')
    return pair


def _at_most(most: int) -> AfterValidator:
    """Return the validator of a number of seconds that the contract bounds by whole days."""

    def check(seconds: int) -> int:
        if seconds > most:
            raise wrong(f"is {seconds} seconds, but the contract allows {most} at most ({most // SECONDS_A_DAY} days)")
        return seconds

    return AfterValidator(check)


def _can_thaw(confirmations: int) -> int:
    if confirmations < 1:
        raise wrong("must be at least 1: without a confirmation, an answer could be held for ever")
    return confirmations


Asset = Annotated[str, AfterValidator(_asset)]


SourceConfig = Annotated[
    HttpSourceConfig
    | ExchangeSourceConfig
    | OnchainSourceConfig
    | PushSourceConfig
    | ReplaySourceConfig
    | PackagedSourceConfig,
    Field(discriminator="type"),
]
"""The table of a source of any kind. A new kind is added here."""

SOURCE_TYPES: tuple[str, ...] = tuple(
    get_args(kind.model_fields["type"].annotation)[0] for kind in get_args(get_args(SourceConfig)[0])
)
"""The values of a source's `type`."""


class FeedConfig(Section):
    """A feed: the terms that are fixed in the contract, and how this machine observes it.

    The contract's part: `description` (the feed's id is its hash), `kind`, `decimals`, `sigma`, `heartbeat`,
    `max_age`, `max_skew`, `quorum`, `reporters`, `confirmations`, `confirm_delay`, `max_repeats`, `tolerance`,
    `max_spread`.

    Attributes:
        name: The feed's name here: in the journal, in messages.
        description: The feed's name in the contract, for instance "ETH / USD".
        kind: "relative": moves are measured in proportion, and answers are above zero; "absolute": moves are measured
            in the feed's units.
        decimals: Decimal places of an answer: an answer is an integer in units of 10^-decimals.
        sigma: One standard deviation of a move over one heartbeat: ppm (relative) or answer units (absolute).
        heartbeat: Seconds within which a report is due.
        deviation_ppm: The move that makes a report due at once, in ppm (relative feeds).
        deviation: The same in answer units (absolute feeds).
        max_age: How many seconds old an observation may be when it is submitted, 90 days at most. Default: the
            heartbeat, or 90 days if that is less.
        max_skew: How many seconds an observation may be ahead of the block's time.
        quorum: How many signed observations a round needs.
        reporters: Addresses that may sign. Empty: only that of the reporter key.
        confirmations: How many further reports near a held answer confirm it; at least 1, or the feed could freeze.
        confirm_delay: Seconds that these reports must span, 7 days at most. Default: the heartbeat, or 7 days if that
            is less.
        max_repeats: How many reports in a row may repeat the last answer exactly. One more is held until a report
            differs. 0: any number.
        tolerance: How far a report may be from the first held answer and still confirm it, in thousandths of sigma.
        max_spread: The largest move between two reporters of a round, in thousandths of sigma. 0: unbounded.
        strict_adapter: Also deploy the adapter that reverts when the feed is held, stale or paused.
        pair: Base and quote under which a registry lists the feed: addresses, or names of Chainlink's denominations
            ("ETH", "BTC", "USD", …). None: it is in no registry.
        min_sources: How many sources must agree on a value. Default: 2. A feed with one source must set it to 1.
        max_source_spread_ppm: How far a source may be from the median, in ppm of the median (relative feeds).
        max_source_spread: The same in the feed's own units, as a decimal (absolute feeds).
        poll_interval: Seconds between two readings of the sources.
        sources: The sources, each a table of its kind.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
    description: Annotated[str, Field(min_length=1), AfterValidator(_description)]
    kind: Literal["relative", "absolute"]
    decimals: Annotated[int, Field(ge=0, le=18)]
    sigma: Annotated[int, Field(ge=1, lt=2**64)]
    heartbeat: WholeSeconds
    deviation_ppm: Annotated[int, Field(ge=1)] | None = None
    deviation: Annotated[int, Field(ge=1)] | None = None
    max_age: Annotated[WholeSeconds, _at_most(MAX_AGE)]
    max_skew: Annotated[int, Field(ge=0, le=MAX_SKEW)] = 60
    quorum: Annotated[int, Field(ge=1, le=MAX_REPORTERS)] = 1
    reporters: Annotated[tuple[Address, ...], Field(max_length=MAX_REPORTERS)] = ()
    confirmations: Annotated[int, Field(le=255), AfterValidator(_can_thaw)] = 3
    confirm_delay: Annotated[int, Field(ge=0, le=UINT32_MAX), _at_most(MAX_CONFIRM_DELAY)]
    max_repeats: Annotated[int, Field(ge=0, le=255)] = 0
    tolerance: Annotated[int, Field(ge=0, le=MAX_MOVE)] = 3_000
    max_spread: Annotated[int, Field(ge=0, le=MAX_MOVE)] = 0
    strict_adapter: bool = False
    pair: Annotated[tuple[Asset, ...], AfterValidator(_base_and_quote)] | None = None
    min_sources: Annotated[int, Field(ge=1)] = 2
    max_source_spread_ppm: Annotated[int, Field(ge=1)] | None = None
    max_source_spread: Annotated[DecimalNumber, Field(gt=0)] | None = None
    poll_interval: Seconds = 10.0
    sources: Annotated[tuple[SourceConfig, ...], Field(min_length=1)]

    @property
    def measure(self) -> Kind:
        """The measure of a move, as the contract's number for it."""
        return Kind.RELATIVE if self.kind == "relative" else Kind.ABSOLUTE

    def source_name(self, index: int) -> str:
        """Return the name of a source, for messages."""
        return self.sources[index].name or f"{self.name}/{index}"

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, data: object) -> object:
        if not isinstance(data, Mapping):
            return data
        filled: dict[str, Any] = dict(data)
        if isinstance(heartbeat := data.get("heartbeat"), int):
            filled.setdefault("max_age", min(heartbeat, MAX_AGE))
            filled.setdefault("confirm_delay", min(heartbeat, MAX_CONFIRM_DELAY))
        if data.get("kind") == "relative":
            filled.setdefault("max_source_spread_ppm", 10_000)
        return filled

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        own, other = ("_ppm", "") if self.kind == "relative" else ("", "_ppm")
        if getattr(self, f"deviation{other}") is not None:
            raise wrong(f"'deviation{other}' does not fit a {self.kind} feed; use 'deviation{own}'")
        if getattr(self, f"deviation{own}") is None:
            raise wrong(f"a {self.kind} feed needs 'deviation{own}'")
        if getattr(self, f"max_source_spread{other}") is not None:
            use = f"use 'max_source_spread{own}'"
            raise wrong(f"'max_source_spread{other}' does not fit a {self.kind} feed; {use}")
        if self.kind == "absolute" and len(self.sources) > 1 and self.max_source_spread is None:
            raise wrong("an absolute feed with several sources needs 'max_source_spread', in its own units")
        if len(self.sources) == 1 and "min_sources" not in self.model_fields_set:
            raise wrong(
                "has one source, which nothing checks: if it lies, so does the feed. Add others (2 of 3 is a good "
                "start), or allow it with 'min_sources = 1'"
            )
        names = [self.source_name(index) for index in range(len(self.sources))]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise wrong(f"two sources have the name {twice!r}")
        if self.min_sources > len(self.sources):
            raise wrong(f"'min_sources' is {self.min_sources}, but there are {len(self.sources)} sources")
        if len(self.sources) > 1 and self.min_sources < 2:
            raise wrong("'min_sources' must be at least 2 with several sources: one alone can't be checked")
        if len(set(self.reporters)) != len(self.reporters):
            raise wrong("'reporters' names an address twice")
        if self.quorum > max(1, len(self.reporters)):
            raise wrong(f"'quorum' is {self.quorum}, but there are {max(1, len(self.reporters))} reporters")
        return self
