"""The interface of an engine: it makes the mutants of one language, and tries them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from scripts.mutants.mutant import Mutant, Verdict


class Workspace(ABC):
    """One worker's own copy of the project. One thread uses it; other threads have others."""

    @abstractmethod
    def load(self, file: str, mutants: Sequence[Mutant]) -> None:
        """Prepare for trials of these mutants, all of `file`: it comes before the first `attempt` of them."""

    @abstractmethod
    def attempt(self, mutant: Mutant) -> Verdict:
        """Run the tests on one of the mutants that are loaded; leave the copy as it was."""

    @abstractmethod
    def close(self) -> None:
        """End all processes."""


class Engine(ABC):
    """The mutants of one language."""

    name: str
    """It names the engine's list, tests/mutants/NAME.toml, and its results, build/mutants/NAME.jsonl."""

    batch: int
    """A worker takes so many mutants of a file at a time."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @abstractmethod
    def files(self) -> list[str]:
        """Return the files that are mutated, relative to the project, sorted."""

    @abstractmethod
    def mutants(self, file: str) -> list[Mutant]:
        """Return all mutants of a file, made with `numbered`."""

    @abstractmethod
    def tests_digest(self, file: str) -> str:
        """Return a digest of everything but `file` itself that decides whether its mutants survive.

        A mutant that survived is tried again when it changes.
        """

    @abstractmethod
    def workspace(self, folder: Path) -> Workspace:
        """Make a worker's copy of the project in `folder`, or bring the one that is there up to date."""
