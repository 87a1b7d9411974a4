"""The models of a folder, and samples of their inputs.

Two layouts are known: a folder with `network.onnx` and `input.json` for each model, as ezkl keeps its examples, and
`NAME.onnx` beside `NAME.npy`, as most people keep theirs.
"""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from oracle.core.documents import read_json
from oracle.core.errors import DataError, ModelError
from oracle.proving.lowering.loading import read_file

SAMPLES = 20
"""A model with a single sample is tuned on this many: the sample itself, and others close to it."""

_NOISE = 0.1


@dataclass(frozen=True, slots=True)
class Subject:
    """A model of the folder.

    Attributes:
        name: The folder's name, or the file's.
        onnx: The model's file.
        inputs: The file with samples of its inputs; None: there is none.
    """

    name: str
    onnx: Path
    inputs: Path | None

    def digest(self) -> str:
        """Return a hash of the model, of the data that lie beside it, and of its samples."""
        try:
            model = read_file(self.onnx)
        except ModelError:  # the row will say why
            model = self.onnx.read_bytes()
        samples = b"" if self.inputs is None else self.inputs.read_bytes()
        return hashlib.sha256(hashlib.sha256(model).digest() + hashlib.sha256(samples).digest()).hexdigest()


def find(folder: Path, patterns: Sequence[str] = ()) -> list[Subject]:
    """Return the models of a folder, by name.

    Args:
        folder: Has the models, or is the folder of one.
        patterns: Only models whose name matches one of these, such as `torch-*`; empty: all.

    Raises:
        DataError: There is no such folder, it has no model, or none matches.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder: name one with models, NAME/network.onnx or NAME.onnx")
    found = [
        Subject(path.parent.name, path, _there(path.with_name("input.json")))
        for path in sorted([*folder.glob("network.onnx"), *folder.glob("*/network.onnx")])
    ]
    for path in sorted(folder.glob("*.onnx")):
        if path.name != "network.onnx":
            beside = (_there(path.with_suffix(ending)) for ending in (".npy", ".json", ".csv"))
            found.append(Subject(path.stem, path, next((each for each in beside if each is not None), None)))
    if not found:
        raise DataError(
            f"{folder} has no models: they are NAME/network.onnx with input.json, or NAME.onnx with NAME.npy"
        )
    chosen = [each for each in found if not patterns or any(fnmatch.fnmatch(each.name, one) for one in patterns)]
    if not chosen:
        raise DataError(f"{folder} has no model named {' or '.join(patterns)}; the first is {found[0].name}")
    names = [each.name for each in chosen]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"{folder} has two models named {twice[0]}: rename one")
    return sorted(chosen, key=lambda each: each.name)


def _there(path: Path) -> Path | None:
    return path if path.is_file() else None


def samples_of(subject: Subject, features: int) -> np.ndarray:
    """Return a model's samples: the numbers of all its inputs, one input after the other [count, features].

    Raises:
        DataError: There are none, they are not numbers, or not as many as the model takes.
    """
    if subject.inputs is None:
        raise DataError(f"{subject.name} has no samples: put input.json or {subject.onnx.stem}.npy beside the model")
    try:
        table: Any
        if subject.inputs.suffix == ".json":
            table = flat(read_json(subject.inputs)["input_data"])
        elif subject.inputs.suffix == ".npy":
            table = np.load(subject.inputs, allow_pickle=False)
        else:
            table = np.loadtxt(subject.inputs, delimiter=",", ndmin=2)
        numbers = np.asarray(table, dtype=np.float64).reshape(-1)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{subject.inputs} has no samples: {type(error).__name__}: {error}") from error
    if not numbers.size or not features or numbers.size % features:
        raise DataError(f"{subject.inputs} has {numbers.size} numbers; {subject.name} takes {features} at a time")
    if not np.isfinite(numbers).all():
        raise DataError(f"{subject.inputs} has numbers that are not finite")
    return numbers.reshape(-1, features)


def flat(values: Any) -> list[float]:
    """Return the numbers of nested lists, one after the other."""
    if isinstance(values, list):
        return [number for each in values for number in flat(each)]
    return [float(values)]


def spread(samples: np.ndarray, seed: int, whole: np.ndarray) -> np.ndarray:
    """Return samples close to the given ones: each number times 1 ± a tenth.

    Args:
        samples: The given ones [count, features].
        seed: Another seed gives other samples.
        whole: True for each feature that is an integer or a boolean, and stays as it is [features].
    """
    rng = np.random.default_rng(seed)
    chosen = samples[rng.integers(len(samples), size=SAMPLES)]
    noise = 1 + _NOISE * rng.normal(size=chosen.shape)
    return np.where(whole, chosen, (chosen * noise).astype(np.float32).astype(np.float64))


def read(subject: Subject) -> bytes:
    """Return the model's file with the data that lie beside it."""
    return read_file(subject.onnx)
