"""The workflow of training: from data of one or several series to a detector, its graph and its card."""

from __future__ import annotations

import json
import secrets
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from oracle.config import TrainingConfig
from oracle.core.errors import DataError, ModelError
from oracle.detectors.interface import Detector, Lesson, LessonSeries, Trainer
from oracle.detectors.registry import trainer_class
from oracle.detectors.training import card_text, model_card, reports
from oracle.detectors.training.data import TrainingData, beside, check, check_rows, read_file, terms_of
from oracle.detectors.training.reports import Reports
from oracle.detectors.training.series import LearntSeries
from oracle.proving.imported import at_scales, read_onnx

Progress = Callable[[str], None]

SPREAD_TYPES = ("cross-source", "peers")
"""Types of detectors that can have the spread of the sources as a feature."""

SALT_BYTES = 16


@dataclass(frozen=True)
class Trained:
    """A detector, and what there is to say about it.

    Attributes:
        detector: The detector.
        card: The model card: JSON.
    """

    detector: Detector
    card: Mapping[str, Any]


def trainer(config: TrainingConfig) -> Trainer:
    """Return the trainer of the type of detector that a configuration asks for, with its options.

    Raises:
        DataError: The network's file can't be read.
    """
    options, kind = config.detector.options(), config.detector.type
    for key in ("guard", "vary", "peer_lie"):
        if key in options:
            options[key] = float(options[key])
    if kind in ("autoencoder", "imported"):
        options["lower"] = at_scales
    if "onnx" in options:
        try:
            options["onnx"] = read_onnx(options["onnx"])
        except ModelError as error:
            raise DataError(str(error)) from error
    return trainer_class(kind)(**options)


def train(
    config: TrainingConfig,
    data: Sequence[TrainingData] | None = None,
    progress: Progress = lambda step: None,
    salt: bytes | None = None,
) -> Trained:
    """Fit the detector that a configuration asks for, and measure it on each split of each series.

    Args:
        config: The configuration of the training.
        data: All series, references too; None: the files that the configuration names.
        progress: Called with each step before it begins.
        salt: The model's salt; None: as configured.

    Raises:
        DataError: The data or the budget can't carry it.
        ToolMissing: The `train` extra is not installed.
    """
    progress("data")
    data = [read_file(each) for each in config.data] if data is None else data
    series = learnt(config, data)
    for told in (*(each.data for each in series), *(each for each in data if each.config.reference)):
        for note in told.notes:
            progress(f"{told.source}: {note}")
    lesson = lesson_of(config, series, salt_of(config) if salt is None else salt)
    names = ", ".join(each.name for each in series)
    progress(f"fit of {config.detector.type} to {len(lesson.fit)} windows of {names}")
    detector = trainer(config).fit(config.detector.name, lesson)
    progress("replay through the gate")
    return Trained(detector, model_card.make(config, series, detector))


def learnt(config: TrainingConfig, data: Sequence[TrainingData]) -> list[LearntSeries]:
    """Return the series to learn from, with their windows: sigma and heartbeat are those of the training splits.

    Args:
        config: The configuration of the training.
        data: All series, references too.

    Raises:
        DataError: A series can't carry a training.
    """
    for each in data:
        if not each.config.reference:
            check_rows(each)
    ends = {each.name: _ends(config, len(each.reports)) for each in data}
    terms = {each.name: terms_of(each, ends[each.name][0]) for each in data}
    named = {each.name: each for each in data}
    found = []
    for each in data:
        if each.config.reference:
            continue
        check(each, terms[each.name].heartbeat)
        peers = [(named[name], terms[name]) for name in each.config.peers]
        # A column has no row where it has no value: its training split ends with that of the file.
        until = each.reports.times[ends[each.name][0] - 1]
        peers += [(column, terms_of(column, bisect_right(column.reports.times, until))) for column in each.columns]
        history = each.reports
        if config.detector.type not in SPREAD_TYPES:
            history = replace(history, lowest=(), highest=(), counts=())
        history = beside(history, peers, each.config.peer_max_age)
        windows = reports.windows(history, terms[each.name])
        notes = (*each.notes, *_missing(history))
        told = replace(each, notes=notes)
        found.append(LearntSeries(told, history, terms[each.name], windows, reports.counted(history), ends[each.name]))
    return found


def lesson_of(config: TrainingConfig, series: Sequence[LearntSeries], salt: bytes = b"") -> Lesson:
    """Return the trainer's input: windows of all series, those of bad stretches left out."""
    fit: list[tuple[int, ...]] = []
    calibrate: list[tuple[int, ...]] = []
    parts = []
    for each in series:
        begun = len(fit), len(calibrate)
        fit += each.seen(reports.FIRST_WINDOW, each.ends[0])
        calibrate += each.seen(reports.FIRST_WINDOW, each.ends[1])
        parts.append(
            LessonSeries(
                each.name,
                each.reports.kind,
                each.terms.sigma,
                each.terms.heartbeat,
                len(each.reports.peers),
                max(1, len(each.data.value_columns)) if each.reports.spread else 1,
                slice(begun[0], len(fit)),
                slice(begun[1], len(calibrate)),
            )
        )
    budget = Fraction(config.budget.false_holds_per_10k) / 10_000
    return Lesson(fit, calibrate, reports.FEATURES, budget, config.seed, tuple(parts), salt)


def salt_of(config: TrainingConfig) -> bytes:
    """Return the model's salt: as configured, else drawn. A public model has none."""
    if config.salt is None:
        return secrets.token_bytes(SALT_BYTES)
    return b"" if config.salt == "none" else bytes.fromhex(config.salt)


def _ends(config: TrainingConfig, rows: int) -> tuple[int, int]:
    """Return the rows at which the training and the validation split end."""
    train, validation = config.split.train, config.split.train + config.split.validation
    return int(rows * train), int(rows * validation)


def _missing(history: Reports) -> list[str]:
    """Return what is to be said of peers that lack an answer."""
    told = []
    for peer in history.peers:
        missing = sum(answer is None for answer in peer.answers)
        if missing:
            told.append(
                f"peer {peer.name}: it has no answer, or one that is too old, in {missing} of {len(history)} rows"
            )
    return told


def write(trained: Trained, folder: Path) -> dict[str, Path]:
    """Write model, graph and card into a folder.

    Returns:
        The files: "model", "graph", "card" (JSON) and "text" (Markdown).

    Raises:
        DataError: The folder can't be written to.
    """
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
        files["text"].write_text(card_text.markdown(trained.card), encoding="utf-8")
    except OSError as error:
        raise DataError(f"{folder}: can't be written: {error.strerror}") from error
    return files
