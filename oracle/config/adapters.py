"""The list `adapters` of a feed: adapters to deploy beside the plain one, which every feed has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from oracle.core.settings import UINT32_MAX, Address, Problem, Section, WholeSeconds, wrong

__all__ = ["GRACE", "AdapterConfig", "adapter_problems"]

GRACE = 3_600
"""Seconds after a sequencer's return, as Chainlink's documentation proposes."""


def _mode(value: object) -> object:
    if value == "plain":
        raise wrong("every feed has its plain adapter: leave it out, and name others only ('strict', 'last-good')")
    return value


class AdapterConfig(Section):
    """An adapter beside a feed's plain one. Its address follows from all of this.

    Attributes:
        mode: "strict": gives no answer while the feed is held, stale or paused. "last-good": gives the last accepted
            answer in any state, until it is older than `bound`.
        bound: The largest age of an answer in seconds, counted from its observation ("last-good" only).
        uptime_feed: The chain's feed of its sequencer's uptime, on a rollup: the adapter gives no answer while the
            sequencer is down, nor in the grace period after. None: no guard.
        grace: Seconds after the sequencer's return in which there is still no answer. Default with a guard: an hour.
    """

    mode: Annotated[Literal["strict", "last-good"], BeforeValidator(_mode)]
    bound: WholeSeconds | None = None
    uptime_feed: Address | None = None
    grace: Annotated[int, Field(ge=0, le=UINT32_MAX)] | None = None

    @property
    def grace_s(self) -> int:
        """The grace period of the contract's terms: 0 without a guard."""
        if self.uptime_feed is None:
            return 0
        return GRACE if self.grace is None else self.grace

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.mode == "last-good" and self.bound is None:
            raise wrong("a 'last-good' adapter needs 'bound': the largest age of an answer that it gives, in seconds")
        if self.mode != "last-good" and self.bound is not None:
            raise wrong(f"'bound' does not fit mode {self.mode!r}; leave it out, or use mode 'last-good'")
        if self.grace is not None and self.uptime_feed is None:
            raise wrong("'grace' needs 'uptime_feed', the chain's feed of its sequencer's uptime")
        return self


def adapter_problems(adapters: Sequence[AdapterConfig], heartbeat: int) -> Iterator[Problem]:
    """Find what is wrong with a feed's adapters together.

    Args:
        heartbeat: The feed's, in seconds.
    """
    terms = [(each.mode, each.bound, each.uptime_feed, each.grace_s) for each in adapters]
    if len(set(terms)) != len(terms):
        yield ("adapters",), "two adapters have the same terms, so they would be one: remove one of them"
    for each in adapters:
        if each.bound is not None and each.bound < heartbeat:
            yield (
                ("adapters",),
                f"a bound of {each.bound} s is shorter than the heartbeat of {heartbeat} s: the adapter would refuse "
                "between two rounds that come in time. Choose the heartbeat and the longest hold to live through",
            )
