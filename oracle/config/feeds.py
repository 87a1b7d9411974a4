"""The tables [[feeds]]: what is fixed in the contract, and how this machine observes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import AfterValidator, Field, model_validator

from oracle.config.adapters import AdapterConfig, adapter_problems
from oracle.config.committees import DEFAULT_COMMITTEE, Name
from oracle.core.settings import (
    UINT32_MAX,
    DecimalNumber,
    Problem,
    Seconds,
    Section,
    WholeSeconds,
    check_address,
    gathered,
    shown_text,
    wrong,
    wrong_each,
)
from oracle.core.types import SECONDS_A_DAY, Kind
from oracle.sources.config import MAX_SOURCES
from oracle.sources.exchange.config import ExchangeSourceConfig
from oracle.sources.http.config import HttpSourceConfig
from oracle.sources.onchain.config import OnchainSourceConfig
from oracle.sources.packaged.config import PackagedSourceConfig
from oracle.sources.push.config import PushSourceConfig
from oracle.sources.replay.config import ReplaySourceConfig

__all__ = ["DENOMINATIONS", "MAX_AGE", "SOURCE_TYPES", "FeedConfig", "SourceConfig"]


PULL_INTERVAL = 60
"""Seconds after which another report of a pulled feed is kept, if nothing else is configured."""

# The contract's bounds.
MAX_PEERS = 2
MAX_HEARTBEAT = 2**24 - 1
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


def _heartbeat(read: Mapping[str, Any], most: int) -> int:
    """Return a feed's heartbeat, as far as the contract allows. If the heartbeat is wrong, that is told anyway."""
    heartbeat: int = read.get("heartbeat", most)
    return min(heartbeat, most)


def _pull_interval(read: Mapping[str, Any]) -> int:
    max_age: int = read.get("max_age", PULL_INTERVAL)
    return min(_heartbeat(read, PULL_INTERVAL), max_age)


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
    `max_age`, `max_skew`, `confirmations`, `confirm_delay`, `max_repeats`, `tolerance`, `max_spread`, `committee`,
    `peers`.

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
        confirmations: How many further reports near a held answer confirm it; at least 1, or the feed could freeze.
        confirm_delay: Seconds that these reports must span, by their own times and by the blocks'; 7 days at most.
            Default: the heartbeat, or 7 days if that is less.
        max_repeats: How many reports in a row may repeat the last answer exactly. One more is held until a report
            differs. 0: any number.
        tolerance: How far a report may be from the first held answer and still confirm it, in thousandths of sigma.
        max_spread: The largest move between two reporters of a round, in thousandths of sigma. 0: unbounded.
        committee: The name of the committee whose reporters sign. Default: the only one that there is.
        peers: The descriptions of up to two other feeds of the same committee, which are signed with this one in every
            report: a model that sees them can tell a fault of this feed from a move of the whole market.
        adapters: Adapters to deploy beside the plain one, which every feed has: see `[[feeds.adapters]]`.
        pair: Base and quote under which a registry lists the feed: addresses, or names of Chainlink's denominations
            ("ETH", "BTC", "USD", …). None: it is in no registry.
        min_sources: How many sources must agree on a value. Default: 2. A feed with one source must set it to 1.
        max_source_spread_ppm: How far a source may be from the median, in ppm of the median (relative feeds).
        max_source_spread: The same in the feed's own units, as a decimal (absolute feeds).
        poll_interval: Seconds between two readings of the sources.
        mode: "push": every report is sent. "pull": only what the chain can't wait for is; what a move or the interval
            makes due is proven and kept, for whoever brings it. See `[updates]`.
        pull_interval: Seconds after which another report is kept. Of a private model, none is kept before. Default:
            60, or heartbeat or max_age if one of them is less.
        sources: The sources, each a table of its kind.
    """

    elsewhere: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("quorum", "reporters"), "it belongs to the feed's committee: see [[committees]]"
    )

    name: Name
    description: Annotated[str, Field(min_length=1), AfterValidator(_description), AfterValidator(shown_text)]
    kind: Literal["relative", "absolute"]
    decimals: Annotated[int, Field(ge=0, le=18)]
    sigma: Annotated[int, Field(ge=1, lt=2**64)]
    heartbeat: Annotated[WholeSeconds, Field(le=MAX_HEARTBEAT)]
    deviation_ppm: Annotated[int, Field(ge=1)] | None = None
    deviation: Annotated[int, Field(ge=1)] | None = None
    max_age: Annotated[WholeSeconds, _at_most(MAX_AGE)] = Field(default_factory=lambda read: _heartbeat(read, MAX_AGE))
    max_skew: Annotated[int, Field(ge=0, le=MAX_SKEW)] = 60
    confirmations: Annotated[int, Field(le=255), AfterValidator(_can_thaw)] = 3
    confirm_delay: Annotated[int, Field(ge=1, le=UINT32_MAX), _at_most(MAX_CONFIRM_DELAY)] = Field(
        default_factory=lambda read: _heartbeat(read, MAX_CONFIRM_DELAY)
    )
    max_repeats: Annotated[int, Field(ge=0, le=255)] = 0
    tolerance: Annotated[int, Field(ge=0, le=MAX_MOVE)] = 3_000
    max_spread: Annotated[int, Field(ge=0, le=MAX_MOVE)] = 0
    committee: Name = DEFAULT_COMMITTEE
    peers: Annotated[tuple[str, ...], Field(max_length=MAX_PEERS)] = ()
    adapters: tuple[AdapterConfig, ...] = ()
    pair: Annotated[tuple[Asset, ...], AfterValidator(_base_and_quote)] | None = None
    min_sources: Annotated[int, Field(ge=1)] = 2
    max_source_spread_ppm: Annotated[int, Field(ge=1)] | None = None
    max_source_spread: Annotated[DecimalNumber, Field(gt=0)] | None = None
    poll_interval: Seconds = 10.0
    mode: Literal["push", "pull"] = "push"
    pull_interval: WholeSeconds = Field(default_factory=_pull_interval)
    sources: Annotated[tuple[SourceConfig, ...], Field(min_length=1, max_length=MAX_SOURCES)]

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
        if data.get("kind") == "relative":
            return {"max_source_spread_ppm": 10_000, **data}
        return data

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = gathered(
            self._measure_problems(),
            self._source_problems(),
            self._peer_problems(),
            self._pull_problems(),
            self._adapter_problems(),
        )
        if problems:
            raise wrong_each(problems)
        return self

    def _adapter_problems(self) -> Iterator[Problem]:
        yield from adapter_problems(self.adapters, self.heartbeat)

    def _measure_problems(self) -> Iterator[Problem]:
        """Find settings that are of the other kind of feed, or missing."""
        own, other = ("_ppm", "") if self.kind == "relative" else ("", "_ppm")
        if getattr(self, f"deviation{other}") is not None:
            yield (), f"'deviation{other}' is not for {self.kind} feeds; use 'deviation{own}'"
        elif getattr(self, f"deviation{own}") is None:
            yield (), f"a {self.kind} feed needs 'deviation{own}'"
        if getattr(self, f"max_source_spread{other}") is not None:
            use = f"use 'max_source_spread{own}'"
            yield (), f"'max_source_spread{other}' is not for {self.kind} feeds; {use}"
        elif self.kind == "absolute" and len(self.sources) > 1 and self.max_source_spread is None:
            yield (), "an absolute feed with several sources needs 'max_source_spread', in its own units"

    def _source_problems(self) -> Iterator[Problem]:
        names = [self.source_name(index) for index in range(len(self.sources))]
        if twice := next((name for name in names if names.count(name) > 1), None):
            yield (), f"two sources have the name {twice!r}"
        if len(self.sources) == 1 and "min_sources" not in self.model_fields_set:
            yield (
                (),
                "has one source, which nothing checks: if it lies, so does the feed. Add others (2 of 3 is a good "
                "start), or allow it with 'min_sources = 1'",
            )
        elif self.min_sources > len(self.sources):
            yield (), f"'min_sources' is {self.min_sources}, but there are {len(self.sources)} sources"
        elif len(self.sources) > 1 and self.min_sources < 2:
            yield (), "'min_sources' must be at least 2 with several sources: one alone can't be checked"

    def _peer_problems(self) -> Iterator[Problem]:
        if self.description in self.peers:
            yield ("peers",), "names the feed itself"
        if len(set(self.peers)) != len(self.peers):
            yield ("peers",), "names a feed twice"

    def _pull_problems(self) -> Iterator[Problem]:
        if self.mode == "push":
            if "pull_interval" in self.model_fields_set:
                yield ("pull_interval",), 'is for mode = "pull"; this feed\'s reports are all sent'
        elif self.pull_interval > self.heartbeat:
            yield ("pull_interval",), f"is {self.pull_interval}, but every {self.heartbeat} s a report is sent anyway"
        elif self.pull_interval > self.max_age:
            yield (
                ("pull_interval",),
                f"is {self.pull_interval}, but the contract takes a report for max_age = {self.max_age} seconds: what "
                "is kept would be of no use for a part of the time",
            )
