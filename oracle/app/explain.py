"""Why a report was accepted or is held: the features that the hub had, what they made of the score, what comes next.

For an operator at night. The features are rebuilt from the chain's own rounds, the scores by the integer model: what is
told is what was proven. `explain` is pure; `explain_feed` reads the chain.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from oracle.core import encoding, gate
from oracle.core.errors import DataError
from oracle.core.gate import HoldPolicy
from oracle.core.types import FeedState, HeldAnswer, HoldReason, Kind, Status
from oracle.detectors.interface import Detector, Disclosure, Explanation

if TYPE_CHECKING:
    from oracle.chain.hub import Hub, HubFeedConfig, Round
    from oracle.config import Config

SCAN = 50
"""Thousandths of sigma between two moves that are tried when the accepted range is looked for."""

MOST_PARTS = 5


@dataclass(frozen=True)
class Subject:
    """A feed as the one who explains it needs it.

    Attributes:
        name: In the configuration.
        decimals: Of its answers.
        policy: How a held answer can become a round.
    """

    name: str
    kind: Kind
    sigma: int
    heartbeat: int
    decimals: int
    policy: HoldPolicy


@dataclass(frozen=True)
class Account:
    """What there is to say about one report; also as JSON.

    Attributes:
        feed: Its name.
        round_id: The round that it became, or was meant to be.
        outcome: "accepted", "confirmed" or "held".
        reason: Why it is held, or was until it was confirmed.
        answer: In the feed's own units.
        observed_at: Unix seconds.
        features: As the hub derived them.
        scores: Of the model, whatever it publishes.
        outputs: One explanation for each.
        range: The answers that the model would have accepted then, in the feed's own units; None if none.
        lines: The same in words.
    """

    feed: str
    round_id: int
    outcome: str
    reason: str
    answer: str
    observed_at: int
    features: tuple[int, ...]
    scores: tuple[int, ...]
    outputs: tuple[Explanation, ...]
    range: tuple[str, str] | None
    lines: tuple[str, ...]


def explain(
    subject: Subject,
    detector: Detector,
    state: FeedState,
    answer: int,
    observed_at: int,
    *,
    round_id: int,
    held: HeldAnswer | None = None,
    spread: int | None = None,
) -> Account:
    """Explains one report.

    Args:
        subject: The feed.
        detector: The model that judged it.
        state: The feed before it, as far as features depend on it.
        answer: In answer units.
        observed_at: Unix seconds.
        round_id: That it became, or was meant to be.
        held: The hold that it is part of; None if it was accepted.
        spread: Of the round's answers, for a model that looks at it.
    """
    scored = detector.publishing(Disclosure.SCORE)
    features = encoding.features(state, answer, observed_at, scored.features, spread)
    scores, outputs = scored.score_int(features), scored.explain(features)
    clipped = abs(features[0]) == encoding.CLIP
    objects = max(scores) > 0 or clipped
    outcome = "held" if held else "confirmed" if objects else "accepted"
    reason = held.reason.name.lower() if held else HoldReason.ANOMALOUS.name.lower() if objects else ""
    moves = accepted_moves(scored, features)
    bounds = None if moves is None or state.round_id == 0 else _answers(state, *moves)
    lines = [_headline(subject, state, features, answer, observed_at, outcome, round_id, held)]
    if held is None or held.reason is HoldReason.ANOMALOUS:
        lines += _model_lines(subject, scored, outputs, features, moves, bounds, clipped=clipped)
    if held is not None:
        lines += _next_lines(subject, state, held, bounds)
    elif objects:
        lines.append(
            "it is a round all the same: reports agreed on the level for long enough, or none was near another"
        )
    return Account(
        feed=subject.name,
        round_id=round_id,
        outcome=outcome,
        reason=reason,
        answer=_value(subject, answer),
        observed_at=observed_at,
        features=features,
        scores=scores,
        outputs=outputs,
        range=None if bounds is None else (_value(subject, bounds[0]), _value(subject, bounds[1])),
        lines=tuple(lines),
    )


def accepted_moves(detector: Detector, features: Sequence[int]) -> tuple[int, int] | None:
    """The least and the largest move that the model accepts in a window's place, all else being as it is.

    In thousandths of sigma, below the clip; of the stretch around the smallest accepted move. None if there is none.
    """
    most = encoding.CLIP - 1
    tried = [*range(0, most, SCAN), most]
    grid: list[int] = sorted({*tried, *(-move for move in tried)})
    table = detector.score_many([(move, *features[1:]) for move in grid]).tolist()
    passing = [max(scores) <= 0 for scores in table]
    if not any(passing):
        return None
    centre = min((index for index, passes in enumerate(passing) if passes), key=lambda index: abs(grid[index]))

    def edge(step: int) -> int:
        last = centre
        while 0 <= last + step < len(grid) and passing[last + step]:
            last += step
        if not 0 <= last + step < len(grid):
            return grid[last]
        inside, outside = grid[last], grid[last + step]
        while abs(outside - inside) > 1:
            middle = (inside + outside) // 2
            if max(detector.score_int((middle, *features[1:]))) <= 0:
                inside = middle
            else:
                outside = middle
        return inside

    return edge(-1), edge(1)


def _answers(state: FeedState, low: int, high: int) -> tuple[int, int]:
    """Moves as answers, rounded inwards."""
    return _answer_at(state, low), _answer_at(state, high)


def _answer_at(state: FeedState, move: int) -> int:
    if state.kind is Kind.ABSOLUTE:
        return state.answer + encoding.truncated_quotient(move * state.sigma, 1_000)
    if move >= 0:
        return state.answer + state.answer * move * state.sigma // 10**9
    # Against the smaller of the two: (answer − p) / p = |move|.
    return -(-state.answer * 10**9 // (10**9 - move * state.sigma))


# --- in words ------------------------------------------------------------------------------------------------------


def _headline(
    subject: Subject,
    state: FeedState,
    features: Sequence[int],
    answer: int,
    observed_at: int,
    outcome: str,
    round_id: int,
    held: HeldAnswer | None,
) -> str:
    what = f"{subject.name}: {_value(subject, answer)} of {_moment(observed_at)} is {outcome}"
    what += f", instead of becoming round {round_id}" if outcome == "held" else f" as round {round_id}"
    if state.round_id == 0:
        return f"{what}: the feed's first, so there is no move to judge"
    if held is not None and held.reason is HoldReason.NOT_POSITIVE:
        return f"{what}: a relative feed has no measure for an answer of zero or less, and takes none"
    if held is not None and held.reason is HoldReason.REPEATED:
        return (
            f"{what}: it is the last answer again, more than {subject.policy.max_repeats} times in a row; "
            "a market never stands still for so long"
        )
    elapsed = observed_at - state.observed_at
    return (
        f"{what}: moved {_change(subject, state, answer)} ({_sigmas(features[0] / 1_000, signed=True)}) "
        f"in {_elapsed(elapsed)} ({_beats(elapsed, subject.heartbeat)}), from {_value(subject, state.answer)}"
    )


def _model_lines(
    subject: Subject,
    detector: Detector,
    outputs: Sequence[Explanation],
    features: Sequence[int],
    moves: tuple[int, int] | None,
    bounds: tuple[int, int] | None,
    *,
    clipped: bool,
) -> list[str]:
    lines = []
    past = detector.features - (3 if detector.spread else 2)
    if moves is None:
        lines.append(f"after the last {past} moves the model {detector.name} accepts no move at all")
    elif bounds is not None:
        low, high = (_sigmas(move / 1_000, signed=True) for move in moves)
        lines.append(
            f"after the last {past} moves the model {detector.name} accepts {low} to {high}: "
            f"{_value(subject, bounds[0])} to {_value(subject, bounds[1])}"
        )
    if clipped:
        lines.append(
            f"a move of {_sigmas(encoding.CLIP / 1_000)} or more is beyond what can be measured, and held whatever "
            "the model says"
        )
    for output in sorted(outputs, key=lambda each: -_pressure(each)):
        verdict = "objects" if output.objects else "passes"
        if output.measured is None or output.limit is None:
            lines.append(f"{output.output} {verdict}: {output.score:+.3g} score units, 0 is the limit")
        else:
            lines.append(
                f"{output.output} {verdict}: {output.meaning} is {_sigmas(output.measured)}, of at most "
                f"{_sigmas(output.limit)}"
            )
        if output.objects:
            parts = sorted(output.parts.items(), key=lambda part: -abs(part[1]))
            told = [f"{name} {value:+.3g}" for name, value in parts if value]
            rest = f", and {len(told) - MOST_PARTS} smaller ones" if len(told) > MOST_PARTS else ""
            lines.append(f"  made of (score units): {', '.join(told[:MOST_PARTS])}{rest}")
    largest = max(features[1 : past + 1], key=abs, default=0)
    if abs(largest) > 3_000:
        age = features[1 : past + 1].index(largest) + 1
        lines.append(
            f"the largest past move is {_sigmas(largest / 1_000, signed=True)}, {age} "
            f"round{'s' if age > 1 else ''} ago, and still widens the limits"
        )
    return lines


def _next_lines(subject: Subject, state: FeedState, held: HeldAnswer, bounds: tuple[int, int] | None) -> list[str]:
    if held.reason is HoldReason.NOT_POSITIVE:
        return ["to clear it: any report above zero that the model accepts; it can't be confirmed"]
    if held.reason is HoldReason.REPEATED:
        return [
            f"to clear it: any report other than {_value(subject, state.answer)} that the model accepts; it can't be "
            "confirmed: see whether the sources are stuck"
        ]
    policy = subject.policy
    lines = []
    if bounds is not None:
        lines.append(
            f"to clear it: a report from {_value(subject, bounds[0])} to {_value(subject, bounds[1])}, or further away "
            "the later it is observed"
        )
    needed, missing = max(1, policy.confirmations), max(0, max(1, policy.confirmations) - held.confirmations)
    near = replace(state, answer=held.first_answer)
    low, high = (_value(subject, value) for value in _answers(near, -policy.tolerance, policy.tolerance))
    since = held.first_observed_at + policy.confirm_delay
    lines.append(
        f"to confirm it as the new level: {missing} more report{'s' if missing != 1 else ''} from {low} to {high} "
        f"({held.confirmations} of {needed} so far), the last observed at {_moment(since)} or later"
    )
    lines.append(
        f"if reports agree on no level: it ends with the {gate.PATIENCE * (needed + 1)}th anomalous report in a row "
        f"({held.anomalies} so far), observed at "
        f"{_moment(held.anomalous_since + gate.PATIENCE * policy.confirm_delay)} or later"
    )
    return lines


def _pressure(output: Explanation) -> float:
    if output.measured is None or not output.limit:
        return output.score
    return output.measured / output.limit


def _change(subject: Subject, state: FeedState, answer: int) -> str:
    if subject.kind is Kind.ABSOLUTE:
        return f"{encoding.decimal_from_answer(answer - state.answer, subject.decimals):+f}"
    return f"{(answer / state.answer - 1) * 100:+.2f} %"


def _sigmas(value: float, *, signed: bool = False) -> str:
    return f"{value:+.1f} σ" if signed else f"{value:.1f} σ"


def _elapsed(seconds: int) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds} s"


def _beats(seconds: int, heartbeat: int) -> str:
    beats = seconds / heartbeat
    return "less than one heartbeat" if beats < 1 else f"{beats:.3g} heartbeat{'s' if beats != 1 else ''}"


def _value(subject: Subject, answer: int) -> str:
    text = f"{encoding.decimal_from_answer(answer, subject.decimals):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _moment(seconds: int) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


# --- from the chain ------------------------------------------------------------------------------------------------


async def explain_feed(config: Config, feed: str, round_id: int | None = None) -> Account:
    """Explains a round of a feed, or its current hold; without a round the hold if there is one, else the latest.

    Raises:
        DataError: There is no such feed or round.
        ArtifactError: The artifact of the model that judged it is not here.
    """
    from oracle.app.circuits import deployed_artifact
    from oracle.app.detectors import detector_of
    from oracle.chain.connect import connect
    from oracle.chain.deploy import load_deployment
    from oracle.chain.hub import Hub

    deployment = load_deployment(config.chain.deployment)
    if feed not in deployment.feeds:
        raise DataError(f"there is no feed {feed!r}; deployed are: {', '.join(deployment.feeds)}")
    deployed = deployment.feeds[feed]
    async with connect(config.chain) as rpc:
        hub = Hub(rpc, deployment.hub)
        terms, now = await hub.feed_config(deployed.feed_id), await hub.feed_state(deployed.feed_id)
        subject = _subject(feed, terms)
        next_round = now.round_id + 1
        if round_id is None:
            round_id = next_round if now.held else now.round_id
        if now.round_id == 0 and now.held is None:
            raise DataError(f"feed {feed} has no report yet: there is nothing to explain")
        if not 1 <= round_id <= now.round_id + (now.held is not None):
            held = f"; round {next_round} is held" if now.held else ""
            raise DataError(f"feed {feed} has the rounds 1 to {now.round_id}{held}: there is no round {round_id}")
        if round_id == next_round and now.held is not None:
            held_now = now.held
            number, state, answer, observed_at = held_now.model_number, now, held_now.answer, held_now.observed_at
        else:
            held_now = None
            first = max(1, round_id - encoding.RING_SIZE - 1)
            rounds = await hub.rounds(deployed.feed_id, first, round_id)
            state, subject_round = _before(now, rounds), rounds[-1]
            number, answer, observed_at = subject_round.model_number, subject_round.answer, subject_round.observed_at
        detector = detector_of(deployed_artifact(config, deployment, number))
        spread = None
        if detector.spread:
            spread = await _spread(hub, deployment.block, now, round_id, observed_at)
        return explain(subject, detector, state, answer, observed_at, round_id=round_id, held=held_now, spread=spread)


def _subject(name: str, terms: HubFeedConfig) -> Subject:
    policy = HoldPolicy(terms.confirmations, terms.confirm_delay, terms.tolerance, terms.max_repeats)
    return Subject(name, terms.kind, terms.sigma, terms.heartbeat, terms.decimals, policy)


def _before(now: FeedState, rounds: Sequence[Round]) -> FeedState:
    """The feed before the last of these rounds, as far as features depend on it."""
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


async def _spread(hub: Hub, first_block: int, feed: FeedState, round_id: int, observed_at: int) -> int:
    """How far apart the answers of a report were, from the calldata that carried it."""
    from oracle.chain.hub import decode_submission

    events = await hub.logs(first_block, await hub.rpc.block_number())
    for event in events:
        if (event.feed_id, event.round_id, event.observed_at) != (feed.feed_id, round_id, observed_at):
            continue
        transaction = await hub.rpc.transaction(event.tx_hash)
        if transaction is None:
            break
        for update in decode_submission(transaction.data).updates:
            if update.feed_id == feed.feed_id:
                answers = [signed.answer for signed in update.observations]
                return encoding.spread(feed.kind, feed.sigma, min(answers), max(answers))
    raise DataError(f"the calldata of round {round_id} is not to be had from this endpoint: its spread is not known")
