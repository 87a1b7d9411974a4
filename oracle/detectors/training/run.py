"""The workflow of training: from data to a detector, its graph and its card."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from oracle.config import TrainingConfig
from oracle.core.errors import DataError
from oracle.detectors.interface import Detector, Lesson, LessonSeries, Trainer
from oracle.detectors.registry import trainer_class
from oracle.detectors.training import card_text, model_card, reports
from oracle.detectors.training.data import LEAST_ROWS, TrainingData, check, read_file
from oracle.detectors.training.reports import Terms
from oracle.proving.imported import at_scales

Progress = Callable[[str], None]


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
    if "guard" in options:
        options["guard"] = float(options["guard"])
    if kind in ("autoencoder", "imported"):
        options["lower"] = at_scales
    if "onnx" in options:
        try:
            options["onnx"] = options["onnx"].read_bytes()
        except OSError as error:
            raise DataError(f"{options['onnx']}: can't be read: {error.strerror}") from error
    return trainer_class(kind)(**options)


def train(config: TrainingConfig, data: TrainingData | None = None, progress: Progress = lambda step: None) -> Trained:
    """Fit the detector that a configuration asks for, and measure it on each split.

    Args:
        config: The configuration of the training.
        data: The data to learn from; None: the file that the configuration names.
        progress: Called with each step before it begins.

    Raises:
        DataError: The data or the budget can't carry it.
        ToolMissing: The `train` extra is not installed.
    """
    progress("data")
    data = read_file(config.data) if data is None else data
    history = data.reports
    rows = len(history)
    shares = (config.split.train, config.split.train + config.split.validation)
    train_end, validation_end = (int(rows * share) for share in shares)
    if rows < LEAST_ROWS:
        raise DataError(f"{data.source}: too few rows: {rows}, and at least {LEAST_ROWS} are needed")
    heartbeat = config.data.heartbeat or reports.heartbeat_of(history, train_end)
    check(data, config.data.max_gap, heartbeat)
    sigma = config.data.sigma or reports.sigma_of(history, train_end, heartbeat)
    if sigma == 0:
        raise DataError(f"{data.source}: no value of the training split differs from the one before it, or hardly")
    terms = Terms(sigma, heartbeat)
    if config.detector.type != "cross-source":
        # Only that type has the spread as a feature.
        history = replace(history, lowest=(), highest=())
    windows, first = reports.windows(history, terms), reports.FIRST_WINDOW
    fit, calibrate = windows[: train_end - first], windows[: validation_end - first]
    progress(f"fit of {config.detector.type} to {len(fit)} windows")
    budget = Fraction(config.budget.false_holds_per_10k) / 10_000
    sources = len(config.data.value_columns) if history.spread else 1
    series = LessonSeries(
        data.source, history.kind, sigma, heartbeat, 0, sources, slice(0, len(fit)), slice(0, len(calibrate))
    )
    lesson = Lesson(fit, calibrate, reports.features_of(history), budget, config.seed, (series,))
    detector = trainer(config).fit(config.detector.name, lesson)
    progress("replay through the gate")
    ends = (train_end, validation_end)
    return Trained(detector, model_card.make(config, data, history, terms, detector, windows, ends))


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
