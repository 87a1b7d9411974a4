"""Tests of a feed from its sources to an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from oracle.config import Config, FeedConfig, ReplaySourceConfig, load
from oracle.core.errors import ConfigError, DataError, OracleError, SourceExhausted, SourceSuspended, SourceUnavailable
from oracle.feeds.observe import LookListener, Observer, Observers, Sighting, due_policy
from oracle.sources.aggregate import Aggregated
from oracle.sources.interface import Collected, Reading, Source
from tests.unit.config.texts import MINIMAL

FEED_ID = b"\3" * 32


class Told:
    """A source that gives what a test sets."""

    def __init__(self, name: str, *answers: Decimal | OracleError) -> None:
        self.name = name
        self.answers = list(answers)
        self.closed = False

    async def read(self) -> Reading:
        answer = self.answers.pop(0)
        if isinstance(answer, OracleError):
            raise answer
        return Reading(answer, 1_000, self.name)

    async def close(self) -> None:
        self.closed = True


class Heard(LookListener):
    """A listener that records looks."""

    def __init__(self) -> None:
        self.failed: list[str] = []
        self.looks: list[tuple[int, bool]] = []

    def source_failed(self, feed: str, source: str, reason: str) -> None:
        assert feed == "eth" and reason
        self.failed.append(source)

    def looked(self, feed: str, collected: Collected, value: Aggregated | None) -> None:
        assert feed == "eth"
        self.looks.append((len(collected.readings), value is not None))


def observer(sources: Sequence[Told], listener: LookListener | None = None) -> Observer:
    feed = FeedConfig(
        name="eth",
        description="ETH / USD",
        kind="relative",
        decimals=2,
        sigma=10_000,
        heartbeat=60,
        deviation_ppm=1_000,
        max_age=60,
        confirm_delay=60,
        min_sources=min(2, len(sources)),
        sources=tuple(ReplaySourceConfig(type="replay", file=Path(each.name)) for each in sources),
    )
    return Observer(feed, FEED_ID, sources, listener)


async def test_an_answer_is_the_median_in_answer_units() -> None:
    sources = [Told(name, Decimal(value)) for name, value in (("a", "100.10"), ("b", "100.20"), ("c", "100.30"))]
    found = await observer(sources)()
    assert replace(found, readings=None) == Sighting("eth", FEED_ID, 10_020, 1_000, 3)


async def test_a_value_below_the_last_decimal_of_a_relative_feed_is_a_problem_of_its_sources() -> None:
    with pytest.raises(SourceUnavailable, match=r"its answer would be 0: the sources say 0\.0012, .*decimals` is 2"):
        await observer([Told("a", Decimal("0.0012"))])()
    rounded = await observer([Told("a", Decimal("0.0051"))])()
    assert rounded.answer == 1
    said = await observer([Told("a", Decimal(0))])()
    assert said.answer == 0, "a zero that the sources themselves say is for the hub to judge"


async def test_a_sighting_has_what_each_source_said() -> None:
    sources = [
        Told("a", Decimal("100.100")),
        Told("b", Decimal(120)),
        Told("c", SourceUnavailable("c is down: key=s3cret")),
        Told("d", Decimal("100.3")),
    ]
    found = (await observer(sources)()).readings
    assert found is not None
    assert (found.answer, found.rule.feed_id, found.rule.max_spread) == (10_010, FEED_ID, "10000")
    told = [(each.name, each.origin, each.outcome.value, each.value) for each in found.sources]
    assert told == [
        ("a", "recording a", "agrees", "100.100"),
        ("b", "recording b", "outlier", "120"),
        ("c", "recording c", "unavailable", None),
        ("d", "recording d", "agrees", "100.3"),
    ]


def test_the_rules_by_which_a_value_is_due_are_the_configuration_s(tmp_path: Path) -> None:
    [feed] = configured(tmp_path, MINIMAL).feeds
    policy = due_policy(feed)
    assert (policy.kind, policy.heartbeat, policy.deviation) == (feed.measure, feed.heartbeat, feed.deviation_ppm)
    assert policy.held_interval == feed.confirm_delay // feed.confirmations


async def test_failures_are_told_and_too_few_values_are_none() -> None:
    heard = Heard()
    sources = [
        Told("a", SourceUnavailable("a is down"), Decimal(1)),
        Told("b", DataError("b: is text"), SourceSuspended("b is left alone")),
        Told("c", Decimal(1), Decimal(1)),
    ]
    look = observer(sources, heard)
    with pytest.raises(SourceUnavailable, match="1 of at least 2 sources answered"):
        await look()
    assert await look() is not None
    assert heard.failed == ["a", "b"], "a suspension is told when it begins, not at each look"
    assert heard.looks == [(1, False), (2, True)]


async def test_a_value_that_no_contract_holds_is_tried_again_not_fatal() -> None:
    with pytest.raises(SourceUnavailable, match="int128"):
        await observer([Told("a", Decimal(10) ** 38)])()


async def test_the_end_of_all_sources_is_told_as_such() -> None:
    with pytest.raises(SourceExhausted):
        await observer([Told("a", SourceExhausted("a has ended"))])()


def configured(folder: Path, text: str) -> Config:
    path = folder / "oracle.toml"
    path.write_text(text)
    return load(path, {})


async def test_sources_are_replaced_at_the_next_look_and_the_old_ones_are_closed(tmp_path: Path) -> None:
    made: list[Told] = []

    def make(feed: FeedConfig) -> list[Source]:
        made.append(Told(f"made {len(made)}", Decimal(100), Decimal(200)))
        return [made[-1]]

    before = configured(tmp_path, MINIMAL)
    [feed] = before.feeds
    observers = Observers(before, make)
    observers.begin({feed.name: FEED_ID})
    assert await observers.observe(feed.name) is not None
    with pytest.raises(ConfigError, match=r"\[chain\] differs, which needs a restart"):
        observers.replace(configured(tmp_path, MINIMAL.replace("chain_id = 31337", "chain_id = 1")))
    with pytest.raises(ConfigError, match="heartbeat differs, which needs a restart"):
        observers.replace(before.model_copy(update={"feeds": (feed.model_copy(update={"heartbeat": 1}),)}))
    assert observers.replace(before) == [] and len(made) == 1
    other = before.model_copy(update={"feeds": (feed.model_copy(update={"deviation_ppm": 1}),)})
    assert observers.replace(other) == [feed.name]
    assert observers.policy(feed.name).deviation == 1
    assert not made[0].closed, "it may be read right now"
    assert await observers.observe(feed.name) is not None
    assert [each.closed for each in made] == [True, False]
    await observers.close()
    assert made[1].closed
