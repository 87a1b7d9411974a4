"""Test of what `oracle explain` rebuilds, beside the hub: features of spread, count, variance, peers and held gaps."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from oracle.app import comparing
from oracle.app.comparing import rebuild_reports
from oracle.app.explain import as_judged, find_report
from oracle.chain.deploy import feed_id_of
from oracle.chain.hub import Hub, RoundAccepted
from oracle.chain.keys import keystore
from oracle.chain.keys.signer import LocalReporter
from oracle.chain.local.anvil import Anvil
from oracle.chain.rpc import Rpc
from oracle.core import encoding
from oracle.core.encoding import Feature
from oracle.core.errors import ChainUnavailable, DataError
from tests.integration import test_mirror as mirror
from tests.integration.test_mirror import ANOMALOUS, CONFIGS, INDEX, NORMAL, REPORTERS, World

FEED = feed_id_of(INDEX.description)
LISTS = (
    encoding.window_features(14),
    encoding.window_features(14, spread=True),
    (Feature.MOVE, Feature.COUNT, Feature.SPREAD, Feature.GAP),
    (Feature.MOVE, Feature.VARIANCE, Feature.GAP),
    tuple(Feature),
)
"""Feature lists: they decide what is rebuilt. Some features need calldata, some a node with old states."""


@pytest.fixture
async def world(anvil: Callable[..., Anvil], tmp_path: Path) -> AsyncIterator[World]:
    with anvil(start_time=mirror.START) as chain:
        deployment = await mirror.deployed_hub(chain, tmp_path / "deployment.json")
        async with Rpc(chain.rpc_url, chain.chain_id, attempts=1) as rpc:
            keys = [await keystore.local_chain_key(each, rpc) for each in REPORTERS]
            reporters = tuple(LocalReporter(key, chain.chain_id, deployment.hub) for key in keys)
            made = World(chain, rpc, Hub(rpc, deployment.hub), reporters)
            made.later(0)
            yield made


async def rebuilt(world: World, listed: Sequence[Feature], round_id: int | None) -> tuple[int, ...]:
    """Return the features of a report, from the chain alone."""
    report = await find_report(world.hub, "index", await world.hub.feed_state(FEED), round_id)
    judged, signed = await as_judged(world.hub, report, listed, since=0)
    return encoding.features(
        judged.before,
        judged.answer,
        judged.observed_at,
        listed,
        tolerance=INDEX.tolerance,
        spread=signed.spread,
        count=signed.count,
        peers=signed.peers,
    )


async def test_every_report_is_explained_with_the_features_that_the_hub_derived(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(4)
    seen: dict[int, dict[Feature, int]] = {}
    all_features: list[dict[Feature, int]] = []
    answer, held, confirmed = 10_000, 0, 0
    with pytest.raises(DataError, match="feed index has no report yet"):
        await rebuilt(world, LISTS[0], None)
    for index in range(45):
        if index:
            answer = answer if rng.random() < 0.7 else rng.choice([10_000, 10_010, 10_050, 20_000, 20_010])
        world.later(rng.choice([1, 60, 400]))
        answers = {INDEX: rng.choice([[answer], [answer, answer - 7], [answer + 3, answer, answer - 9]])}
        peer_answers = [rng.choice([9_000, 10_000, 10_020]) for _ in INDEX.peers]
        answers |= {CONFIGS[peer]: [each] for peer, each in zip(INDEX.peers, peer_answers, strict=True)}
        signed = await world.signed(answers, [INDEX])
        at = signed.report.position(FEED)
        assert at is not None
        derived = await world.hub.features(
            FEED,
            answer,
            world.now,
            spread=signed.spread(at, INDEX.kind, INDEX.sigma),
            count=signed.count(at),
            peer_answers=peer_answers,
        )
        features = dict(zip(Feature, derived, strict=True))
        all_features.append(features)
        receipt = await world.report(answers, rng.choice([NORMAL, NORMAL, ANOMALOUS]), due=[INDEX], model_number=2)
        (event,) = world.hub.decode_outcome(receipt)
        if isinstance(event, RoundAccepted):
            seen[event.round_id] = features
            confirmed += event.confirmed
            continue
        held += 1
        for listed in LISTS:
            assert await rebuilt(world, listed, None) == tuple(features[each] for each in listed), (index, listed)
    assert held > 5 and confirmed > 1 and len(seen) > 15
    for round_id, features in seen.items():
        for listed in LISTS:
            found = await rebuilt(world, listed, round_id)
            assert found == tuple(features[each] for each in listed), (round_id, listed)
    await judged_again(world, all_features, monkeypatch)


async def judged_again(world: World, derived: Sequence[dict[Feature, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Check that whoever compares models judges the latest reports by the features that the hub derived.

    First all history is read, then as much as is needed from a node with old states, then from one without.
    """
    now = await world.hub.feed_state(FEED)

    async def are_derived(listed: Sequence[Feature], reports: int) -> None:
        found = await rebuild_reports(world.hub, now, listed, since=0, reports=reports)
        wanted = [tuple(each[name] for name in listed) for each in derived[-reports:]]
        assert [each.features(listed) for each in found] == wanted, (reports, listed)

    for listed in LISTS:
        await are_derived(listed, 500)
    monkeypatch.setattr(comparing, "_BLOCKS", 1)
    monkeypatch.setattr(comparing, "_WARM", 30)
    for listed in LISTS:
        await are_derived(listed, 7)

    async def refuse(*_: object) -> None:
        raise ChainUnavailable("missing trie node")

    monkeypatch.setattr(world.hub, "feed_state", refuse)
    for listed in LISTS:
        if Feature.VARIANCE not in listed:  # which remembers all rounds
            await are_derived(listed, 3)
