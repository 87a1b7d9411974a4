"""Keys and a first proof that tuning made of a circuit before it is built, so that the build makes none again."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oracle.core.documents import read_json
from oracle.core.errors import DataError
from oracle.proving.artifact.manifest import CIRCUIT, MODEL, PK, SETTINGS, SRS, VK
from oracle.proving.hashing import sha256_of
from oracle.proving.srs.files import SrsFile


@dataclass(frozen=True, slots=True)
class Made:
    """Keys and a first proof of a circuit, in a folder of files that are named as an artifact's.

    Attributes:
        folder: The folder. `move` takes its files away.
        k: The circuit has 2^k rows.
        proven: The engine's answer to `prove`, for the model's first window.
    """

    folder: Path
    k: int
    proven: Mapping[str, Any] = field(repr=False)

    def is_of(self, graph: bytes, settings: Mapping[str, Any], srs: SrsFile) -> bool:
        """Return True if these keys are those of a graph at settled settings, with this reference string."""
        try:
            return (
                (self.folder / MODEL).read_bytes() == graph
                and read_json(self.folder / SETTINGS) == settings
                and sha256_of(self.folder / SRS) == srs.sha256
            )
        except (OSError, DataError):
            return False

    def move(self, target: Path) -> None:
        """Move settings, circuit, keys and reference string to a folder."""
        for name in (SETTINGS, CIRCUIT, VK, PK, SRS):
            shutil.move(self.folder / name, target / name)
