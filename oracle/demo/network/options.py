"""The options of `oracle demo --reporters`."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from oracle.app.local_network.ways import WAYS, Way
from oracle.core.errors import DataError

__all__ = ["MAX_REPORTERS", "MIN_TURN_S", "NetworkDemoOptions"]

MAX_REPORTERS = 13
"""Each is a process with a prover of its own, so one machine does not bear many more."""

MIN_TURN_S = 2
"""The shortest turn that the product takes."""

MAX_TURN_S = 60

HONEST_ROUNDS = 12
"""The number of rounds if nobody is faulty, and nothing else is asked for."""


@dataclass(frozen=True)
class NetworkDemoOptions:
    """Options of `oracle demo --reporters`.

    Attributes:
        reporters: The number of members.
        faulty: How many of them are faulty.
        rounds: The number of turns that are played; None: as many as show each way to be faulty.
        turn_s: Seconds of a turn. A machine that is slow, or busy, needs longer ones.
        seed: Decides noise, delays, who is faulty, and the order of the ways.
        start: The first recorded day, ISO.
        out: The folder of the summary and of the members' folders.

    Raises:
        DataError: The network can't bear so many faulty members.
    """

    reporters: int = 4
    faulty: int = 1
    rounds: int | None = None
    turn_s: int = MIN_TURN_S
    seed: int = 2008
    start: str = "2008-07-01"
    out: Path = Path("build/demo")

    def __post_init__(self) -> None:
        if not 1 <= self.reporters <= MAX_REPORTERS:
            raise DataError(f"--reporters {self.reporters}: this machine can play 1 to {MAX_REPORTERS} of them")
        if self.faulty < 0:
            raise DataError(f"--faulty {self.faulty}: there can't be fewer than none")
        if self.reporters < 3 * self.faulty + 1:
            raise DataError(
                f"--faulty {self.faulty}: {self.reporters} reporters bear {(self.reporters - 1) // 3} faulty at most; "
                f"give --reporters {3 * self.faulty + 1}, or fewer faulty ones"
            )
        if self.rounds is not None and self.rounds < 1:
            raise DataError(f"--rounds {self.rounds}: there has to be one at least")

        if not MIN_TURN_S <= self.turn_s <= MAX_TURN_S:
            raise DataError(f"--turn {self.turn_s}: a turn has {MIN_TURN_S} to {MAX_TURN_S} seconds here")

    @property
    def quorum(self) -> int:
        """The smallest quorum in which the faulty are not the majority."""
        return 2 * self.faulty + 1

    @property
    def turns(self) -> int:
        """The number of turns that are played."""
        if self.rounds is not None:
            return self.rounds
        if not self.faulty:
            return HONEST_ROUNDS
        own = sum(way.in_own_turn for way in WAYS.values())
        others = math.ceil((len(WAYS) - own) * self.reporters / (self.reporters - 1))
        return max(others, own * self.reporters) + 1

    def faulty_members(self) -> Sequence[int]:
        """Return the numbers of the faulty members."""
        return sorted(random.Random(f"{self.seed} faulty").sample(range(self.reporters), self.faulty))

    def ways(self, member: int) -> list[Way]:
        """Return the ways to be faulty in the order in which they come for a member."""
        return random.Random(f"{self.seed} ways {member}").sample(list(Way), len(Way))
