"""`oracle explain`: why a report was accepted or is held.

The features are rebuilt from the chain's own rounds, and the scores by the integer model. So the explanation is about
exactly what was proven. `oracle.app.explanation` puts it into words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from oracle.app.circuits import deployed_artifact
from oracle.app.detectors import detector_of
from oracle.app.explanation import Account, ExplainedFeed, explain
from oracle.chain.connect import connect
from oracle.chain.deploy import load_deployment
from oracle.chain.hub import Hub, HubFeedConfig, Round, decode_submission
from oracle.config import Config
from oracle.core import encoding, gate
from oracle.core.errors import DataError
from oracle.core.gate import HoldPolicy
from oracle.core.types import FeedState, HeldAnswer, Status

__all__ = ["explain_feed"]


@dataclass(frozen=True)
class _Report:
    """A report to explain.

    Attributes:
        model_number: The model that judged it.
        before: The feed's state before it, as far as features depend on it.
        held: The hold that it is part of; None if it is a round.
    """

    round_id: int
    model_number: int
    before: FeedState
    answer: int
    observed_at: int
    held: HeldAnswer | None


async def explain_feed(config: Config, feed: str, round_id: int | None = None) -> Account:
    """Explain a round of a feed, or its current hold.

    Args:
        config: The configuration.
        feed: The feed's name.
        round_id: The round; None: the hold if there is one, else the latest round.

    Raises:
        DataError: There is no such feed or round.
        ArtifactError: The artifact of the model that judged it is not here.
    """
    deployment = load_deployment(config.chain.deployment)
    if feed not in deployment.feeds:
        raise DataError(f"there is no feed {feed!r}; deployed are: {', '.join(deployment.feeds)}")
    feed_id = deployment.feeds[feed].feed_id
    async with connect(config.chain) as rpc:
        hub = Hub(rpc, deployment.hub)
        terms, now = await hub.feed_config(feed_id), await hub.feed_state(feed_id)
        report = await _find(hub, feed, now, round_id)
        detector = detector_of(deployed_artifact(config, deployment, report.model_number))
        spread = await _spread(hub, deployment.block, now, report) if detector.spread else None
    return explain(
        _explained(feed, terms),
        detector,
        report.before,
        report.answer,
        report.observed_at,
        round_id=report.round_id,
        held=report.held,
        spread=spread,
    )


async def _find(hub: Hub, feed: str, now: FeedState, round_id: int | None) -> _Report:
    """Read the report that a round was made of, or that is held instead of becoming it."""
    next_round = now.round_id + 1
    if round_id is None:
        round_id = next_round if now.held else now.round_id
    if now.round_id == 0 and now.held is None:
        raise DataError(f"feed {feed} has no report yet: there is nothing to explain")
    if not 1 <= round_id <= now.round_id + (now.held is not None):
        held = f"; round {next_round} is held" if now.held else ""
        raise DataError(f"feed {feed} has the rounds 1 to {now.round_id}{held}: there is no round {round_id}")
    if round_id == next_round and now.held is not None:
        return _Report(round_id, now.held.model_number, now, now.held.answer, now.held.observed_at, now.held)
    first = max(1, round_id - encoding.RING_SIZE - 1)
    rounds = await hub.rounds(now.feed_id, first, round_id)
    found = rounds[-1]
    return _Report(round_id, found.model_number, _before(now, rounds), found.answer, found.observed_at, None)


def _explained(name: str, terms: HubFeedConfig) -> ExplainedFeed:
    policy = HoldPolicy(terms.confirmations, terms.confirm_delay, terms.tolerance, terms.max_repeats)
    return ExplainedFeed(name, terms.kind, terms.sigma, terms.heartbeat, terms.decimals, policy)


def _before(now: FeedState, rounds: Sequence[Round]) -> FeedState:
    """Return the feed's state before the last of these rounds, as far as features depend on it."""
    earlier = rounds[:-1]
    empty = gate.empty_feed(now.feed_id, now.kind, now.sigma, now.heartbeat, rounds[-1].model_number)
    if not earlier:
        return empty
    moves = [encoding.move(now.kind, now.sigma, after.answer, before.answer) for before, after in pairwise(earlier)]
    returns = (*reversed(moves), *(0,) * encoding.RING_SIZE)[: encoding.RING_SIZE]
    last = earlier[-1]
    return replace(
        empty,
        status=Status.OK,
        round_id=last.round_id,
        answer=last.answer,
        observed_at=last.observed_at,
        returns=returns,
    )


async def _spread(hub: Hub, first_block: int, feed: FeedState, report: _Report) -> int:
    """Return the spread of a report's answers, from the calldata that carried it."""
    events = await hub.logs(first_block, await hub.rpc.block_number())
    for event in events:
        if (event.feed_id, event.round_id, event.observed_at) != (feed.feed_id, report.round_id, report.observed_at):
            continue
        transaction = await hub.rpc.transaction(event.tx_hash)
        if transaction is None:
            break
        for update in decode_submission(transaction.data).updates:
            if update.feed_id == feed.feed_id:
                answers = [signed.answer for signed in update.observations]
                return encoding.spread(feed.kind, feed.sigma, min(answers), max(answers))
    raise DataError(
        f"the calldata of round {report.round_id} can't be read from this endpoint, so its spread is not known"
    )
