"""The result of checking a deployment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from oracle.audit.deployment.statement import DeploymentStatement


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not as it should be.

    Attributes:
        subject: The thing, for instance "hub 0x…" or "feed ETH / USD, committee".
        expected: What it should be.
        found: What it is.
        meaning: What follows from that.
    """

    subject: str
    expected: str
    found: str
    meaning: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.found}, not {self.expected}: {self.meaning}"


class Severity(StrEnum):
    """The weight of a weakness.

    Attributes:
        HIGH: One key or one mistake is enough to do harm.
        MEDIUM: It makes harm easier, or its repair slower.
        LOW: Good to know.
    """

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Weakness:
    """A setting that is as it was meant to be, and weak.

    Attributes:
        subject: The setting, and of what.
        reason: Why it is weak.
        remedy: What to do.
    """

    severity: Severity
    subject: str
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Unchecked:
    """Something that could be neither verified nor refuted.

    Attributes:
        reason: Why, and what would help.
    """

    subject: str
    reason: str


@dataclass(frozen=True)
class DeploymentReport:
    """All that a check of a deployment found.

    Attributes:
        statement: The deployment as the chain has it; None if there is no hub to read.
        against: What it was compared with, in words.
        checked: What was verified, in words.
        notes: What a reader should know.
        block_hash: The hash of the block at which everything was read.
        block_time: Its time, unix seconds.
        endpoints: The endpoints that agree on that block.
    """

    hub: str
    chain_id: int
    block: int
    against: str
    statement: DeploymentStatement | None
    differences: tuple[Difference, ...]
    unchecked: tuple[Unchecked, ...]
    weaknesses: tuple[Weakness, ...]
    notes: tuple[str, ...]
    checked: tuple[str, ...]
    block_hash: str = ""
    block_time: int = 0
    endpoints: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """True if nothing differs and nothing was left unchecked. Weaknesses are for a reader to judge."""
        return not self.differences and not self.unchecked


@dataclass
class DeploymentDraft:
    """A report while the check runs."""

    differences: list[Difference] = field(default_factory=list)
    unchecked: list[Unchecked] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)

    def differs(self, subject: str, expected: object, found: object, meaning: str) -> None:
        """Take over a difference, once."""
        wanted = Difference(subject, str(expected), str(found), meaning)
        if wanted not in self.differences:
            self.differences.append(wanted)

    def is_unchecked(self, subject: str, reason: str) -> None:
        """Take over something that could not be checked, once."""
        wanted = Unchecked(subject, reason)
        if wanted not in self.unchecked:
            self.unchecked.append(wanted)

    def extend(self, differences: Iterable[Difference]) -> None:
        """Take over several differences."""
        for each in differences:
            self.differs(each.subject, each.expected, each.found, each.meaning)
