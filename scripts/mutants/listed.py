"""The mutants that are listed as equivalent: no test can tell them from the code, or none should.

tests/mutants/ENGINE.toml has them, with the reason:

    [[equivalent]]
    key = "contracts/src/libraries/Features.sol Features.gap boundary: `>` -> `>=`"
    reason = "At the bound itself both branches give the bound."

A key may end in ` #*`: it then means all equal changes of the function. A key whose mutant is gone is an error, so the
list never grows old.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from oracle.core.errors import OracleError
from scripts.mutants.mutant import Mutant

FOLDER = "tests/mutants"
EVERY_NUMBER = " #*"


class WrongList(OracleError):
    """A list of equivalent mutants can't be used."""


@dataclass
class Equivalents:
    """One engine's list.

    Attributes:
        reasons: The reason for each key.
    """

    path: Path
    reasons: dict[str, str]
    _used: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, root: Path, engine: str) -> Equivalents:
        """Read an engine's list; without a file it is empty.

        Raises:
            WrongList: An entry has no key or no reason, or a key is there twice.
        """
        path = root / FOLDER / f"{engine}.toml"
        if not path.exists():
            return cls(path, {})
        reasons: dict[str, str] = {}
        try:
            entries = tomllib.loads(path.read_text(encoding="utf-8")).get("equivalent", [])
        except tomllib.TOMLDecodeError as error:
            raise WrongList(f"{path}: {error}") from error
        for number, entry in enumerate(entries, 1):
            key, reason = str(entry.get("key", "")), str(entry.get("reason", "")).strip()
            if not key or not reason:
                raise WrongList(f"{path}: entry {number} lacks its key or its reason")
            if key in reasons:
                raise WrongList(f"{path}: {key} is there twice")
            reasons[key] = reason
        return cls(path, reasons)

    def reason(self, mutant: Mutant) -> str:
        """Return the reason why a mutant is equivalent; empty: it is not listed."""
        for key in (mutant.key, mutant.key.partition(" #")[0] + EVERY_NUMBER):
            if key in self.reasons:
                self._used.add(key)
                return self.reasons[key]
        return ""

    def stale(self, files: Iterable[str]) -> list[str]:
        """Return the keys that no mutant had, of these files: call it after `reason` was asked for all of them."""
        wanted = set(files)
        return [key for key in self.reasons if key not in self._used and key.partition(" ")[0] in wanted]
