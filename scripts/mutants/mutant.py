"""A mutant, and the verdict on it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

LONGEST_TEXT = 100
"""A key shows so many characters of a text, and a digest of a longer one."""


class Outcome(StrEnum):
    """The end of a trial."""

    KILLED = "killed"
    SURVIVED = "survived"
    INVALID = "invalid"
    """It does not compile: it is no mutant, and is not counted."""


@dataclass(frozen=True)
class Verdict:
    """The outcome of a trial.

    Attributes:
        outcome: See `Outcome`. A mutant that makes the tests run for ever is killed.
        by: The test that failed, "compiler" or "timeout"; empty: none.
        seconds: The time that it took.
    """

    outcome: Outcome
    by: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Mutant:
    """One change of one place.

    Attributes:
        file: The path, relative to the project, with slashes.
        function: The function, class or contract around the place, such as `Features.move`.
        operator: The kind of change.
        start: The first character that is replaced.
        end: The character after the last one that is replaced.
        line: The line of `start`, from 1.
        original: The text that is replaced.
        replacement: The text in its place.
        number: It counts equal changes within one function, from 0; see `numbered`.
    """

    file: str
    function: str
    operator: str
    start: int
    end: int
    line: int
    original: str
    replacement: str
    number: int = 0

    @property
    def key(self) -> str:
        """The name of the mutant. It stays the same when lines move, or other functions change."""
        number = f" #{self.number}" if self.number else ""
        change = f"{_shown(self.original)} -> {_shown(self.replacement)}"
        return f"{self.file} {self.function} {self.operator}: {change}{number}"

    def applied(self, text: str) -> str:
        """Return the file's text with the change.

        Raises:
            ValueError: The text is another one than the mutant was made from.
        """
        if text[self.start : self.end] != self.original:
            raise ValueError(f"{self.file} is not the text that the mutant was made from: {self.key}")
        return text[: self.start] + self.replacement + text[self.end :]


def numbered(mutants: Iterable[Mutant]) -> list[Mutant]:
    """Return the mutants in the order of the text, with equal changes of one function numbered."""
    seen: Counter[str] = Counter()
    result = []
    for each in sorted(mutants, key=lambda each: (each.start, each.end, each.operator, each.replacement)):
        key = replace(each, number=0).key
        result.append(replace(each, number=seen[key]))
        seen[key] += 1
    return result


def _shown(text: str) -> str:
    text = " ".join(text.split())
    if len(text) <= LONGEST_TEXT:
        return f"`{text}`"
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"`{text[:LONGEST_TEXT]}…{digest}`"
