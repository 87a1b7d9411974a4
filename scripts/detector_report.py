"""Measure detectors for docs/detector-report.md: learn from the first half of each series, evaluate on the second.

    python -m scripts.detector_report DATA [--out build/detector-report] [--docs docs]

DATA is a folder with the recordings that `report_series` names; they are not part of the project. Each detector is
replayed behind the whole gate, with the limits that it learnt in the first half, and scaled with hindsight so that at
most HELD of 10,000 reports are held. The figures go to summary.json in the output folder; with --docs those in the
report are replaced.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import numpy as np
from threadpoolctl import threadpool_limits

from oracle.core.encoding import Feature
from oracle.core.errors import DataError, OracleError
from oracle.detectors import registry
from oracle.detectors.evaluation.comparison import compare
from oracle.detectors.evaluation.prepared import Prepared, prepare
from oracle.detectors.evaluation.recording import Recording
from oracle.detectors.evaluation.replay import Scoring
from oracle.detectors.evaluation.results import PER
from oracle.detectors.evaluation.trials import standard
from oracle.detectors.interface import Detector, Lesson, LessonSeries
from oracle.detectors.kinds.quadratic import QuadraticModel
from oracle.detectors.training import reports
from oracle.proving.imported import at_scales
from oracle.sources.faults import Fault
from scripts import report_baselines as baselines
from scripts import report_networks as networks
from scripts.report_faults import SPIKE, spikes
from scripts.report_series import SERIES, ReportedSeries, available, with_peers
from scripts.report_summary import figures_of
from scripts.report_tables import BEGIN, END, tables

HELD = 5
"""Reports held of 10,000, at most: the tables that compare detectors, not thresholds, scale all to this."""

FIT = 0.7
"""Share of the first half that coefficients are fitted to. Limits are set on all of it."""

TRAINED: dict[str, dict[str, Any]] = {
    "peers": {},
    "peers with drift": {"drift": True},
    "cap": {},
    "arch": {},
    "arch+window": {},
    "mahalanobis": {},
    "autoencoder": {},
    "cross-source": {},
}
"""Detectors that are trained as `oracle detector train` does it: the type, and its options."""

THOROUGH = ("peers", "peers-with-drift", "arch-window", "cross-source", registry.packaged().name)
"""Detectors that are tried with all faults; the others only with spikes."""


@dataclass(frozen=True)
class Settings:
    """The settings of a run.

    Attributes:
        data: The folder with the recordings.
        count: Places for each fault.
        seed: Seed of all draws.
        baselines: False to leave out what needs the libraries of `report_baselines`.
    """

    data: Path
    count: int
    seed: int
    baselines: bool


@dataclass(frozen=True)
class Measured:
    """A series' figures: with the limits that were learnt, and scaled with hindsight to HELD."""

    learnt: dict[str, Any]
    scaled: dict[str, Any]
    about: dict[str, Any]


_recordings: dict[Path, dict[str, Recording]] = {}


def main(given: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("build/detector-report"))
    parser.add_argument("--docs", type=Path, help="Folder of detector-report.md, whose figures are replaced.")
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="Series at the same time.")
    parser.add_argument("--only", action="append", help="Key of a series; more than once.")
    parser.add_argument("--without-baselines", action="store_true", help="Leave out PyOD, River, arch and networks.")
    arguments = parser.parse_args(given)
    settings = Settings(arguments.data, arguments.count, arguments.seed, not arguments.without_baselines)
    try:
        if settings.baselines:
            baselines.require()
        found = measure(settings, arguments.only or (), arguments.jobs)
    except OracleError as error:
        print(f"detector_report: {error}", file=sys.stderr)
        return 1
    arguments.out.mkdir(parents=True, exist_ok=True)
    summary = {key: dict(_beside(each)) for key, each in found.items()}
    (arguments.out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    about = {key: each.about for key, each in found.items()}
    text = tables(summary, about)
    (arguments.out / "tables.md").write_text(text, encoding="utf-8")
    (arguments.out / "about.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    if arguments.docs:
        publish(arguments.docs, summary, about, text)
    return 0


def _beside(measured: Measured) -> Iterator[tuple[str, Any]]:
    """Return each detector's scaled figures, with those of the learnt limits beside them."""
    for name, figures in measured.scaled.items():
        yield name, {**figures, "flips": measured.learnt[name]["flips"], "learnt_limits": measured.learnt[name]}


def publish(docs: Path, summary: Mapping[str, Any], about: Mapping[str, Any], text: str) -> None:
    """Replace the figures and the pictures of the report."""
    from scripts.report_pictures import pictures

    page = docs / "detector-report.md"
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    page.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{rest.split(END)[1]}", encoding="utf-8")
    for name, picture in pictures(summary, about).items():
        (docs / f"detector-report-{name}.png").write_bytes(picture)


def measure(settings: Settings, only: Sequence[str], jobs: int) -> dict[str, Measured]:
    """Return the figures of each series that the folder has, several series at the same time.

    Raises:
        DataError: The folder has no recording, or `only` names an unknown series.
    """
    recordings = recordings_of(settings.data)
    if unknown := sorted(set(only) - {series.key for series in SERIES}):
        raise DataError(f"there is no series {unknown[0]!r}; there are: {', '.join(series.key for series in SERIES)}")
    chosen = [series for series in SERIES if series.key in recordings and (not only or series.key in only)]
    # The longest first, so that all places end together.
    order = sorted(chosen, key=lambda series: -len(recordings[series.key]))
    with _places(jobs) as run:
        learnt: Mapping[str, networks.Learnt] = {}
        if settings.baselines:
            pupils = [series for series in order if series.trained]
            halves = run(half_of, [(series, settings) for series in pupils])
            learnt = networks.learn_all(dict(zip((each.key for each in pupils), halves, strict=True)), settings.seed)
            print("the networks have learnt", flush=True)
        given = [(series, settings, learnt.get(series.key)) for series in order]
        found = dict(zip((series.key for series in order), run(evaluate, given), strict=True))
    return {series.key: found[series.key] for series in chosen}


@contextmanager
def _places(jobs: int) -> Iterator[Callable[[Callable[..., Any], Sequence[tuple[Any, ...]]], list[Any]]]:
    """Run a function with each of some arguments: in this process, or in several others that have the recordings."""
    if jobs <= 1:
        yield lambda function, given: [function(*each) for each in given]
        return
    context = multiprocessing.get_context("fork" if os.name == "posix" else "spawn")
    with ProcessPoolExecutor(jobs, context) as pool:

        def run(function: Callable[..., Any], given: Sequence[tuple[Any, ...]]) -> list[Any]:
            return [future.result() for future in [pool.submit(function, *each) for each in given]]

        yield run


def recordings_of(data: Path) -> dict[str, Recording]:
    """Return the recordings of a folder, read once in each process."""
    if data not in _recordings:
        _recordings[data] = available(data)
    return _recordings[data]


def prepared(series: ReportedSeries, settings: Settings) -> Prepared:
    """Return a series with its peer, split into halves: a feed's parameters are found in the first."""
    decimals = {each.key: each.options.decimals for each in SERIES}
    recording = with_peers(series, recordings_of(settings.data), decimals)
    return prepare(recording, series.options, "second-half" if series.trained else "all")


def half_of(series: ReportedSeries, settings: Settings) -> np.ndarray:
    """Return the windows of the first half, as the networks take them."""
    return baselines.in_units(windows_of(prepared(series, settings), networks.FEATURES))


def windows_of(of: Prepared, features: Sequence[Feature]) -> np.ndarray:
    """Return the windows of the first half that have a whole past: int64 [count, features]."""
    history = of.history
    rows = range(reports.FIRST_WINDOW, history.number(of.begin))
    return history.table(features)[[row for row in rows if history.indices[row] not in of.bad]]


def evaluate(series: ReportedSeries, settings: Settings, learnt: networks.Learnt | None) -> Measured:
    """Learn from the first half, if it is long enough, and evaluate on the second."""
    # Each process has one core: threads of a library would wait for each other.
    with threadpool_limits(1):
        return _evaluate(series, settings, learnt)


def _evaluate(series: ReportedSeries, settings: Settings, learnt: networks.Learnt | None) -> Measured:
    began = time.monotonic()
    of = prepared(series, settings)
    detectors: list[Scoring] = [registry.packaged(), QuadraticModel.default()]
    told: dict[str, str] = {}
    if series.trained:
        detectors += trained(series, of, settings.seed, told)
        if settings.baselines:
            detectors += scored(of, settings.seed, learnt)
    full = [baselines.scalable(detector) for detector in detectors if detector.name in THOROUGH]
    rest = [baselines.scalable(detector) for detector in detectors if detector.name not in THOROUGH]
    sized = spikes(series.sizes)
    every = (*sized, *(fault for fault in standard() if fault.group != SPIKE))
    scaled = {**judged(full, of, every, settings, HELD), **judged(rest, of, sized, settings, HELD)}
    found = judged(detectors, of, sized, settings, None)
    feed, history = of.feed, of.history
    about = {
        "title": series.title,
        "sizes": list(series.sizes),
        "reports": len(history) - history.number(of.begin),
        "from": int(history.ticks[history.number(of.begin)].time),
        "to": int(history.ticks[-1].time),
        "sigma_ppm": feed.sigma,
        "peer": series.peer,
        "correlation": correlation(of),
        "heartbeat": feed.heartbeat,
        "confirmations": feed.policy.confirmations,
        "confirm_delay": feed.policy.confirm_delay,
        "max_repeats": feed.policy.max_repeats,
        "not_counted": len(of.bad),
        "left_out": told,
        "seconds": round(time.monotonic() - began),
    }
    print(f"{series.key}: {about['seconds']} s", flush=True)
    order = [detector.name for detector in detectors]
    return Measured({name: found[name] for name in order}, {name: scaled[name] for name in order}, about)


def judged(
    detectors: Sequence[Scoring], of: Prepared, faults: Sequence[Fault], settings: Settings, scale_to: float | None
) -> dict[str, dict[str, Any]]:
    """Return the figures of detectors on a series, each beside its cap."""
    if not detectors:
        return {}
    # Baselines have no circuit, which is all that the comparison could miss.
    known = cast("Sequence[Detector]", detectors)
    return figures_of(
        compare(known, of, faults, count=settings.count, seed=settings.seed, curve=False, scale_to=scale_to)
    )


def correlation(of: Prepared) -> float | None:
    """Return how closely the feed's moves go with its peer's in the first half; None if it has none."""
    if not of.feed.peers:
        return None
    moves = windows_of(of, (Feature.MOVE, Feature.PEER_MOVE_0))
    return round(float(np.corrcoef(moves.T)[0, 1]), 3)


def trained(series: ReportedSeries, of: Prepared, seed: int, told: dict[str, str]) -> list[Detector]:
    """Return a detector of each type; `told` gets the reasons why others are left out."""
    windows = [tuple(row) for row in windows_of(of, reports.FEATURES).tolist()]
    fit = int(len(windows) * FIT)
    feed = of.feed
    part = LessonSeries(
        series.key,
        feed.kind,
        feed.sigma,
        feed.heartbeat,
        len(feed.peers),
        len(series.values),
        slice(0, fit),
        slice(0, len(windows)),
    )
    # Less than one window can't be allowed.
    budget = max(Fraction(HELD, PER), Fraction(1, len(windows)))
    lesson = Lesson(windows[:fit], windows, reports.FEATURES, budget, seed, (part,))
    found = []
    for kind, options in TRAINED.items():
        type_, name = kind.split(" ")[0], kind.replace("+", "-").replace(" ", "-")
        if type_ == "cross-source" and len(series.values) == 1:
            continue
        lowering = {"lower": at_scales} if type_ == "autoencoder" else {}
        try:
            found.append(registry.trainer_class(type_)(**lowering, **options).fit(name, lesson))
        except DataError as error:
            told[name] = str(error)
    return found


def scored(of: Prepared, seed: int, learnt: networks.Learnt | None) -> list[baselines.Baseline]:
    """Return what a data scientist would take, and the networks that learnt from all first halves."""
    features = baselines.kept_features(len(of.feed.peers))
    half = baselines.in_units(windows_of(of, features))
    budget = HELD / PER
    found = [
        baselines.graded(name, features, make(half, seed), half, budget) for name, make in baselines.BASELINES.items()
    ]
    if learnt is not None:
        half = baselines.in_units(windows_of(of, networks.FEATURES))
        found += [
            baselines.graded(name, networks.FEATURES, networks.OfSeries(model, learnt.terms), half, budget)
            for name, model in learnt.models.items()
        ]
    return found


if __name__ == "__main__":
    sys.exit(main())
