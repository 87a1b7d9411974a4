"""The table of detectors: which class reads a model file, and which trainer fits the type that a configuration names.

To add a kind, add a line to `READERS`; to add a trainer, add one to `TRAINERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name
from typing import TypeAlias

from oracle.core.documents import NotJson, NotText, decode_text, parse_json
from oracle.core.errors import DataError
from oracle.detectors.interface import Detector, Disclosure, Trainer
from oracle.detectors.kinds import imported, polynomial, quadratic
from oracle.detectors.kinds.imported import ImportedDetector, Lower
from oracle.detectors.kinds.polynomial import PolynomialModel
from oracle.detectors.kinds.quadratic import QuadraticModel

Reader: TypeAlias = Callable[[str, str, Disclosure, Lower | None], Detector]
"""Content of a model file, its name for messages, what to publish, and what lowers networks, to the detector."""

READERS: dict[str, Reader] = {
    quadratic.FORMAT: lambda text, where, disclosure, lower: QuadraticModel.from_json(text, where, disclosure),
    polynomial.FORMAT: lambda text, where, disclosure, lower: PolynomialModel.from_json(text, where, disclosure),
    imported.FORMAT: ImportedDetector.from_json,
}
"""By the key `format` of a model file."""

# By name, not by class: a reader of model files needs no trainer, and none of the libraries that trainers import.
TRAINERS = {
    "peers": "oracle.detectors.trainers.peers:Peers",
    "cap": "oracle.detectors.trainers.cap:Cap",
    "arch": "oracle.detectors.trainers.arch:Arch",
    "arch+window": "oracle.detectors.trainers.arch_window:ArchWindow",
    "cross-source": "oracle.detectors.trainers.cross_source:CrossSource",
    "mahalanobis": "oracle.detectors.trainers.mahalanobis:Mahalanobis",
    "autoencoder": "oracle.detectors.trainers.autoencoder:Autoencoder",
    "imported": "oracle.detectors.trainers.imported:Imported",
}
"""By the key `type` of a training configuration's table `[detector]`."""


PACKAGED = Path(__file__).parent / "packaged" / "peers-v1.json"
"""The file of the model that ships with the package; `scripts/train_default_model.py` writes it."""


def load(path: Path, disclosure: Disclosure = Disclosure.SCORE, lower: Lower | None = None) -> Detector:
    """Read a model file of any kind.

    Args:
        path: The file.
        disclosure: What the circuit publishes.
        lower: Takes an imported network to integers; only a file of that kind needs it, and
            `oracle.app.detectors.load_detector` passes it.

    Raises:
        DataError: The file can't be read, or its content is wrong.
    """
    try:
        text = decode_text(path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"{path}: no such model file; `oracle detector train` and `oracle init` write one") from None
    except (OSError, NotText) as error:
        raise DataError(f"model file {path} can't be read: {error}") from error
    return parse(text, str(path), disclosure, lower)


def parse(
    text: str, where: str = "model", disclosure: Disclosure = Disclosure.SCORE, lower: Lower | None = None
) -> Detector:
    """Read what a detector's `to_json` returned; see `load`.

    Args:
        text: The file's content.
        where: The file's name, for error messages.
        disclosure: What the circuit publishes.
        lower: See `load`.

    Raises:
        DataError: The content is wrong.
    """
    try:
        document = parse_json(text)
    except NotJson as error:
        raise DataError(f"{where} can't be read: {error}") from error
    key = document.get("format") if isinstance(document, dict) else None
    if not isinstance(key, str) or key not in READERS:
        raise DataError(f"{where}: format {key!r} is none of {', '.join(sorted(READERS))}")
    return READERS[key](text, where, disclosure, lower)


def packaged(disclosure: Disclosure = Disclosure.SCORE) -> Detector:
    """Return the trained model that ships with the package: the default of feeds, the same for everybody.

    Args:
        disclosure: What the circuit publishes.
    """
    return load(PACKAGED, disclosure)


def trainer_class(kind: str) -> Callable[..., Trainer]:
    """Return the class of the trainer for a type of detector; its arguments are the configuration's options."""
    found: Callable[..., Trainer] = resolve_name(TRAINERS[kind])
    return found
