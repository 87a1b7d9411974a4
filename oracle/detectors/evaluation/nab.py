"""Numenta's Anomaly Benchmark: detectors over its corpus, scored by its own rules.

The rules are those of A. Lavin and S. Ahmad, "Evaluating Real-time Anomaly Detection Algorithms – the Numenta Anomaly
Benchmark" (ICMLA 2015, arXiv:1510.03336), in version 1.0:

- Each labelled anomaly is a window of rows. The first row in it that is detected counts, the others don't.
- The scaled sigmoid σ(y) = 2 / (1 + e^(5y)) − 1 weighs a detection at the relative position y: −1 at the window's left
  edge, about 0 at its right edge. In the window it is divided by σ(−1), so that the earliest detection is worth 1.
- A detection outside is a false positive, weighed by σ of its distance behind the last window in parts of that window's
  width; −1 from three widths on, and before any window.
- A window without a detection costs the weight of a false negative.
- The first 15 % of each file, at most 750 rows, are for learning and are not scored.
- One threshold for the whole corpus, the best one for each profile of weights.
- The sum is normalised: the null detector, which never says anything, has 0, and the perfect one 100.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import math
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path, PurePosixPath
from statistics import median

from oracle.core import encoding
from oracle.core.errors import DataError
from oracle.core.gate import HoldPolicy
from oracle.core.types import Kind
from oracle.detectors.evaluation.comparison import severity
from oracle.detectors.evaluation.recording import FeedSettings, History, Tick
from oracle.detectors.evaluation.replay import Judge, Scoring
from oracle.sources.aggregate import AggregationPolicy
from oracle.sources.interface import parse_decimal

__all__ = ["PROFILES", "PUBLISHED", "File", "Profile", "Score", "load_corpus", "run", "score_corpus", "sigmoid"]

PROBATION = 0.15
PROBATION_MOST = 0.15 * 5_000

FAR = 3.0
"""Widths behind a window from which on a false positive counts in full."""

DIGITS = 10_000
"""Answer units per sigma: so finely are the corpus's values kept."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a detection, a false one and a missed window count."""

    name: str
    true_positive: float
    false_positive: float
    false_negative: float


PROFILES = (
    Profile("standard", 1.0, 0.11, 1.0),
    Profile("reward_low_FP", 1.0, 0.22, 1.0),
    Profile("reward_low_FN", 1.0, 0.11, 2.0),
)

PUBLISHED: Mapping[str, tuple[float, float, float]] = {
    "Numenta HTM": (70.5, 62.6, 75.2),
    "CAD OSE": (69.9, 67.0, 73.2),
    "KNN-CAD": (58.0, 43.4, 64.8),
    "Relative Entropy": (54.6, 47.6, 58.8),
    "Random Cut Forest": (51.7, 38.4, 59.7),
    "Twitter ADVec": (47.1, 33.6, 53.5),
    "Windowed Gaussian": (39.6, 20.9, 47.4),
    "Etsy Skyline": (35.7, 27.1, 44.5),
    "Bayesian Changepoint": (17.7, 3.2, 32.2),
    "EXPoSE": (16.4, 3.2, 26.9),
    "Random": (11.0, 1.2, 19.5),
}
"""The scoreboard of NAB's README at version 1.0, in the order of PROFILES; of HTM the best of its runs."""


@dataclass(frozen=True, slots=True)
class File:
    """One series of the corpus.

    Attributes:
        name: Folder and file, as in the labels.
        times: Unix seconds; of one file they are not in order.
        windows: First and last row of each labelled anomaly, in order, not overlapping.
    """

    name: str
    times: tuple[int, ...]
    values: tuple[Decimal, ...]
    windows: tuple[tuple[int, int], ...]

    @property
    def probation(self) -> int:
        """Rows at the beginning that are not scored."""
        return math.ceil(min(math.floor(PROBATION * len(self.times)), PROBATION_MOST))


@dataclass(frozen=True, slots=True)
class Score:
    """What a detector reached with one profile.

    Attributes:
        score: Normalised: 0 for the null detector, 100 for the perfect one.
        threshold: Detector scores from here on are detections; infinite: none is.
        found: Windows in which there is one.
        windows: All that could be found.
        false_positives: Detections outside of windows.
    """

    profile: str
    score: float
    threshold: float
    found: int
    windows: int
    false_positives: int


def sigmoid(position: float) -> float:
    """The scaled sigmoid σ(y) = 2 / (1 + e^(5y)) − 1; −1 from three widths on."""
    if position >= FAR:
        return -1.0
    return 2 / (1 + math.exp(5 * position)) - 1


def weights(file: File) -> list[tuple[int | None, float]]:
    """What a detection at each row counts before the profile's weights: the row's window, and σ of its place."""
    found: list[tuple[int | None, float]] = []
    best = sigmoid(-1.0)
    current, last, width = 0, None, 1
    for row in range(len(file.times)):
        while current < len(file.windows) and row > file.windows[current][1]:
            first, last = file.windows[current]
            width = last - first + 1
            current += 1
        if current < len(file.windows) and row >= file.windows[current][0]:
            first, right = file.windows[current]
            found.append((current, sigmoid(-(right - row + 1) / (right - first + 1)) / best))
        elif last is None:
            found.append((None, sigmoid(FAR)))
        else:
            found.append((None, sigmoid((row - last) / max(1, width - 1))))
    return found


def score_corpus(
    files: Sequence[File], scores: Sequence[Sequence[float]], profiles: Sequence[Profile] = PROFILES
) -> list[Score]:
    """Score a detector, at the threshold that is best for each profile.

    Args:
        files: The corpus.
        scores: Of each file's rows, higher where it is more of an anomaly.
        profiles: With which weights.

    Raises:
        DataError: There is no window to find.
    """
    points: list[tuple[float, tuple[int, int] | None, float]] = []
    for number, (file, given) in enumerate(zip(files, scores, strict=True)):
        rows = zip(given, weights(file), strict=True)
        for row, (score, (window, weight)) in enumerate(rows):
            if row >= file.probation:
                points.append((score, None if window is None else (number, window), weight))
    points.sort(key=lambda point: -point[0])
    reachable = {window for _, window, _ in points if window is not None}
    labelled = sum(len(file.windows) for file in files)
    if not reachable:
        raise DataError("the corpus has no labelled window behind the probationary rows: there is nothing to find")
    return [_best(points, reachable, labelled, profile) for profile in profiles]


def _best(
    points: Sequence[tuple[float, tuple[int, int] | None, float]],
    reachable: set[tuple[int, int]],
    labelled: int,
    profile: Profile,
) -> Score:
    """Lower the threshold from above all scores to below, point by point, and keep the best place."""
    null = -profile.false_negative * len(reachable)
    perfect = profile.true_positive * labelled
    reached = dict.fromkeys(reachable, -profile.false_negative)
    total, false_positives = null, 0
    best = (null, math.inf, 0, 0)
    found = 0
    for index, (score, window, weight) in enumerate(points):
        if window is None:
            total += weight * profile.false_positive
            false_positives += 1
        else:
            worth = weight * profile.true_positive
            if reached[window] == -profile.false_negative:
                found += 1
            if worth > reached[window]:
                total += worth - reached[window]
                reached[window] = worth
        ends = index + 1 == len(points) or points[index + 1][0] != score
        if ends and total > best[0]:
            best = (total, score, found, false_positives)
    value, threshold, windows, wrong = best
    normalised = 100 * (value - null) / (perfect - null)
    return Score(profile.name, normalised, threshold, windows, labelled, wrong)


def run(detector: Scoring, files: Sequence[File], progress: Callable[[str], None] = lambda step: None) -> list[Score]:
    """A detector over the corpus: each row's severity, all rows accepted.

    Every file is an absolute feed. Its sigma is a robust one, from the moves in its probationary rows.
    """
    scores = []
    for file in files:
        progress(file.name)
        scores.append(severities(detector, file))
    return score_corpus(files, scores)


def severities(detector: Scoring, file: File) -> list[float]:
    """How near each row is to the detector's limit. The rows before it has seen enough get 0."""
    history = history_of(file)
    judge = Judge(detector, history.feed)
    return [severity(detector, judge.plain_window(history, number)) for number in range(len(history))]


def history_of(file: File) -> History:
    """The file as an absolute feed, in answer units of which a sigma has DIGITS."""
    steps = [abs(later - earlier) for earlier, later in pairwise(file.values[: max(2, file.probation)])]
    sigma = robust_sigma(steps) or robust_sigma([abs(value) for value in file.values]) or Decimal(1)
    unit = sigma / DIGITS
    most = encoding.INT128_MAX
    answers = [max(-most, min(most, int((value / unit).to_integral_value()))) for value in file.values]
    intervals = [later - earlier for earlier, later in pairwise(file.times)]
    feed = FeedSettings(
        Kind.ABSOLUTE,
        0,
        DIGITS,
        max(1, int(median(intervals))) if intervals else 1,
        HoldPolicy(1, 0, 0),
        AggregationPolicy(Kind.ABSOLUTE),
    )
    return History(
        feed,
        [Tick(time, Decimal(answer), answer) for time, answer in zip(file.times, answers, strict=True)],
    )


def robust_sigma(steps: Sequence[Decimal]) -> Decimal:
    """A standard deviation from magnitudes: their 99th percentile over a normal distribution's, 2.5758.

    Up to one outlier in a hundred rows does not touch it. The median would be robuster, but is next to nothing on the
    many series here that mostly stand still, so that all their moves would be clipped. Where 99 % of them are 0, it is
    the root mean square.
    """
    if not steps:
        return Decimal(0)
    tail = sorted(steps)[min(len(steps) - 1, len(steps) * 99 // 100)]
    if tail:
        return tail / Decimal("2.5758")
    return (sum((step * step for step in steps), Decimal(0)) / len(steps)).sqrt()


def load_corpus(path: Path) -> list[File]:
    """Read the corpus.

    Args:
        path: NAB's folder, with `data` and `labels/combined_windows.json`, or a tar archive of it.

    Raises:
        DataError: Something is missing or not as it should be; the message names it.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; it is to hold NAB's data and labels")
    members = dict(_members(path))
    labels = _labels(members, path)
    files = []
    for name, windows in sorted(labels.items()):
        key = f"data/{name}"
        if key not in members:
            raise DataError(f"{path}: the labels name {name}, but there is no {key}")
        files.append(_file(name, members[key], windows, f"{path}: {key}"))
    return files


_LABELS = "labels/combined_windows.json"


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Data files and labels by their names below NAB's folder."""
    if path.is_dir():
        for found in sorted(path.rglob("*")):
            name = _below(PurePosixPath(found.relative_to(path).as_posix()))
            if name and found.is_file():
                yield name, found.read_bytes()
        return
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = _below(PurePosixPath(member.name))
                content = archive.extractfile(member) if name and member.isfile() else None
                if name and content is not None:
                    yield name, content.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(f"{path}: is neither a folder nor a tar archive that can be read: {error}") from error


def _below(path: PurePosixPath) -> str | None:
    if path.name == "combined_windows.json":
        return _LABELS
    if path.suffix == ".csv" and len(path.parts) >= 3 and path.parts[-3] == "data":
        return "/".join(path.parts[-3:])
    return None


def _labels(members: Mapping[str, bytes], path: Path) -> dict[str, list[list[str]]]:
    if _LABELS not in members:
        raise DataError(f"{path}: there is no {_LABELS}")
    try:
        labels = json.loads(members[_LABELS])
    except ValueError as error:
        raise DataError(f"{path}: {_LABELS} is not JSON: {error}") from None
    if not isinstance(labels, dict) or not all(isinstance(windows, list) for windows in labels.values()):
        raise DataError(f"{path}: {_LABELS} is to be an object of lists of windows")
    return labels


def _file(name: str, content: bytes, windows: Sequence[Sequence[str]], where: str) -> File:
    times, values = [], []
    try:
        rows = csv.reader(io.StringIO(content.decode("utf-8")))
        if next(rows, None) != ["timestamp", "value"]:
            raise DataError(f"{where}: expected the columns timestamp and value")
        for number, row in enumerate(rows, 1):
            if len(row) != 2:
                raise DataError(f"{where}: row {number} has {len(row)} cells, not a time and a number")
            times.append(_time(row[0]))
            values.append(parse_decimal(row[1], f"{where}: row {number}"))
    except (ValueError, csv.Error) as error:
        raise DataError(f"{where}: row {len(times) + 1} is no time and number: {error}") from None
    if len(times) < encoding.RING_SIZE:
        raise DataError(f"{where}: {len(times)} rows are too few")
    rows_of = {time: row for row, time in reversed(list(enumerate(times)))}
    try:
        edges = [(rows_of[_time(first)], rows_of[_time(last)]) for first, last in windows]
    except KeyError as error:
        raise DataError(f"{where}: a window in {_LABELS} begins or ends at {error}, where there is no row") from None
    except (ValueError, TypeError) as error:
        raise DataError(f"{where}: its windows in {_LABELS} are not as they should be: {error}") from None
    return File(name, tuple(times), tuple(values), tuple(sorted(edges)))


def _time(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp())
