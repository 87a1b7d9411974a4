"""A cache of proofs, by artifact and statement, so that no statement is proven twice."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

from oracle.core.documents import parse_json
from oracle.proving.interface import Proof

ENTRIES = 256
"""Proofs in memory; each takes a few kB."""

FILES = 4_096


def statement_of(artifact_hash: str, instances: Sequence[int]) -> str:
    """Return a name for a statement; jobs that have the same instances in the same circuit share it."""
    words = b"".join(element.to_bytes(32, "big") for element in instances)
    return hashlib.sha256(artifact_hash.encode() + b"\0" + words).hexdigest()


class ProofCache:
    """The latest proofs, in memory and, if there is a folder, in files that outlive the process.

    A file is a claim: a prover verifies it before it uses it. Files hold the proof alone, neither features nor scores.

    Args:
        entries: Proofs in memory; 0 keeps none.
        folder: Created with the first file, for its owner alone.
        files: Files that are kept in the folder; the oldest go first.

    Raises:
        ValueError: `entries` is below 0, or `files` below 1.
    """

    def __init__(self, entries: int = ENTRIES, folder: Path | None = None, files: int = FILES) -> None:
        if entries < 0 or files < 1:
            raise ValueError(f"entries {entries} must be at least 0, files {files} at least 1")
        self._entries = entries
        self._folder = folder
        self._files = files
        self._proofs: OrderedDict[str, Proof] = OrderedDict()

    @property
    def on_disk(self) -> bool:
        """True if there is a folder."""
        return self._folder is not None

    def get(self, statement: str) -> Proof | None:
        """Return a proof from memory, which was verified when it came; None if there is none."""
        proof = self._proofs.get(statement)
        if proof is not None:
            self._proofs.move_to_end(statement)
        return proof

    def put(self, statement: str, proof: Proof) -> None:
        """Remember a verified proof in memory."""
        if self._entries:
            self._proofs[statement] = proof
            self._proofs.move_to_end(statement)
            while len(self._proofs) > self._entries:
                self._proofs.popitem(last=False)

    def read(self, statement: str, artifact_hash: str, instances: tuple[int, ...]) -> Proof | None:
        """Return what a file claims to be a proof of the statement, not verified; None if there is no such file."""
        if self._folder is None:
            return None
        try:
            document = parse_json(self._path(statement).read_bytes())
            proof, seconds = bytes.fromhex(document["proof"]), float(document["seconds"])
        except (OSError, KeyError, TypeError, ValueError):
            return None
        return Proof(proof, instances, artifact_hash, seconds)

    def write(self, statement: str, proof: Proof) -> None:
        """Keep a verified proof in a file, whole or not at all.

        Raises:
            OSError: The file can't be written.
        """
        if self._folder is None:
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=self._folder, prefix=".partial-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump({"proof": proof.proof.hex(), "seconds": proof.seconds}, file)
            os.replace(partial, self._path(statement))
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(partial)
            raise
        self._prune()

    def forget(self, statement: str) -> None:
        """Remove a proof from memory, and its file."""
        self._proofs.pop(statement, None)
        if self._folder is not None:
            with contextlib.suppress(OSError):
                self._path(statement).unlink()

    def _path(self, statement: str) -> Path:
        assert self._folder is not None
        return self._folder / f"{statement}.json"

    def _prune(self) -> None:
        assert self._folder is not None
        names = [entry for entry in os.scandir(self._folder) if entry.name.endswith(".json")]
        if len(names) > self._files:
            # Another process may prune the same folder.
            with contextlib.suppress(FileNotFoundError):
                names.sort(key=lambda entry: entry.stat().st_mtime_ns)
            for entry in names[: len(names) - self._files]:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(entry.path)
