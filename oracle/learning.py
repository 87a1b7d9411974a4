"""Training a detector on one's own data: recording → splits → fit → thresholds → model file, graph and card.

Everything follows from the data, the configuration and the seed: the same three give the same bytes. Nothing is taken
from the clock or the machine, but the versions of the libraries that estimate.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oracle import encoding, gate
from oracle.detectors import lessons
from oracle.detectors.interface import Detector, Lesson, Trainer
from oracle.detectors.lessons import Recording, Terms
from oracle.errors import DataError, ToolMissing
from oracle.types import Kind, Outcome

if TYPE_CHECKING:
    from oracle.config import TrainingConfig, TrainingDataConfig

Progress = Callable[[str], None]

CARD_SCHEMA = 1
EPISODE = encoding.RING_SIZE
"""Reports: two objections so near are one event, for they share a window."""

THINNED = encoding.RING_SIZE + 1
"""Every so many-th window is compared with others: they share no move."""

REFERENCE = 200
"""Pressures that a card keeps, as quantiles."""

SPIKES = (1, 2, 3, 5, 10, 20)
"""Per cent (relative feeds), or sigmas (absolute ones), of the spikes that a card is about."""

SPIKED = 500
"""Windows of the test split into which each spike is put."""

LEAST_ROWS = 600


# --- data ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Learnt:
    """A recording, and where it comes from.

    Attributes:
        source: The file's name.
        sha256: Of the rows that were read, as text.
        dropped: Rows that were left out: held, and never confirmed.
        held: Indices of rows that were held all the same: false holds.
    """

    recording: Recording
    source: str
    sha256: str
    dropped: int = 0
    held: tuple[int, ...] = ()


def read(data: TrainingDataConfig) -> Learnt:
    """The recording that a configuration names.

    Raises:
        DataError: A column is missing, a cell is wrong, times do not rise, or a value can't be a feed's.
        JournalError: The journal can't be read.
        ToolMissing: It is a Parquet file, and pyarrow is not installed.
    """
    if data.journal is not None:
        return _from_journal(data)
    assert data.file is not None
    from oracle.sources.replay import load_table

    if data.file.suffix.lower() in (".parquet", ".pq"):
        rows: Sequence[tuple[int, tuple[Decimal | None, ...]]] = _parquet(data.file, data)
    else:
        rows = load_table(data.file, data.time_column, data.value_columns, keep_last=data.repeated_times == "last")
    needed = min(2, len(data.value_columns))
    kept = [(time, sorted(value for value in values if value is not None)) for time, values in rows]
    for time, values in kept:
        if len(values) < needed:
            raise DataError(f"{data.file}: at {moment(time)} only {len(values)} of the columns have a value")
    answers = [[encoding.answer_from_decimal(value, data.decimals) for value in values] for _, values in kept]
    # The upper of two middles, as the hub takes it.
    medians = tuple(each[len(each) // 2] for each in answers)
    several = len(data.value_columns) > 1
    recording = Recording(
        data.measure,
        data.decimals,
        tuple(time for time, _ in kept),
        medians,
        tuple(each[0] for each in answers) if several else (),
        tuple(each[-1] for each in answers) if several else (),
    )
    return Learnt(recording, data.file.name, _digest(recording))


def _from_journal(data: TrainingDataConfig) -> Learnt:
    from oracle.journal import Journal

    assert data.journal is not None
    with Journal(data.journal, read_only=True) as journal:
        entries = journal.confirmed(data.feed)
    reports = [(entry.observed_at, entry.answer, entry.outcome is Outcome.HELD) for entry in entries]
    if not reports:
        raise DataError(f"{data.journal}: there is no accepted or held report of a feed {data.feed!r}")
    return from_reports(reports, data, data.journal.name)


def from_reports(reports: Sequence[tuple[int, int, bool]], data: TrainingDataConfig, source: str) -> Learnt:
    """What a feed reported. A held answer counts if its level was accepted next: else it may be a fault.

    Args:
        reports: Time, answer, whether it was held.
        data: Kind, decimals, sigma.
        source: Its name.
    """
    ordered = sorted(reports)
    kept: list[tuple[int, int, bool]] = []
    level: int | None = None
    # From the end, so that the next accepted answer is known.
    for time, answer, held in reversed(ordered):
        if not held:
            level = answer
        elif level is None or not _near(data, answer, level):
            continue
        kept.append((time, answer, held))
    kept.reverse()
    recording = Recording(
        data.measure, data.decimals, tuple(time for time, _, _ in kept), tuple(answer for _, answer, _ in kept)
    )
    held_rows = tuple(index for index, (_, _, held) in enumerate(kept) if held)
    return Learnt(recording, source, _digest(recording), len(ordered) - len(kept), held_rows)


def _near(data: TrainingDataConfig, answer: int, other: int) -> bool:
    """Whether two answers are within three sigmas, or 3 % where sigma is not known."""
    if data.measure is Kind.RELATIVE and min(answer, other) <= 0:
        return False
    sigma = data.sigma or (10_000 if data.measure is Kind.RELATIVE else max(1, abs(other) // 100))
    return abs(encoding.move(data.measure, sigma, answer, other)) <= 3_000


def _parquet(path: Path, data: TrainingDataConfig) -> list[tuple[int, tuple[Decimal | None, ...]]]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ToolMissing("Parquet files are read with pyarrow: pip install 'verifiable-oracle[train]'") from error
    from oracle.sources.interface import check_value

    try:
        schema = parquet.read_schema(path)
        for column in (data.time_column, *data.value_columns):
            if column not in schema.names:
                raise DataError(f"{path}: there is no column {column!r}; it has: {', '.join(schema.names)}")
        table = parquet.read_table(path, columns=[data.time_column, *data.value_columns]).to_pydict()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{path}: is no Parquet file that can be read: {str(error).splitlines()[0]}") from error
    rows: list[tuple[int, tuple[Decimal | None, ...]]] = []
    columns = [table[column] for column in data.value_columns]
    for number, (when, *cells) in enumerate(zip(table[data.time_column], *columns, strict=True), 1):
        where = f"{path}: row {number}"
        if isinstance(when, dt.datetime):
            when = (when if when.tzinfo else when.replace(tzinfo=dt.UTC)).timestamp()
        if not isinstance(when, int | float) or not 0 < when < 2**32:
            raise DataError(f"{where}: column {data.time_column!r}: {when!r} is no time in unix seconds")
        if rows and data.repeated_times == "last" and int(when) == rows[-1][0]:
            rows.pop()
        if rows and int(when) <= rows[-1][0]:
            relation = "repeats" if int(when) == rows[-1][0] else "is before"
            raise DataError(
                f"{where}: column {data.time_column!r}: {when!r} {relation} the time above; times must rise"
            )
        values: list[Decimal | None] = []
        for column, cell in zip(data.value_columns, cells, strict=True):
            if cell is None and len(cells) > 1:
                values.append(None)
                continue
            if not isinstance(cell, int | float | Decimal) or isinstance(cell, bool):
                raise DataError(f"{where}: column {column!r}: {cell!r} is not a number")
            values.append(check_value(Decimal(str(cell)), f"{where}: column {column!r}"))
        rows.append((int(when), tuple(values)))
    if not rows:
        raise DataError(f"{path}: has no rows")
    return rows


def check(learnt: Learnt, data: TrainingDataConfig, heartbeat: int) -> None:
    """Refuses a recording that features can't be derived from.

    Raises:
        DataError: It is too short, has a value that a relative feed can't have, or a gap.
    """
    recording = learnt.recording
    if len(recording) < LEAST_ROWS:
        raise DataError(f"{learnt.source}: too few rows: {len(recording)}, and at least {LEAST_ROWS} are needed")
    if recording.kind is Kind.RELATIVE:
        for time, answer in zip(recording.times, recording.lowest or recording.answers, strict=True):
            if answer <= 0:
                raise DataError(
                    f"{learnt.source}: at {moment(time)} the value is "
                    f"{encoding.decimal_from_answer(answer, recording.decimals):f}; a relative feed has values above "
                    'zero only: leave the row out, or set kind = "absolute"'
                )
    for before, after in pairwise(recording.times):
        if after - before > data.max_gap * heartbeat:
            raise DataError(
                f"{learnt.source}: nothing from {moment(before)} to {moment(after)}, "
                f"{(after - before) / heartbeat:.0f} heartbeats of {heartbeat} s: fill the gap, train on one side of "
                "it, or raise data.max_gap"
            )


# --- training ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trained:
    """A detector, and what there is to say about it.

    Attributes:
        card: The model card: JSON.
    """

    detector: Detector
    card: Mapping[str, Any]


def trainer(config: TrainingConfig) -> Trainer:
    """The trainer of the kind of detector that a configuration asks for."""
    from oracle.detectors import trainers
    from oracle.proving.imported import at_scales

    options, kind = config.detector.options(), config.detector.type
    if "gap_scaled" in options:
        options["gap"] = options.pop("gap_scaled")
    if "guard" in options:
        options["guard"] = float(options["guard"])
    if kind in ("autoencoder", "imported"):
        options["lower"] = at_scales
    if "onnx" in options:
        try:
            options["onnx"] = options["onnx"].read_bytes()
        except OSError as error:
            raise DataError(f"{options['onnx']}: can't be read: {error.strerror}") from error
    kinds: dict[str, Callable[..., Trainer]] = {
        "cap": trainers.Cap,
        "arch": trainers.Arch,
        "arch+window": trainers.ArchWindow,
        "cross-source": trainers.CrossSource,
        "mahalanobis": trainers.Mahalanobis,
        "autoencoder": trainers.Autoencoder,
        "imported": trainers.Imported,
    }
    return kinds[kind](**options)


def train(config: TrainingConfig, learnt: Learnt | None = None, progress: Progress = lambda step: None) -> Trained:
    """Fits the detector that a configuration asks for, and measures it on each split.

    Args:
        config: What to train.
        learnt: The data, if not those that the configuration names.
        progress: Told each step before it begins.

    Raises:
        DataError: The data or the budget can't carry it.
        ToolMissing: The `train` extra is not installed.
    """
    progress("data")
    learnt = read(config.data) if learnt is None else learnt
    recording = learnt.recording
    rows = len(recording)
    shares = (config.split.train, config.split.train + config.split.validation)
    train_end, validation_end = (int(rows * share) for share in shares)
    if rows < LEAST_ROWS:
        raise DataError(f"{learnt.source}: too few rows: {rows}, and at least {LEAST_ROWS} are needed")
    heartbeat = config.data.heartbeat or lessons.heartbeat_of(recording, train_end)
    check(learnt, config.data, heartbeat)
    sigma = config.data.sigma or lessons.sigma_of(recording, train_end, heartbeat)
    if sigma == 0:
        raise DataError(f"{learnt.source}: no value of the training split differs from the one before it, or hardly")
    terms = Terms(sigma, heartbeat)
    if config.detector.type != "cross-source":
        # The spread is a feature of that kind only.
        recording = replace(recording, lowest=(), highest=())
    windows, first = lessons.windows(recording, terms), lessons.first_window(recording)
    fit, calibrate = windows[: train_end - first], windows[: validation_end - first]
    progress(f"fit of {config.detector.type} to {len(fit)} windows")
    budget = Fraction(config.budget.false_holds_per_10k) / 10_000
    detector = trainer(config).fit(config.detector.name, Lesson(fit, calibrate, recording.spread, budget, config.seed))
    progress("replay through the gate")
    card = _card(config, learnt, recording, terms, detector, windows, (train_end, validation_end))
    return Trained(detector, card)


def write(trained: Trained, folder: Path) -> dict[str, Path]:
    """Writes model, graph and card; returns the files by what they are."""
    name = trained.detector.name
    files = {
        "model": folder / f"{name}.json",
        "graph": folder / f"{name}.onnx",
        "card": folder / f"{name}.card.json",
        "text": folder / f"{name}.card.md",
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files["model"].write_text(trained.detector.to_json(), encoding="utf-8")
        files["graph"].write_bytes(trained.detector.to_onnx(1))
        files["card"].write_text(json.dumps(trained.card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        files["text"].write_text(markdown(trained.card), encoding="utf-8")
    except OSError as error:
        raise DataError(f"{folder}: can't be written: {error.strerror}") from error
    return files


# --- the card ------------------------------------------------------------------------------------------------------


def policy(terms: Terms) -> gate.HoldPolicy:
    """The hold policy with which a card's replays are made: the defaults of a feed."""
    return gate.HoldPolicy(confirmations=3, confirm_delay=terms.heartbeat, tolerance=3_000)


def interval(count: float, total: float, confidence: float) -> tuple[float, float]:
    """Clopper and Pearson's interval of a share: exact, so it covers at least as often as it says, at 0 too."""
    try:
        from scipy.special import betaincinv
    except ImportError as error:
        raise ToolMissing("intervals need scipy: pip install 'verifiable-oracle[train]'") from error
    tail = (1 - confidence) / 2
    low = 0.0 if count <= 0 else float(betaincinv(count, total - count + 1, tail))
    high = 1.0 if count >= total else float(betaincinv(count + 1, total - count, 1 - tail))
    return low, high


def rate(at: Sequence[int], total: int, confidence: float) -> dict[str, Any]:
    """How many of `total` reports, per 10,000, with an interval.

    Objections come in clusters: a volatile hour gives several. As so many independent events they would make the
    interval too narrow. So the events that are counted are episodes, and the number of reports is divided by the mean
    size of an episode (Kish's effective sample size); a block bootstrap would say 0 to 0 where nothing was seen.

    Args:
        at: Indices of the reports that it happened to, rising.
        total: Of all reports.
        confidence: Of the interval.
    """
    episodes = sum(1 for index, each in enumerate(at) if index == 0 or each - at[index - 1] > EPISODE)
    size = len(at) / episodes if episodes else 1.0
    low, high = interval(episodes, max(1.0, total / size), confidence)
    return {
        "reports": total,
        "count": len(at),
        "episodes": episodes,
        "per_10k": round(len(at) / total * 10_000, 3) if total else 0.0,
        "interval_per_10k": [round(low * 10_000, 3), round(high * 10_000, 3)],
    }


def _card(
    config: TrainingConfig,
    learnt: Learnt,
    recording: Recording,
    terms: Terms,
    detector: Detector,
    windows: Sequence[tuple[int, ...]],
    ends: tuple[int, int],
) -> dict[str, Any]:
    from oracle.detectors.trainers import cut

    confidence, first = float(config.budget.confidence), lessons.first_window(recording)
    own = cut(windows, detector.features, detector.spread)
    objecting = [max(scores) > 0 for scores in detector.score_many(own).tolist()]
    judged = list(lessons.replay(recording, terms, detector, policy(terms)))
    bounds = {"train": (first, ends[0]), "validation": ends, "test": (ends[1], len(recording))}
    splits = {}
    for name, (begin, end) in bounds.items():
        held = [each.at for each in judged[begin:end] if each.outcome is Outcome.HELD]
        splits[name] = {
            "first": moment(recording.times[begin]),
            "last": moment(recording.times[end - 1]),
            "objections": rate([at for at in range(begin, end) if objecting[at - first]], end - begin, confidence),
            "holds": rate(held, end - begin, confidence),
            "longest_hold": _longest(held),
        }
    calibrated = [at for at in range(first, ends[1]) if objecting[at - first]]
    test = own[ends[1] - first :]
    graph = detector.to_onnx(1)
    text = detector.to_json()
    return {
        "schema": CARD_SCHEMA,
        "name": detector.name,
        "detector": {"type": config.detector.type, **_plain(config.detector.options())},
        "seed": config.seed,
        "model": {
            "format": detector.format,
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
            "onnx_sha256": hashlib.sha256(graph).hexdigest(),
            "features": detector.features,
            "spread": detector.spread,
            "outputs": [each.output for each in detector.explain((*(0,) * (detector.features - 1), encoding.GAP_ONE))],
            "param_scale": detector.param_scale,
            "score_unit": str(detector.score_unit),
        },
        "data": {
            "source": learnt.source,
            "sha256": learnt.sha256,
            "rows": len(recording),
            "dropped": learnt.dropped,
            "first": moment(recording.times[0]),
            "last": moment(recording.times[-1]),
            "kind": config.data.kind,
            "decimals": config.data.decimals,
            "value_columns": list(config.data.value_columns),
            "time_column": config.data.time_column,
            "repeated_times": config.data.repeated_times,
            "max_gap": config.data.max_gap,
            "sigma": terms.sigma,
            "heartbeat": terms.heartbeat,
        },
        "features": feature_names(detector),
        "split": {"train": str(config.split.train), "validation": str(config.split.validation)},
        "budget": {
            "false_holds_per_10k": str(config.budget.false_holds_per_10k),
            "confidence": str(config.budget.confidence),
            "method": "Clopper-Pearson on episodes of objections, with an effective number of reports",
            "calibration": rate(calibrated, ends[1] - first, confidence),
        },
        "splits": splits,
        "spikes": _spikes(recording, terms, detector, windows, ends[1], config.seed),
        "pressures": _quantiles(lessons.pressures(detector, test[::THINNED])),
        "limits": _limits(config, splits),
        "versions": _versions(),
    }


def feature_names(detector: Detector) -> list[str]:
    """The vector, in words."""
    past = detector.features - (3 if detector.spread else 2)
    spread = ["spread of the sources"] if detector.spread else []
    return ["move now", *(f"move −{age}" for age in range(1, past + 1)), *spread, "gap"]


def _spikes(
    recording: Recording,
    terms: Terms,
    detector: Detector,
    windows: Sequence[tuple[int, ...]],
    begin: int,
    seed: int,
) -> dict[str, float]:
    """Share of single-tick spikes, put into the test split, that the model objects to, by size."""
    from oracle.detectors.trainers import cut

    draw, first = random.Random(seed), lessons.first_window(recording)
    found = {}
    relative = recording.kind is Kind.RELATIVE
    for size in SPIKES:
        spiked = []
        for _ in range(SPIKED):
            at, sign = draw.randrange(begin, len(recording)), draw.choice((1, -1))
            answer = recording.answers[at]
            wrong = answer + sign * (answer * size // 100 if relative else terms.sigma * size)
            now = encoding.move(recording.kind, terms.sigma, wrong, recording.answers[at - 1])
            spiked.append((now, *windows[at - first][1:]))
        scores = detector.score_many(cut(spiked, detector.features, detector.spread)).tolist()
        key = f"{size} %" if relative else f"{size} sigmas"
        found[key] = round(sum(max(each) > 0 for each in scores) / SPIKED, 3)
    return found


def _limits(config: TrainingConfig, splits: Mapping[str, Any]) -> list[str]:
    """What the model can't do, in sentences."""
    told = [
        "It says what is unusual for this feed, not what is wrong: a false value within its usual moves passes.",
        "A value that no longer changes is invisible to it; that takes the feed's max_repeats.",
        "It was measured as if its data had no fault: every hold counts as a false one.",
    ]
    if config.detector.type != "cross-source":
        told.append("It sees one series: sources that agree on a false value are believed.")
    if config.detector.type not in ("arch+window", "cross-source"):
        told.append("Slow drift, of which each step is small, is invisible to it.")
    budget = float(config.budget.false_holds_per_10k)
    test = splits["test"]["objections"]
    if test["interval_per_10k"][0] > budget:
        told.append(f"It exceeds its budget on the test split: {test['per_10k']:g} objections per 10,000.")
    elif test["interval_per_10k"][1] > budget:
        told.append("The test split is too short to show that the budget is kept; see the interval.")
    return told


def _longest(held: Sequence[int]) -> int:
    """The most reports in a row."""
    most = run = 0
    for index, at in enumerate(held):
        run = run + 1 if index and at == held[index - 1] + 1 else 1
        most = max(most, run)
    return most


def _quantiles(values: Sequence[float]) -> dict[str, Any]:
    """A sample as its quantiles, to four digits: enough for a two-sample test, and the same on every machine."""
    ordered = sorted(values)
    count = min(REFERENCE, len(ordered))
    picked = [ordered[int((index + 0.5) * len(ordered) / count)] for index in range(count)]
    return {"count": len(ordered), "quantiles": [float(f"{value:.4g}") for value in picked]}


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package in ("arch", "numpy", "onnx", "scikit-learn", "scipy", "verifiable-oracle"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _digest(recording: Recording) -> str:
    rows = zip(
        recording.times,
        recording.answers,
        recording.lowest or recording.answers,
        recording.highest or recording.answers,
        strict=True,
    )
    return hashlib.sha256("".join(f"{','.join(map(str, row))}\n" for row in rows).encode()).hexdigest()


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as JSON; a file by its name."""
    return {
        key: value.name if isinstance(value, Path) else float(value) if isinstance(value, Decimal) else value
        for key, value in options.items()
    }


def moment(seconds: int) -> str:
    """A time for people, UTC."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")


def markdown(card: Mapping[str, Any]) -> str:
    """The card for people."""
    data, model, budget = card["data"], card["model"], card["budget"]
    unit = "ppm" if data["kind"] == "relative" else "answer units"
    calibration = budget["calibration"]
    lines = [
        f"# Model card: {card['name']}",
        "",
        f"A detector of type `{card['detector']['type']}`, format `{model['format']}`, with {model['features']} "
        f"features and the outputs {', '.join(model['outputs'])}. A report is held if one of them is above 0.",
        "",
        "| | |",
        "|---|---|",
        f"| data | {data['source']}, {data['rows']} rows, {data['first']} to {data['last']} (UTC) |",
        f"| SHA-256 of the rows | `{data['sha256']}` |",
        f"| kind | {data['kind']}, {data['decimals']} decimals, columns {', '.join(data['value_columns'])} |",
        f"| sigma | {data['sigma']} {unit} over a heartbeat of {data['heartbeat']} s: set these in the feed |",
        f"| features | {', '.join(card['features'])} |",
        f"| seed | {card['seed']} |",
        f"| SHA-256 of the model file | `{model['sha256']}` |",
        "",
        "## Budget",
        "",
        f"{budget['false_holds_per_10k']} false holds per 10,000 reports. On the windows that the thresholds were set "
        f"on the model objects to {calibration['per_10k']:g} per 10,000 ({calibration['count']} of "
        f"{calibration['reports']}, {calibration['episodes']} episodes); {_per_cent(budget['confidence'])} interval "
        f"{_range(calibration)}. {budget['method']}.",
        "",
        "## Results",
        "",
        "Objections are on windows as if all before had been accepted; holds are of the whole gate, with what it "
        "accepted as history.",
        "",
        "| split | from | to | reports | objections per 10,000 | interval | holds per 10,000 | interval | longest |",
        "|---|---|---|--:|--:|--:|--:|--:|--:|",
        *(
            f"| {name} | {each['first']} | {each['last']} | {each['holds']['reports']} "
            f"| {each['objections']['per_10k']:g} | {_range(each['objections'])} "
            f"| {each['holds']['per_10k']:g} | {_range(each['holds'])} | {each['longest_hold']} |"
            for name, each in card["splits"].items()
        ),
        "",
        f"Of single-tick spikes put into the test split ({SPIKED} of each size, seeded) it objects to:",
        "",
        "| size | share |",
        "|--:|--:|",
        *(f"| {size} | {share:.3f} |" for size, share in card["spikes"].items()),
        "",
        "## Limits",
        "",
        *(f"- {limit}" for limit in card["limits"]),
        "",
        f"Trained with {', '.join(f'{name} {version}' for name, version in card['versions'].items())}.",
        "",
    ]
    return "\n".join(lines)


def _range(found: Mapping[str, Any]) -> str:
    low, high = found["interval_per_10k"]
    return f"{low:.3g} to {high:.3g}"


def _per_cent(share: str) -> str:
    return f"{float(share) * 100:g} %"
