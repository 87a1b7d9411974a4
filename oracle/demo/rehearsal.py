"""The demonstration's replay without proofs and without a chain: the same faults, judged by the same rules.

It answers in seconds what one run can't: how often the gate sees a fault, over many seeds.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from oracle.core import encoding, gate
from oracle.core.types import FeedState, Kind, Outcome
from oracle.demo.acts import Act, acts, follows_a_fault, marked_ticks
from oracle.demo.model import train
from oracle.demo.options import BLOCK_DELAY, DECIMALS, HEARTBEAT, PEERS, POLICY, DemoOptions
from oracle.detectors.evaluation.replay import Scoring

INDICES = ("sp500", "nasdaq")
"""The feeds that have a peer."""


@dataclass(frozen=True)
class Rehearsal:
    """The replays of a demonstration without proofs.

    Attributes:
        seeds: The seeds.
        observations: Observations of one replay.
        false_holds: By seed, how many true values were held.
        after_faults: By seed, how many more were held because the feed's level or a peer's answer was a fault.
        faults: By kind and feed, how often the fault was injected, and how often it was held.
    """

    seeds: tuple[int, ...]
    observations: int
    false_holds: tuple[int, ...]
    after_faults: tuple[int, ...]
    faults: Mapping[tuple[str, str], tuple[int, int]]

    @property
    def mean_false_holds(self) -> float:
        """False holds of a replay on average."""
        return float(Fraction(sum(self.false_holds), len(self.seeds)))

    @property
    def mean_after_faults(self) -> float:
        """True values of a replay that are held after a fault, on average."""
        return float(Fraction(sum(self.after_faults), len(self.seeds)))

    def recall(self, kind: str, feeds: Sequence[str] = INDICES) -> tuple[int, int]:
        """Return how often a kind of fault was injected into some feeds, and how often it was held."""
        counted = [self.faults[key] for key in self.faults if key[0] == kind and key[1] in feeds]
        return sum(injected for injected, _ in counted), sum(held for _, held in counted)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of faults that were injected."""
        return tuple(sorted({kind for kind, _ in self.faults}))


def rehearse(options: DemoOptions, detector: Scoring, sigmas: Mapping[str, int], seeds: Sequence[int]) -> Rehearsal:
    """Replay the demonstration once for each seed, without proofs.

    Args:
        options: What to play; its seed is not used.
        detector: The model.
        sigmas: The feeds' sigmas, in ppm.
        seeds: The seeds of the faults.

    Raises:
        DataError: The start is not a date, or the series have too few days after it.
    """
    injected, held, false_holds, after_faults = Counter[tuple[str, str]](), Counter[tuple[str, str]](), [], []
    observations = 0
    for seed in seeds:
        played = acts(replace(options, seed=seed))
        marked = marked_ticks(played)
        caught, wrong, consequences = set(), 0, 0
        observations = sum(len(readings) for act in played for readings in act.readings.values())
        for act in played:
            for feed, time, level in _holds(act, detector, sigmas):
                fault = marked.get((feed, time))
                if fault is not None:
                    caught.add((fault[0], fault[1].feed, fault[1].first))
                elif follows_a_fault(marked, feed, time, level):
                    consequences += 1
                else:
                    wrong += 1
        false_holds.append(wrong)
        after_faults.append(consequences)
        for number, act in enumerate(played):
            for kind, feed, first in {(each.kind, each.feed, each.first) for each in act.injections}:
                injected[kind, feed] += 1
                held[kind, feed] += (number, feed, first) in caught
    return Rehearsal(
        tuple(seeds),
        observations,
        tuple(false_holds),
        tuple(after_faults),
        {key: (injected[key], held[key]) for key in sorted(injected)},
    )


def rehearse_trained(options: DemoOptions, seeds: Sequence[int]) -> Rehearsal:
    """Train the demonstration's model, and replay with it once for each seed; see `rehearse`.

    Raises:
        ToolMissing: The extra `train` is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="oracle-demo-") as folder:
        model = train(options, Path(folder))
    return rehearse(options, model.detector, model.sigmas, seeds)


def _holds(act: Act, detector: Scoring, sigmas: Mapping[str, int]) -> list[tuple[str, int, int]]:
    """Return of each observation of an act that the gate holds the feed, its time, and the time of the feed's level."""
    ids = {name: bytes([number]) * 32 for number, name in enumerate(act.readings, 1)}
    peers = {name: [peer for peer in PEERS.get(name, ()) if peer in ids] for name in ids}
    states = {
        name: gate.empty_feed(
            feed_id, Kind.RELATIVE, sigmas[name], HEARTBEAT, 1, peers=[ids[peer] for peer in peers[name]]
        )
        for name, feed_id in ids.items()
    }
    days: dict[int, dict[str, int]] = {}
    for name, readings in act.readings.items():
        for reading in readings:
            answer = encoding.answer_from_decimal(reading.value, DECIMALS)
            days.setdefault(reading.observed_at, {})[name] = answer
    held = []
    for moment, answers in sorted(days.items()):
        before = dict(states)
        for name, answer in answers.items():
            states[name], outcome = _judge(before[name], answer, moment, detector, peers[name], answers, sigmas)
            if outcome is Outcome.HELD:
                held.append((name, moment, before[name].observed_at))
    return held


def _judge(
    state: FeedState,
    answer: int,
    moment: int,
    detector: Scoring,
    peers: Sequence[str],
    answers: Mapping[str, int],
    sigmas: Mapping[str, int],
) -> tuple[FeedState, Outcome]:
    beside = [encoding.PeerAnswer(Kind.RELATIVE, sigmas[peer], answers[peer]) for peer in peers]
    features = encoding.features(state, answer, moment, detector.features, tolerance=POLICY.tolerance, peers=beside)
    verdict = gate.judge(
        state,
        POLICY,
        answer,
        moment,
        detector.score_int(features),
        score_unit=detector.score_unit,
        published_at=moment + BLOCK_DELAY,
        peer_answers=[each.answer for each in beside],
    )
    return verdict.state, verdict.outcome
