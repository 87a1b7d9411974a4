"""What is made of replays and trials: rates with intervals, real shocks, flips, a curve, and a cap to compare with."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from oracle.core import encoding
from oracle.core.errors import DataError
from oracle.core.statistics import Rate, clustered, percentile, wilson
from oracle.core.types import Kind
from oracle.detectors.evaluation.recording import FeedSettings, Prepared, Tick
from oracle.detectors.evaluation.replay import Judge, Replay, Scoring, replay
from oracle.detectors.evaluation.trials import Trial, TrialResult, place, try_all
from oracle.detectors.interface import Explanation
from oracle.sources.faults import Fault

if TYPE_CHECKING:
    import numpy as np
    import onnx

    from oracle.detectors.interface import Detector

__all__ = [
    "Comparison",
    "Evaluation",
    "FaultRate",
    "StaticCap",
    "compare",
    "scaled_to",
    "severity",
]

SHOCKS = 20
"""The largest real moves that are listed."""

SHOCK_SPACING = encoding.RING_SIZE
"""Ticks between two that are listed: a crash is one shock."""

_FOLLOWS = 2
"""Ticks after a shock within which a hold is counted as its own."""

FACTORS = tuple(round(2 ** (step / 3), 4) for step in range(-3, 6))
"""By which limits are scaled for the curve: from a half to about three times."""

CURVE_SPIKES = "spike"

PER = 10_000


@dataclass(frozen=True, slots=True)
class FaultRate:
    """What became of the faults of one kind.

    Attributes:
        tried: Places that were not disturbed by a hold of the recording itself.
        disturbed: Those that were.
        recall: Caught of tried. Of real shocks: those that were held at all.
        latency: Median of the ticks until the first hold, of those that were caught.
        latency_p95: Likewise.
        latency_s: Median, in seconds.
        written: Mean of the faulty answers that became rounds.
        worst: 95th percentile of the largest written error; relative, on absolute feeds in sigmas.
        held: Mean of the held reports.
        held_max: The most of them.
        held_s_max: The longest hold, in seconds.
        after: Mean of the true reports held afterwards.
        cleared: Those after which a true report was accepted within the bound.
        silent: Mean of the ticks without a report.
    """

    kind: str
    group: str
    size: float
    ticks: int
    real: bool
    tried: int
    disturbed: int
    recall: Rate
    latency: float | None
    latency_p95: float | None
    latency_s: float | None
    written: float
    worst: float
    held: float
    held_max: int
    held_s_max: int
    after: float
    cleared: Rate
    silent: float


@dataclass(frozen=True, slots=True)
class Shock:
    """A real move, one of the largest.

    Attributes:
        move: Relative, or on absolute feeds in sigmas.
        sigmas: The move against what the time gap allows.
        held: Reports held in a row from it on.
        held_s: Seconds from the first of them to the first accepted one.
    """

    index: int
    time: int
    move: float
    sigmas: float
    held: int
    held_s: int


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """False holds and recall with all limits scaled by a factor."""

    factor: float
    false_holds: float
    recall: float


@dataclass(frozen=True)
class Evaluation:
    """One detector on one recording.

    Attributes:
        matched: Name of the detector whose false holds this cap was given; None for what was to be evaluated.
        clean: The recording's own replay.
        false_holds: Held reports of it.
        episodes: Holds, of one or more reports each.
        longest: Reports of the longest one.
        longest_s: Seconds of the longest one.
        reasons: Held reports by reason.
        silent: Ticks without a report.
        flips: Verdicts that the float formula gives otherwise; None where that can't be told.
        severities: How near each report that counts was to its limit: above 1 the detector objects.
        factor: By which its limits were scaled.
    """

    name: str
    matched: str | None
    clean: Replay
    false_holds: Rate
    episodes: int
    longest: int
    longest_s: int
    reasons: dict[str, int]
    silent: int
    shocks: tuple[Shock, ...]
    faults: tuple[FaultRate, ...]
    flips: Rate | None
    curve: tuple[CurvePoint, ...]
    severities: Sequence[float]
    factor: float = 1.0

    def fault(self, kind: str) -> FaultRate | None:
        return next((fault for fault in self.faults if fault.kind == kind), None)

    def pooled(self, group: str) -> Rate:
        """Recall over all kinds of a group."""
        of = [fault.recall for fault in self.faults if fault.group == group]
        return wilson(sum(rate.hits for rate in of), sum(rate.of for rate in of))


@dataclass(frozen=True)
class Comparison:
    """Detectors on one recording, each with the cap that has as many false holds.

    Attributes:
        skipped: Faults that could not be tried, and why.
        scale_to: False holds per 10,000 that all were scaled to, with hindsight; None: they are as they were given.
    """

    prepared: Prepared
    seed: int
    evaluations: tuple[Evaluation, ...]
    caps: tuple[Evaluation, ...]
    skipped: dict[str, str]
    scale_to: float | None = None

    def cap_of(self, evaluation: Evaluation) -> Evaluation:
        return next(cap for cap in self.caps if cap.matched == evaluation.name)

    @property
    def all(self) -> tuple[Evaluation, ...]:
        return tuple(each for pair in zip(self.evaluations, self.caps, strict=True) for each in pair)


@dataclass(frozen=True, slots=True)
class StaticCap:
    """The honest baseline: no move above a limit, whatever the market does.

    Attributes:
        limit: In thousandths of sigma.
    """

    limit: int
    name: str = "cap"
    features: int = 3
    spread: bool = False

    @property
    def score_unit(self) -> int:
        return self.limit

    def score_int(self, features: Sequence[int]) -> tuple[int, ...]:
        return (abs(features[0]) - self.limit,)

    def score_many(self, windows: Sequence[Sequence[int]]) -> Iterable[Iterable[int]]:
        return [self.score_int(window) for window in windows]

    def explain(self, features: Sequence[int]) -> tuple[Explanation, ...]:
        score = abs(features[0]) / self.limit - 1
        return (Explanation("cap", score, {}, abs(features[0]) / 1_000, self.limit / 1_000, "the move now"),)


@dataclass(slots=True)
class _Scaled:
    """A detector whose limits are all scaled: it objects where the severity is above the factor."""

    inner: Scoring
    factor: float
    known: dict[tuple[int, ...], float]
    score_unit: int = 1

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def features(self) -> int:
        return self.inner.features

    @property
    def spread(self) -> bool:
        return self.inner.spread

    def severity(self, window: tuple[int, ...]) -> float:
        if window not in self.known:
            self.known[window] = severity(self.inner, window)
        return self.known[window]

    def score_int(self, features: Sequence[int]) -> tuple[int, ...]:
        return (1 if self.severity(tuple(features)) > self.factor else -1,)

    def score_many(self, windows: Sequence[Sequence[int]]) -> Iterable[Iterable[int]]:
        return [self.score_int(window) for window in windows]

    def explain(self, features: Sequence[int]) -> tuple[Explanation, ...]:
        value = self.severity(tuple(features)) / self.factor
        return (Explanation("scaled", value - 1, {}, None, None, "in parts of the scaled limits"),)


def severity(detector: Scoring, window: Sequence[int]) -> float:
    """What the detector measures, in parts of what it allows: the largest of its outputs; above 1 it objects.

    Where an output has no such measure, 1 more than its score in score units is taken.
    """
    return max(_severity(part) for part in detector.explain(window))


def _severity(part: Explanation) -> float:
    if part.measured is not None and part.limit is not None and part.limit > 0:
        return part.measured / part.limit
    return 1 + part.score


def compare(
    detectors: Sequence[Detector],
    prepared: Prepared,
    faults: Sequence[Fault],
    *,
    count: int,
    seed: int,
    curve: bool = True,
    scale_to: float | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> Comparison:
    """Evaluate detectors on a recording, and beside each the cap that has as many false holds.

    Args:
        detectors: Of distinct names.
        prepared: The recording.
        faults: What to inject.
        count: Places for each fault.
        seed: Of the places, and of what a fault draws.
        curve: Whether to scale limits for the curve of recall against false holds, which takes longest.
        scale_to: Scale the limits of each detector, and choose the caps, so that on these very ticks at most so many
            of 10,000 reports are held: with hindsight, but the same for all.
        progress: Told each step before it begins.

    Raises:
        DataError: Two detectors of a name, or one that needs features which the recording can't give.
    """
    names = [detector.name for detector in detectors]
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"two models are called {name!r}; give one of them another name")
    progress(f"{len(faults)} kinds of fault at {count} places each")
    trials: list[Trial] = []
    skipped: dict[str, str] = {}
    for fault in faults:
        placed = place(prepared, fault, count, seed)
        trials += placed
        if not placed:
            skipped[fault.kind] = _why_skipped(fault, prepared)
    evaluations, caps = [], []
    known: dict[int, Evaluation] = {}
    for detector in detectors:
        if detector.spread and len(prepared.recording.venues) < 2:
            raise DataError(
                f"model {detector.name} judges the spread between venues; {prepared.recording.name} has one only"
            )
        progress(f"{detector.name}: replay and faults")
        if scale_to is None:
            found = evaluate(detector, prepared, trials, curve=curve, flips=detector)
            holds = found.false_holds.hits
        else:
            holds = int(scale_to * (len(prepared.history) - prepared.history.number(prepared.begin)) / PER)
            scaled = scaled_to(detector, prepared, holds)
            found = replace(evaluate(scaled, prepared, trials, curve=curve), factor=scaled.factor)
        progress(f"{detector.name}: the cap with as many false holds")
        cap = matching_cap(prepared, holds)
        if cap.limit not in known:
            # All caps have one curve.
            known[cap.limit] = evaluate(cap, prepared, trials, curve=curve and not known)
        evaluations.append(found)
        caps.append(replace(known[cap.limit], matched=found.name))
    return Comparison(prepared, seed, tuple(evaluations), tuple(caps), skipped, scale_to)


def _why_skipped(fault: Fault, prepared: Prepared) -> str:
    if fault.needs_others and not prepared.recording.others:
        return "needs another asset's series (--other)"
    if fault.source and len(prepared.recording.venues) < 2:
        return "needs several venues (--value-column, more than once)"
    return f"fits nowhere: it lasts {fault.ticks} ticks, or changes nothing"


def evaluate(
    detector: Scoring,
    prepared: Prepared,
    trials: Sequence[Trial],
    *,
    curve: bool,
    flips: Detector | None = None,
) -> Evaluation:
    """Replay the recording and each trial."""
    judge = Judge(detector, prepared.feed)
    clean = replay(judge, prepared)
    episodes = _episodes(clean)
    results = try_all(judge, prepared, clean, trials)
    severities = [severity(detector, clean.window(number)) for number in clean.numbers]
    return Evaluation(
        name=detector.name,
        matched=None,
        clean=clean,
        false_holds=clustered(clean.holds(), len(episodes), len(clean.numbers)),
        episodes=len(episodes),
        longest=max((rounds for rounds, _ in episodes), default=0),
        longest_s=max((seconds for _, seconds in episodes), default=0),
        reasons=dict(Counter(clean.reason(number).name.lower() for number in clean.numbers if clean.held(number))),
        silent=prepared.evaluated - len(clean.numbers),
        shocks=shocks(prepared, clean),
        faults=tuple(_fault_rates(trials, results)),
        flips=None if flips is None else count_flips(flips, clean, trials),
        curve=_curve(detector, prepared, clean, trials) if curve else (),
        severities=severities,
    )


def _episodes(clean: Replay) -> list[tuple[int, int]]:
    """Holds of the recording: reports and seconds of each, until the first accepted report."""
    found = []
    started: int | None = None
    for number in clean.numbers:
        if clean.held(number) and started is None:
            started = number
        if started is not None and not clean.held(number):
            found.append((number - started, _seconds(clean, started, number)))
            started = None
    if started is not None:
        found.append((len(clean.history) - started, _seconds(clean, started, len(clean.history) - 1)))
    return found


def _seconds(clean: Replay, start: int, end: int) -> int:
    return clean.history.ticks[end].time - clean.history.ticks[start].time


def shocks(prepared: Prepared, clean: Replay) -> tuple[Shock, ...]:
    """The SHOCKS largest moves of the recording against what their time gap allows, SHOCK_SPACING reports apart."""
    feed, history = prepared.feed, clean.history
    moves: list[tuple[float, float, int]] = []
    for number in clean.numbers:
        sigmas, move = _move(feed, history.answers[number - 1], history.answers[number])
        moves.append((abs(sigmas) / math.sqrt(history.gaps[number] / encoding.GAP_ONE), move, number))
    chosen: list[tuple[float, float, int]] = []
    for sigmas, move, number in sorted(moves, key=lambda item: (-item[0], item[2])):
        if len(chosen) == SHOCKS:
            break
        if all(abs(number - other) >= SHOCK_SPACING for _, _, other in chosen):
            chosen.append((sigmas, move, number))
    return tuple(
        Shock(history.indices[number], history.ticks[number].time, move, sigmas, *_hold_after(clean, number))
        for sigmas, move, number in chosen
    )


def _move(feed: FeedSettings, earlier: int, later: int) -> tuple[float, float]:
    """In sigmas, and relative (absolute feeds: in sigmas again)."""
    difference = later - earlier
    if feed.kind is Kind.ABSOLUTE:
        return difference / feed.sigma, difference / feed.sigma
    relative = difference / min(earlier, later)
    return relative * 1_000_000 / feed.sigma, difference / earlier


def _hold_after(clean: Replay, number: int) -> tuple[int, int]:
    """The longest hold that is on at a shock or begins right after it: reports from the shock on, and seconds."""
    longest = (0, 0)
    for start in range(number, min(number + _FOLLOWS + 1, len(clean.history))):
        end = start
        while end < len(clean.history) and clean.held(end):
            end += 1
        if end > start:
            longest = max(longest, (end - start, _seconds(clean, start, min(end, len(clean.history) - 1))))
    return longest


def _fault_rates(trials: Sequence[Trial], results: Sequence[TrialResult | None]) -> Iterable[FaultRate]:
    by_kind: dict[str, list[tuple[Trial, TrialResult | None]]] = {}
    for trial, result in zip(trials, results, strict=True):
        by_kind.setdefault(trial.fault.kind, []).append((trial, result))
    for kind, found in by_kind.items():
        fault = found[0][0].fault
        good = [result for _, result in found if result is not None]
        latencies = [result.latency for result in good if result.latency is not None]
        seconds = [result.latency_s for result in good if result.latency_s is not None]
        of = max(1, len(good))
        # A shock that looks real is not to be caught: what is told of it is how often it is held at all.
        caught = sum(result.held > 0 if fault.real else result.caught for result in good)
        yield FaultRate(
            kind=kind,
            group=fault.group,
            size=fault.size,
            ticks=fault.ticks,
            real=fault.real,
            tried=len(good),
            disturbed=len(found) - len(good),
            recall=wilson(caught, len(good)),
            latency=percentile(latencies, 50) if latencies else None,
            latency_p95=percentile(latencies, 95) if latencies else None,
            latency_s=percentile(seconds, 50) if seconds else None,
            written=sum(result.written for result in good) / of,
            worst=percentile([result.worst for result in good], 95) if good else 0.0,
            held=sum(result.held for result in good) / of,
            held_max=max((result.held for result in good), default=0),
            held_s_max=max((result.held_s for result in good), default=0),
            after=sum(result.after for result in good) / of,
            cleared=wilson(sum(result.cleared for result in good), len(good)),
            silent=sum(result.silent for result in good) / of,
        )


def matching_cap(prepared: Prepared, holds: int) -> StaticCap:
    """The lowest cap with at most so many held reports on the same ticks: no cap does better at these."""
    low, high = 1, encoding.CLIP
    while low < high:
        middle = (low + high) // 2
        objections = [abs(move) > middle for move in prepared.history.moves]
        if replay(Judge(StaticCap(middle), prepared.feed), prepared, objections).holds() <= holds:
            high = middle
        else:
            low = middle + 1
    return StaticCap(low)


def scaled_to(detector: Scoring, prepared: Prepared, holds: int) -> _Scaled:
    """The detector with its limits scaled as low as at most so many held reports on these ticks allow."""
    known: dict[tuple[int, ...], float] = {}
    history = prepared.history
    plain = Judge(detector, prepared.feed)
    first = _Scaled(detector, 1.0, known)
    severities = [first.severity(plain.plain_window(history, number)) for number in range(len(history))]
    low, high = _LEAST_FACTOR, _MOST_FACTOR
    while high / low > 1 + _FACTOR_STEP:
        middle = math.sqrt(low * high)
        judge = Judge(_Scaled(detector, middle, known), prepared.feed)
        if replay(judge, prepared, [value > middle for value in severities]).holds() <= holds:
            high = middle
        else:
            low = middle
    return _Scaled(detector, high, known)


_LEAST_FACTOR, _MOST_FACTOR, _FACTOR_STEP = 0.02, 50.0, 0.001


def _curve(detector: Scoring, prepared: Prepared, clean: Replay, trials: Sequence[Trial]) -> tuple[CurvePoint, ...]:
    spikes = [trial for trial in trials if trial.fault.group == CURVE_SPIKES]
    if not spikes:
        return ()
    # Windows share their severities between all factors.
    known: dict[tuple[int, ...], float] = {}
    scaled = _Scaled(detector, 1.0, known)
    history = clean.history
    plain = [clean.judge.plain_window(history, number) for number in range(clean.first, len(history))]
    severities = [0.0] * clean.first + [scaled.severity(window) for window in plain]
    points = []
    for factor in FACTORS:
        judge = Judge(_Scaled(detector, factor, known), prepared.feed)
        played = replay(judge, prepared, [value > factor for value in severities])
        # Of a spike only its own tick matters here, so nothing after it is replayed.
        caught = 0
        for trial in spikes:
            state = played.state(history.number(trial.first))
            window = judge.window(state, trial.ticks[0])
            caught += judge.step(state, trial.ticks[0], window, judge.score([window])[0]).held
        points.append(CurvePoint(factor, played.holds() / len(played.numbers) * PER, caught / len(spikes)))
    return tuple(points)


def count_flips(detector: Detector, clean: Replay, trials: Sequence[Trial]) -> Rate | None:
    """Verdicts of the integer model that its graph, in 64-bit floats on moves that are not rounded, gives otherwise.

    Looked at are the reports of the recording that follow on accepted ones only, and each trial's first report there.

    Returns:
        None where the graph can't be evaluated so.
    """
    exact, rounded = _float_windows(detector, clean, trials)
    if not exact:
        return None
    import numpy as np

    try:
        given = run_in_float64(detector, exact)
    except Exception:  # what a graph of unknown origin makes of 64-bit floats is not known
        return None
    integers = np.array([max(scores) > 0 for scores in clean.judge.score(rounded)])
    floats = (given.reshape(len(exact), -1) > 0).any(axis=1)
    return wilson(int((integers != floats).sum()), len(exact))


def _float_windows(
    detector: Detector, clean: Replay, trials: Sequence[Trial]
) -> tuple[list[list[float]], list[tuple[int, ...]]]:
    """Features without rounding, and the integers beside them."""
    judge, history, feed = clean.judge, clean.history, clean.judge.feed
    past = detector.features - (3 if detector.spread else 2)
    wanted: dict[int, list[Tick]] = {}
    for trial in trials:
        if trial.ticks[0].answer is not None:
            wanted.setdefault(history.number(trial.first), []).append(trial.ticks[0])
    exact: list[list[float]] = []
    rounded: list[tuple[int, ...]] = []
    for number in clean.numbers:
        if number in clean.steps or number - 1 in clean.steps:
            continue
        state = history.state(number)
        for tick in (history.ticks[number], *wanted.get(number, ())):
            exact.append(_float_window(feed, history.ticks[number - past - 1 : number], tick, spread=detector.spread))
            rounded.append(judge.window(state, tick))
    return exact, rounded


def _float_window(feed: FeedSettings, accepted: Sequence[Tick], tick: Tick, *, spread: bool) -> list[float]:
    moves = [_float_move(feed, later, earlier) for earlier, later in pairwise([*accepted, tick])]
    gap = (tick.time - accepted[-1].time) * encoding.GAP_ONE / feed.heartbeat
    window = [*reversed(moves)]
    if spread:
        window.append(float(tick.spread))
    return [*window, min(float(encoding.CLIP), max(float(encoding.GAP_ONE), gap))]


def _float_move(feed: FeedSettings, later: Tick, earlier: Tick) -> float:
    assert later.answer is not None and earlier.answer is not None
    if feed.kind is Kind.RELATIVE and later.answer <= 0:
        return float(-encoding.CLIP)
    thousandths = _move(feed, earlier.answer, later.answer)[0] * encoding.GAP_ONE
    return max(float(-encoding.CLIP), min(float(encoding.CLIP), thousandths))


def run_in_float64(detector: Detector, windows: Sequence[Sequence[float]]) -> np.ndarray:
    """The detector's ONNX graph in 64-bit floats: [count, outputs]."""
    import numpy as np
    import onnx
    from onnx.reference import ReferenceEvaluator

    from oracle.detectors.kinds.imported import ImportedDetector

    table = np.array(windows, dtype=np.float64)
    if isinstance(detector, ImportedDetector):
        # The network as it was before it was taken to integers.
        model = onnx.load_from_string(detector.onnx)
        table /= 2**detector.input_scale
    else:
        model = onnx.load_from_string(detector.to_onnx(len(windows)))
    _widen(model)
    (given,) = ReferenceEvaluator(model).run(None, {model.graph.input[0].name: table})
    return np.asarray(given)


def _widen(model: onnx.ModelProto) -> None:
    """Make 64-bit floats of all 32-bit ones in a graph."""
    from onnx import TensorProto, numpy_helper

    for initializer in model.graph.initializer:
        if initializer.data_type == TensorProto.FLOAT:
            wide = numpy_helper.to_array(initializer).astype("float64")
            initializer.CopyFrom(numpy_helper.from_array(wide, initializer.name))
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.DOUBLE
            if attribute.HasField("t") and attribute.t.data_type == TensorProto.FLOAT:
                wide = numpy_helper.to_array(attribute.t).astype("float64")
                attribute.t.CopyFrom(numpy_helper.from_array(wide, attribute.t.name))
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            value.type.tensor_type.elem_type = TensorProto.DOUBLE
