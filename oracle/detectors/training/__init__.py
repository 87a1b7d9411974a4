"""Training a detector on one's own data: recording → splits → fit → thresholds → model file, graph and card.

Everything follows from the data, the configuration and the seed: the same three give the same bytes. Nothing is taken
from the clock or the machine, but the versions of the libraries that estimate.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oracle.core.errors import DataError
from oracle.detectors.interface import Detector, Lesson, Trainer
from oracle.detectors.training import card, lessons
from oracle.detectors.training.lessons import Terms
from oracle.detectors.training.recordings import LEAST_ROWS, Learnt, check, read

if TYPE_CHECKING:
    from oracle.config import TrainingConfig

Progress = Callable[[str], None]


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
    from oracle.detectors.training import trainers
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
    ends = (train_end, validation_end)
    return Trained(detector, card.make(config, learnt, recording, terms, detector, windows, ends))


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
        files["text"].write_text(card.markdown(trained.card), encoding="utf-8")
    except OSError as error:
        raise DataError(f"{folder}: can't be written: {error.strerror}") from error
    return files
