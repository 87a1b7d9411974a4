"""The explanation of one report, in numbers and in words: what the model saw, what it made of it, what comes next.

It is for an operator at night. Everything here is pure: `oracle.app.explain` reads the chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from oracle.core import encoding, gate
from oracle.core.encoding import Feature, PeerAnswer
from oracle.core.gate import HoldPolicy
from oracle.core.times import readable, span
from oracle.core.types import FeedState, HeldAnswer, HoldReason, Kind
from oracle.detectors.interface import Detector, Disclosure, Explanation

__all__ = ["Account", "ExplainedFeed", "accepted_moves", "explain"]

SCAN = 50
"""Thousandths of sigma between two moves that are tried when the accepted range is looked for."""

MOST_PARTS = 5
"""The number of parts of a score that are shown."""


@dataclass(frozen=True)
class ExplainedFeed:
    """The settings of a feed that an explanation depends on.

    Attributes:
        name: Its name in the configuration.
        decimals: The number of decimals of its answers.
        policy: The rules by which a held answer can become a round.
    """

    name: str
    kind: Kind
    sigma: int
    heartbeat: int
    decimals: int
    policy: HoldPolicy


@dataclass(frozen=True)
class SignedContext:
    """The part of the features that comes from the signed report, beside the answer.

    Attributes:
        spread: How far apart the reporters' answers are, in thousandths of sigma.
        count: How many reporters have an answer.
        peers: The answers of the feed's peers.
    """

    spread: int = 0
    count: int = 1
    peers: tuple[PeerAnswer, ...] = ()


@dataclass(frozen=True)
class Account:
    """An explanation of one report. `--json` prints it as it is.

    Attributes:
        feed: The feed's name.
        round_id: The round that the report became, or was meant to be.
        outcome: "accepted", "confirmed" or "held".
        reason: Why it is held, or was held until it was confirmed.
        answer: The answer, in the feed's own units.
        observed_at: Unix seconds.
        features: The features, as the hub derived them.
        scores: The model's scores, even if it publishes verdicts only.
        outputs: One explanation for each score.
        range: The lowest and the highest answer that the model would have accepted then, in the feed's own units; None
            if it would have accepted none.
        lines: The explanation in words.
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
    feed: ExplainedFeed,
    detector: Detector,
    state: FeedState,
    answer: int,
    observed_at: int,
    *,
    round_id: int,
    held: HeldAnswer | None = None,
    signed: SignedContext | None = None,
) -> Account:
    """Explain one report.

    Args:
        feed: The feed.
        detector: The model that judged the report.
        state: The feed's state before the report, as far as features depend on it.
        answer: The answer, in answer units.
        observed_at: Unix seconds.
        round_id: The round that the report became, or was meant to be.
        held: The hold that the report is part of; None if it was accepted.
        signed: What the features take from the signed report; default: of one reporter, without peers.
    """
    scored = detector.publishing(Disclosure.SCORE)
    signed = signed or SignedContext()
    features = encoding.features(
        state,
        answer,
        observed_at,
        scored.features,
        tolerance=feed.policy.tolerance,
        spread=signed.spread,
        count=signed.count,
        peers=signed.peers,
    )
    scores, outputs = scored.score_int(features), scored.explain(features)
    clipped = abs(_move(scored, features)) == encoding.CLIP
    objects = max(scores) > 0 or clipped
    outcome = "held" if held else "confirmed" if objects else "accepted"
    reason = held.reason.name.lower() if held else HoldReason.ANOMALOUS.name.lower() if objects else ""
    moves = accepted_moves(scored, features)
    bounds = None if moves is None or state.round_id == 0 else _answers(state, *moves)
    lines = [_headline(feed, state, _move(scored, features), answer, observed_at, outcome, round_id, held)]
    if held is None or held.reason is HoldReason.ANOMALOUS:
        lines += _model_lines(feed, scored, outputs, features, moves, bounds, clipped=clipped)
    if held is not None:
        lines += _next_lines(feed, state, held, bounds)
    elif objects:
        lines.append("it still became a round: reports agreed on the level for long enough, or none was near another")
    return Account(
        feed=feed.name,
        round_id=round_id,
        outcome=outcome,
        reason=reason,
        answer=_value(feed, answer),
        observed_at=observed_at,
        features=features,
        scores=scores,
        outputs=outputs,
        range=None if bounds is None else (_value(feed, bounds[0]), _value(feed, bounds[1])),
        lines=tuple(lines),
    )


def accepted_moves(detector: Detector, features: Sequence[int]) -> tuple[int, int] | None:
    """Return the least and the largest move that the model accepts, with the window's other features as they are.

    Both are in thousandths of sigma, and below the clip. Accepted moves may form several ranges: these two are the ends
    of the range that has the smallest accepted move. None: the model accepts no move.

    Args:
        detector: The model.
        features: The window; the move now is replaced.
    """
    at = detector.features.index(Feature.MOVE)
    before, after = features[:at], features[at + 1 :]
    most = encoding.CLIP - 1
    tried = [*range(0, most, SCAN), most]
    grid: list[int] = sorted({*tried, *(-move for move in tried)})
    table = detector.score_many([(*before, move, *after) for move in grid]).tolist()
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
            if max(detector.score_int((*before, middle, *after))) <= 0:
                inside = middle
            else:
                outside = middle
        return inside

    return edge(-1), edge(1)


def _answers(state: FeedState, low: int, high: int) -> tuple[int, int]:
    """Return moves as answers, rounded inwards."""
    return _answer_at(state, low), _answer_at(state, high)


def _answer_at(state: FeedState, move: int) -> int:
    if state.kind is Kind.ABSOLUTE:
        return state.answer + encoding.truncated_quotient(move * state.sigma, 1_000)
    if move >= 0:
        return state.answer + state.answer * move * state.sigma // 10**9
    # A fall is measured against the new, smaller answer p: (answer − p) / p = |move|.
    return -(-state.answer * 10**9 // (10**9 - move * state.sigma))


# --- in words ------------------------------------------------------------------------------------------------------


def _headline(
    feed: ExplainedFeed,
    state: FeedState,
    move: int,
    answer: int,
    observed_at: int,
    outcome: str,
    round_id: int,
    held: HeldAnswer | None,
) -> str:
    what = f"{feed.name}: {_value(feed, answer)} of {readable(observed_at)} UTC is {outcome}"
    what += f", instead of becoming round {round_id}" if outcome == "held" else f" as round {round_id}"
    if state.round_id == 0:
        return f"{what}: the feed's first, so there is no move to judge"
    if held is not None and held.reason is HoldReason.NOT_POSITIVE:
        return f"{what}: a relative feed has no measure for an answer of zero or less, and takes none"
    if held is not None and held.reason is HoldReason.REPEATED:
        return (
            f"{what}: it is the last answer again, more than {feed.policy.max_repeats} times in a row; "
            "a market never stands still for so long"
        )
    elapsed = observed_at - state.observed_at
    return (
        f"{what}: moved {_change(feed, state, answer)} ({_sigmas(move / 1_000, signed=True)}) "
        f"in {span(elapsed)} ({_beats(elapsed, feed.heartbeat)}), from {_value(feed, state.answer)}"
    )


def _model_lines(
    feed: ExplainedFeed,
    detector: Detector,
    outputs: Sequence[Explanation],
    features: Sequence[int],
    moves: tuple[int, int] | None,
    bounds: tuple[int, int] | None,
    *,
    clipped: bool,
) -> list[str]:
    lines = []
    past = [value for feature, value in zip(detector.features, features, strict=True) if feature in encoding.PAST]
    if moves is None:
        lines.append(f"after the last {len(past)} moves the model {detector.name} accepts no move at all")
    elif bounds is not None:
        low, high = (_sigmas(move / 1_000, signed=True) for move in moves)
        lines.append(
            f"after the last {len(past)} moves the model {detector.name} accepts {low} to {high}: "
            f"{_value(feed, bounds[0])} to {_value(feed, bounds[1])}"
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
    largest = max(past, key=abs, default=0)
    if abs(largest) > 3_000:
        age = past.index(largest) + 1
        lines.append(
            f"the largest past move is {_sigmas(largest / 1_000, signed=True)}, {age} "
            f"round{'s' if age > 1 else ''} ago, and still widens the limits"
        )
    return lines


def _next_lines(feed: ExplainedFeed, state: FeedState, held: HeldAnswer, bounds: tuple[int, int] | None) -> list[str]:
    if held.reason is HoldReason.NOT_POSITIVE:
        return ["to clear it: any report above zero that the model accepts; it can't be confirmed"]
    if held.reason is HoldReason.REPEATED:
        return [
            f"to clear it: any report other than {_value(feed, state.answer)} that the model accepts; it can't be "
            "confirmed: see whether the sources are stuck"
        ]
    policy = feed.policy
    lines = []
    if bounds is not None:
        lines.append(
            f"to clear it: a report from {_value(feed, bounds[0])} to {_value(feed, bounds[1])}, or further away "
            "the later it is observed, but not near the first held answer"
        )
    needed, missing = max(1, policy.confirmations), max(0, max(1, policy.confirmations) - held.confirmations)
    near = replace(state, answer=held.first_answer)
    low, high = (_value(feed, value) for value in _answers(near, -policy.tolerance, policy.tolerance))
    since = max(held.first_observed_at, held.first_seen_at) + policy.confirm_delay
    outlasted = max(held.anomalous_since, held.anomalous_seen_at) + gate.PATIENCE * policy.confirm_delay
    lines.append(
        f"to confirm it as the new level: {missing} more report{'s' if missing != 1 else ''} from {low} to {high} "
        f"({held.confirmations} of {needed} so far), the last observed and mined at {readable(since)} UTC or later"
    )
    lines.append(
        f"if reports agree on no level: it ends with the {gate.PATIENCE * (needed + 1)}th anomalous report in a row "
        f"({held.anomalies} so far), observed and mined at {readable(outlasted)} UTC or later"
    )
    return lines


def _move(detector: Detector, features: Sequence[int]) -> int:
    return features[detector.features.index(Feature.MOVE)]


def _pressure(output: Explanation) -> float:
    if output.measured is None or not output.limit:
        return output.score
    return output.measured / output.limit


def _change(feed: ExplainedFeed, state: FeedState, answer: int) -> str:
    if feed.kind is Kind.ABSOLUTE:
        return f"{encoding.decimal_from_answer(answer - state.answer, feed.decimals):+f}"
    return f"{(answer / state.answer - 1) * 100:+.2f} %"


def _sigmas(value: float, *, signed: bool = False) -> str:
    return f"{value:+.1f} σ" if signed else f"{value:.1f} σ"


def _beats(seconds: int, heartbeat: int) -> str:
    beats = seconds / heartbeat
    return "less than one heartbeat" if beats < 1 else f"{beats:.3g} heartbeat{'s' if beats != 1 else ''}"


def _value(feed: ExplainedFeed, answer: int) -> str:
    text = f"{encoding.decimal_from_answer(answer, feed.decimals):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
