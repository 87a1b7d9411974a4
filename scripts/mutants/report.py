"""Count the verdicts on mutants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Any

from scripts.mutants.campaign import Trial
from scripts.mutants.mutant import Mutant, Outcome


@dataclass
class Tally:
    """The verdicts on the mutants of a file, or of all.

    Attributes:
        mutants: All that compile, tried or not.
        killed: A test failed.
        equivalent: Listed, with a reason; they were not tried.
    """

    mutants: int = 0
    killed: int = 0
    survived: int = 0
    equivalent: int = 0

    @property
    def score(self) -> float:
        """The share of the tried mutants that a test noticed; 1 if there is none."""
        tried = self.killed + self.survived
        return self.killed / tried if tried else 1.0

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the score of all mutants, by Wilson, if those tried were drawn by chance."""
        tried = self.killed + self.survived
        if not tried:
            return (0.0, 1.0)
        z2 = 1.96**2
        centre = (self.score + z2 / (2 * tried)) / (1 + z2 / tried)
        half = 1.96 / (1 + z2 / tried) * sqrt(self.score * (1 - self.score) / tried + z2 / (4 * tried**2))
        return (max(0.0, centre - half), min(1.0, centre + half))


@dataclass
class Report:
    """The verdicts of one run.

    Attributes:
        total: All files together.
        files: Each file.
        survivors: The mutants that no test noticed.
    """

    total: Tally = field(default_factory=Tally)
    files: dict[str, Tally] = field(default_factory=dict)
    survivors: list[Mutant] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return everything, for a file."""

        def counts(tally: Tally) -> dict[str, Any]:
            return {
                "mutants": tally.mutants,
                "killed": tally.killed,
                "survived": tally.survived,
                "equivalent": tally.equivalent,
                "score": round(tally.score, 4),
            }

        return {
            "total": counts(self.total) | {"interval": [round(bound, 4) for bound in self.total.interval]},
            "files": {file: counts(tally) for file, tally in sorted(self.files.items())},
            "survivors": [each.key for each in self.survivors],
        }

    def lines(self) -> list[str]:
        """Return a table, then the survivors with their lines."""
        width = max([len(file) for file in self.files] + [5])
        rows = [f"{'file':{width}}  mutants  killed  survived  equivalent   score"]
        for file, tally in [*sorted(self.files.items()), ("total", self.total)]:
            rows.append(
                f"{file:{width}}  {tally.mutants:7}  {tally.killed:6}  {tally.survived:8}  {tally.equivalent:10}"
                f"  {tally.score:6.1%}"
            )
        low, high = self.total.interval
        tried = self.total.killed + self.total.survived
        rows.append(
            f"95 % confidence interval of the score, if the {tried} were drawn by chance: {low:.1%} to {high:.1%}"
        )
        return rows + [f"survived: {each.file}:{each.line}  {each.key}" for each in self.survivors]


def count(mutants: Sequence[Mutant], equivalent: Sequence[Mutant], trials: Sequence[Trial]) -> Report:
    """Count trials.

    Args:
        mutants: All mutants of the files, without the equivalent ones.
        equivalent: The listed ones of the same files.
        trials: Those of the mutants that were tried.
    """
    report = Report()
    for mutant in mutants:
        _tally(report, mutant, "mutants")
    for mutant in equivalent:
        _tally(report, mutant, "mutants")
        _tally(report, mutant, "equivalent")
    for trial in trials:
        if trial.verdict.outcome is Outcome.INVALID:
            _tally(report, trial.mutant, "mutants", -1)
        elif trial.verdict.outcome is Outcome.KILLED:
            _tally(report, trial.mutant, "killed")
        else:
            _tally(report, trial.mutant, "survived")
            report.survivors.append(trial.mutant)
    return report


def _tally(report: Report, mutant: Mutant, name: str, by: int = 1) -> None:
    for tally in (report.total, report.files.setdefault(mutant.file, Tally())):
        setattr(tally, name, getattr(tally, name) + by)
