"""The packed words of a hub's storage, field by field, from the low bits to the high ones.

`contracts/src/libraries/Slots.sol` and `Store.sol` draw the same. Tests compare both with the compiler's layout, and
with what a hub writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from oracle.core.encoding import RING_SIZE
from oracle.core.formats import checksum_address, to_hex

__all__ = [
    "ADDRESS", "ADMIN", "CIRCUIT", "COMMITTEE", "CONFIG", "COUNTERS", "HASH", "HELD_ANSWERS", "HELD_REST", "MODEL_HASH",
    "NUMBER", "PEER", "PEER_RESTS", "PENDING_ADMIN", "PROPOSALS", "ROUND", "SHADOW_COUNTS", "SHADOW_REPORT", "TRACK",
    "Field", "WordLayout",
]  # fmt: skip


_NAMED = 4
"""Fields of a word whose differences are told; the others are counted."""


def _hash(value: int) -> str:
    return to_hex(value.to_bytes(32))


def _address(value: int) -> str:
    return checksum_address(f"0x{value:040x}") if value >> 160 == 0 else hex(value)


@dataclass(frozen=True, slots=True)
class Field:
    """Some bits of a word.

    Attributes:
        name: The contract's name of it; empty for bits that are never set.
        signed: True if the bits are a number in two's complement.
        form: Writes its value for people.
    """

    name: str
    bits: int
    signed: bool = False
    form: Callable[[int], str] = str

    def encode(self, value: int) -> int:
        """Return the bits of a value. Raises: ValueError if it does not fit."""
        low = -(1 << (self.bits - 1)) if self.signed else 0
        if not low <= value < low + (1 << self.bits):
            raise ValueError(f"{self.name} does not fit {self.bits} bits: {value}")
        return value & ((1 << self.bits) - 1)

    def decode(self, bits: int) -> int:
        """Return the value of the bits."""
        return bits - (1 << self.bits) if self.signed and bits >> (self.bits - 1) else bits


class WordLayout:
    """The fields of a word. They fill it.

    Args:
        fields: From the low bits to the high ones.
    """

    def __init__(self, *fields: Field) -> None:
        used = sum(field.bits for field in fields)
        self.fields = fields if used == 256 else (*fields, Field("", 256 - used))

    def __iter__(self) -> Iterator[tuple[Field, int]]:
        """Yield each field with the place of its lowest bit."""
        low = 0
        for field in self.fields:
            yield field, low
            low += field.bits

    def pack(self, *values: int) -> int:
        """Return the word that has these values, in the order of the fields; fields without a name take none.

        Raises:
            ValueError: A value does not fit its field.
        """
        word, given = 0, iter(values)
        for field, low in self:
            if field.name:
                word |= field.encode(next(given)) << low
        assert next(given, None) is None
        return word

    def unpack(self, word: int) -> dict[str, int]:
        """Return the values of a word by the fields' names."""
        return {field.name: field.decode(word >> low & ((1 << field.bits) - 1)) for field, low in self}

    def mask(self, *names: str) -> int:
        """Return a word in which exactly the bits of these fields are set."""
        return sum(((1 << field.bits) - 1) << low for field, low in self if field.name in names)

    def difference(self, expected: int, found: int) -> str:
        """Say which fields differ between two words, and how."""
        texts: list[str] = []
        for field, low in self:
            want, have = (word >> low & ((1 << field.bits) - 1) for word in (expected, found))
            if want == have:
                continue
            if not field.name:
                texts.append(f"bits that are never set hold {have:#x}")
            else:
                subject = f"{field.name} is " if len(self.fields) > 1 else ""
                values = (field.form(field.decode(each)) for each in (have, want))
                texts.append("{}{}, its history says {}".format(subject, *values))
        more = len(texts) - _NAMED
        return "; ".join(texts[:_NAMED]) + (f"; and {more} more fields" if more > 0 else "")


NUMBER = WordLayout(Field("value", 256))
HASH = WordLayout(Field("value", 256, form=_hash))
MODEL_HASH = WordLayout(Field("value", 256, form=hex))
ADDRESS = WordLayout(Field("value", 160, form=_address))

COUNTERS = WordLayout(Field("architectureCount", 32), Field("committeeCount", 32), Field("modelCount", 16))
CONFIG = WordLayout(
    *(Field("relative", 1), Field("paused", 1), Field("held", 1), Field("linked", 1), Field("peers", 2), Field("", 2)),
    *(Field("decimals", 8), Field("confirmations", 8), Field("maxRepeats", 8), Field("modelNumber", 16)),
    *(Field("heartbeat", 24), Field("maxAge", 24), Field("maxSkew", 16), Field("confirmDelay", 24)),
    *(Field("tolerance", 16), Field("maxSpread", 16), Field("committee", 24), Field("sigma", 64)),
)
TRACK = WordLayout(
    Field("roundId", 32),
    Field("variance", 32),
    *(Field(f"move {age}", 16, signed=True) for age in range(RING_SIZE)),
)
HELD_ANSWERS = WordLayout(Field("answer", 128, signed=True), Field("firstAnswer", 128, signed=True))
HELD_REST = WordLayout(
    *(Field("firstObservedAt", 32), Field("firstSeenAt", 32), Field("observedAt", 32), Field("confirmations", 8)),
    *(Field("modelNumber", 16), Field("scoreRatio", 24, signed=True), Field("reason", 8), Field("anomalies", 16)),
    *(Field("anomalousSince", 32), Field("anomalousSeenAt", 32), Field("firstGap", 16), Field("heldReports", 8)),
)
PEER = WordLayout(Field("answer", 128, signed=True), Field("first half of the id", 128, form=hex))
PEER_RESTS = WordLayout(Field("second half of the first id", 128, form=hex), Field("of the second id", 128, form=hex))
PROPOSALS = WordLayout(
    *(Field("modelFrom", 64), Field("unpauseFrom", 64), Field("previousUntil", 64)),
    *(Field("model", 16), Field("previousModel", 16)),
)
SHADOW_COUNTS = WordLayout(
    *(Field("reports", 32), Field("compared", 32), Field("disagreements", 32)),
    *(Field("minCompared", 32), Field("maxDisagreements", 32)),
)
SHADOW_REPORT = WordLayout(
    *(Field("answer", 128, signed=True), Field("observedAt", 32), Field("roundId", 32)),
    *(Field("anomalous", 8), Field("pending", 8)),
)
ROUND = WordLayout(
    *(Field("answer", 128, signed=True), Field("observedAt", 32), Field("publishedAfter", 24), Field("repeats", 8)),
    *(Field("modelNumber", 16), Field("scoreRatio", 24, signed=True), Field("spread", 16), Field("count", 5)),
)
COMMITTEE = WordLayout(
    *(Field("epoch", 32), Field("quorum", 8), Field("size", 8), Field("proposedQuorum", 8), Field("proposedFrom", 64)),
)
CIRCUIT = WordLayout(
    *(Field("verifier", 160, form=_address), Field("bindsModel", 1), Field("", 7), Field("features", 8)),
    *(Field("outputs", 8), Field("count", 8), Field("batchSize", 16)),
    *(Field("scoreUnit's exponent", 8), Field("scoreUnit's mantissa", 40)),
)
PENDING_ADMIN = WordLayout(
    Field("pendingDefaultAdmin", 160, form=_address), Field("its schedule", 48), Field("defaultAdminDelay", 48)
)
ADMIN = WordLayout(Field("defaultAdmin", 160, form=_address), Field("pendingDelay", 48), Field("its schedule", 48))
