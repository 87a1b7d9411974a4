"""The benchmark of a proven card: labelled windows in batches, and the Merkle root that names them.

A window is what the gate would see at one tick, in a model's own feature list: the feed has accepted the clean series
up to the tick before, and at the tick it gets either the recorded value (normal) or one that a fault of the catalogue
has altered. The benchmark leaves out what the hub decides without a model: windows whose move is clipped, answers that
are not positive, and faults of several ticks, for which there are other rules.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eth_abi.abi import encode

from oracle.core import encoding
from oracle.core.documents import read_json, write_json
from oracle.core.errors import DataError
from oracle.core.formats import keccak, to_hex
from oracle.detectors.cards.merkle import MerkleTree
from oracle.detectors.cards.recipe import Recipe, checked_integer

FORMAT = "card-benchmark-v1"

MOST_BATCH = 64

Window = tuple[int, ...]


@dataclass(frozen=True)
class Benchmark:
    """Labelled windows in batches.

    Attributes:
        batch: Windows per batch; the last one may have fewer.
        width: n, the length of a window.
        kinds: Names of the labels from 1 on; 0 is normal.
        windows: Integers within ±CLIP.
        labels: A label for each window.
        recipe: The recipe by which the windows were drawn; None for windows that a user supplied.

    Raises:
        DataError: A number is out of range, or windows and labels do not fit.
    """

    batch: int
    width: int
    kinds: tuple[str, ...]
    windows: tuple[Window, ...]
    labels: tuple[int, ...]
    recipe: Recipe | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.batch <= MOST_BATCH:
            raise DataError(f"batch = {self.batch} must be from 1 to {MOST_BATCH}")
        if not self.windows or len(self.labels) != len(self.windows):
            raise DataError(f"a benchmark of {len(self.windows)} windows and {len(self.labels)} labels is not valid")
        for number, window in enumerate(self.windows):
            if len(window) != self.width:
                raise DataError(f"window {number} has {len(window)} integers instead of {self.width}")
            if not all(type(value) is int and abs(value) <= encoding.CLIP for value in window):
                raise DataError(f"window {number} is not of integers within ±{encoding.CLIP}")
        if not all(type(label) is int and 0 <= label <= len(self.kinds) for label in self.labels):
            raise DataError(f"labels are from 0 (normal) to {len(self.kinds)}, the number of kinds")
        if len(self.kinds) > 255:
            raise DataError("a benchmark has 255 kinds of faults at most")

    @property
    def batches(self) -> int:
        """The number of batches."""
        return -(-len(self.windows) // self.batch)

    def windows_of(self, index: int) -> tuple[Window, ...]:
        """Return the windows of a batch."""
        return self.windows[index * self.batch : (index + 1) * self.batch]

    def labels_of(self, index: int) -> tuple[int, ...]:
        """Return the labels of a batch."""
        return self.labels[index * self.batch : (index + 1) * self.batch]

    def packed(self, index: int) -> tuple[bytes, bytes]:
        """Return windows and labels of a batch as `ModelCard.submitBatch` takes them."""
        values = (value for window in self.windows_of(index) for value in window)
        return b"".join(value.to_bytes(2, "big", signed=True) for value in values), bytes(self.labels_of(index))

    def tree(self) -> MerkleTree:
        """Return the tree whose leaves are the batches."""
        return MerkleTree([_leaf(index, self.batches, *self.packed(index)) for index in range(self.batches)])

    @property
    def root(self) -> bytes:
        """The hash that names the benchmark: batches, their order and their number. Names of kinds are not in it."""
        return self.tree().root

    def document(self) -> dict[str, Any]:
        """Return the benchmark as JSON. Each row is a label and the window."""
        return {
            "format": FORMAT,
            "root": to_hex(self.root),
            "batch": self.batch,
            "width": self.width,
            "kinds": list(self.kinds),
            "recipe": None if self.recipe is None else asdict(self.recipe),
            "windows": [[label, *window] for label, window in zip(self.labels, self.windows, strict=True)],
        }

    @staticmethod
    def from_document(document: Any, where: str) -> Benchmark:
        """Return the benchmark that `document` wrote.

        Args:
            document: JSON.
            where: The file, for messages.

        Raises:
            DataError: It is not a benchmark, or its root is not that of its windows.
        """
        try:
            if document["format"] != FORMAT:
                raise ValueError(f"format {document['format']!r} is not {FORMAT!r}")
            rows = [tuple(row) for row in document["windows"]]
            recipe = document["recipe"]
            found = Benchmark(
                batch=checked_integer(document["batch"]),
                width=checked_integer(document["width"]),
                kinds=tuple(str(kind) for kind in document["kinds"]),
                windows=tuple(row[1:] for row in rows),
                labels=tuple(row[0] for row in rows),
                recipe=None if recipe is None else Recipe.from_document(recipe),
            )
            root = document.get("root")
        except (DataError, IndexError, KeyError, TypeError, ValueError, AttributeError) as error:
            what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else error
            raise DataError(f"{where} is not a benchmark: {what}") from error
        if root is not None and root != to_hex(found.root):
            raise DataError(f"{where}: its windows have the root {to_hex(found.root)}, it says {root}: it was altered")
        return found

    @staticmethod
    def load(path: Path) -> Benchmark:
        """Read a benchmark's file.

        Raises:
            DataError: The file can't be read, or is not a benchmark.
        """
        return Benchmark.from_document(read_json(path), str(path))

    def save(self, path: Path) -> None:
        """Write the file, a window to a line.

        Raises:
            DataError: The file can't be written.
        """
        write_json(path, self.document())


def _leaf(index: int, batches: int, windows: bytes, labels: bytes) -> bytes:
    return keccak(keccak(encode(["uint256", "uint256", "bytes", "bytes"], [index, batches, windows, labels])))
