"""Readings documents: everything that stands behind one reporter's answer for one feed, in a form that can be hashed.

A document says what each source said, when and from where, what became of it, by which rule an answer was made of it,
and the answer. Its hash is signed with the answer, so nobody can claim other readings later; its salt is random, so
nobody can guess it from the hash. It holds nothing secret: of a source's address the host at most, of a failure its
class.

There is one form in bytes: JSON with sorted keys, no blanks, only ASCII, whole numbers, and decimals as plain text.
`parse` refuses any other. `derive` makes the answer again of the readings, by the rule that the reporter uses itself.
A feed for which a reporter has no answer has no document, and the hash `NO_READINGS`.

Each reading is there in answer units, too: rounding keeps the order, so the answer is the lower median of these
integers, and a hash that a circuit can compute may be made of them.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Any, NoReturn

from oracle.core.documents import NotJson, canonical_json, parse_json
from oracle.core.encoding import INT128_MAX, answer_from_decimal
from oracle.core.errors import DataError, OracleError, SourceExhausted, SourceSuspended, SourceUnavailable
from oracle.core.formats import from_hex, keccak, to_hex
from oracle.core.types import Kind
from oracle.sources.aggregate import Aggregated, AggregationPolicy, aggregate
from oracle.sources.config import MAX_ORIGIN, MAX_SOURCES
from oracle.sources.interface import Collected, Reading, check_value

__all__ = [
    "MAX_DOCUMENT",
    "SALT_BYTES",
    "FeedReadings",
    "ReadingsDocument",
    "ReadingsRule",
    "SourceOutcome",
    "SourceReading",
    "derive",
    "gather",
    "parse",
]

VERSION = 1

SALT_BYTES = 16

MAX_DOCUMENT = 80 << 10
"""The most bytes of a document. The bounds on its parts leave it smaller."""

_MAX_NAME = 60
_MAX_DESCRIPTION = 64
_MAX_DECIMALS = 18
_MAX_TEXT = 210
_UINT32_MAX = 2**32 - 1

_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?\Z")
_INTEGER = re.compile(r"(0|-?[1-9][0-9]{0,38})\Z")
_HEX = re.compile(r"0x[0-9a-f]*\Z")
_ORIGIN = re.compile(rf"[\x20-\x7e]{{1,{MAX_ORIGIN}}}\Z")

_KINDS = {Kind.RELATIVE: "relative", Kind.ABSOLUTE: "absolute"}


class SourceOutcome(StrEnum):
    """The part that a source had in an answer.

    Attributes:
        AGREES: Its value is near enough to the median, and counts.
        OUTLIER: Its value is too far from the median, and was left out.
        UNAVAILABLE: It gave no useful answer.
        SUSPENDED: It was not asked, because it had failed too often.
        EXHAUSTED: It is a recording that is at its end.
        INVALID: What it gave can't be a value of the feed.
        FAILED: It failed in another way.
    """

    AGREES = "agrees"
    OUTLIER = "outlier"
    UNAVAILABLE = "unavailable"
    SUSPENDED = "suspended"
    EXHAUSTED = "exhausted"
    INVALID = "invalid"
    FAILED = "failed"


_ANSWERED = frozenset({SourceOutcome.AGREES, SourceOutcome.OUTLIER})


@dataclass(frozen=True, slots=True)
class SourceReading:
    """The reading of one source, or why there is none.

    Attributes:
        name: The source's name.
        origin: Where its values come from, for everybody.
        outcome: What became of it.
        value: Its value as plain decimal text, with all the digits that it gave; None if it gave none.
        units: The value in answer units, rounded; None if there is none, or if it fits no answer.
        time: When it was observed, unix seconds; None if there is no value.
    """

    name: str
    origin: str
    outcome: SourceOutcome
    value: str | None = None
    units: int | None = None
    time: int | None = None


@dataclass(frozen=True, slots=True)
class ReadingsRule:
    """A feed, and the rule by which its answer is made.

    Attributes:
        feed_id: The feed's id on the hub, 32 bytes.
        description: The feed's description, of which the id is the hash.
        decimals: Decimal places of an answer.
        kind: The measure of its moves.
        min_sources: How many sources must agree.
        max_spread: How far a source may be from the median, as `AggregationPolicy` has it, as plain decimal text; None:
            unbounded.
    """

    feed_id: bytes
    description: str
    decimals: int
    kind: Kind
    min_sources: int
    max_spread: str | None

    @classmethod
    def of(cls, feed_id: bytes, description: str, decimals: int, policy: AggregationPolicy) -> ReadingsRule:
        """Return the rule of a feed whose readings are aggregated by this policy."""
        spread = None if policy.max_spread is None else _text(policy.max_spread)
        return cls(feed_id, description, decimals, policy.kind, policy.min_sources, spread)

    @property
    def policy(self) -> AggregationPolicy:
        """The policy by which the readings are aggregated."""
        spread = None if self.max_spread is None else Decimal(self.max_spread)
        return AggregationPolicy(self.kind, self.min_sources, spread)


@dataclass(frozen=True, slots=True)
class FeedReadings:
    """Everything that one look at a feed's sources gave, and the answer that was made of it. It is nobody's yet."""

    rule: ReadingsRule
    sources: tuple[SourceReading, ...]
    answer: int

    def document(self, reporter: str, observed_at: int, salt: bytes | None = None) -> ReadingsDocument:
        """Bind the readings to the reporter and the time with which the answer is signed.

        Args:
            reporter: The reporter's address.
            observed_at: The report's time, unix seconds.
            salt: 16 bytes, for tests; None: random ones.
        """
        made = secrets.token_bytes(SALT_BYTES) if salt is None else salt
        return ReadingsDocument(self, reporter.lower(), observed_at, made)


@dataclass(frozen=True)
class ReadingsDocument:
    """The readings behind an answer that a reporter signs.

    Attributes:
        readings: What the sources said, and the answer.
        reporter: The address of the reporter, in lower case: nobody can sign with another's document.
        observed_at: The report's time, unix seconds.
        salt: 16 random bytes.
    """

    readings: FeedReadings
    reporter: str
    observed_at: int
    salt: bytes

    @property
    def feed_id(self) -> bytes:
        """The feed's id on the hub."""
        return self.readings.rule.feed_id

    @property
    def answer(self) -> int:
        """The answer, in answer units."""
        return self.readings.answer

    @cached_property
    def hash(self) -> bytes:
        """The Keccak-256 hash of the document's bytes, which is signed."""
        return keccak(self.encode())

    def encode(self) -> bytes:
        """Return the document's only form in bytes."""
        rule = self.readings.rule
        return canonical_json(
            {
                "aggregation": {"max_spread": rule.max_spread, "min_sources": rule.min_sources},
                "answer": str(self.readings.answer),
                "decimals": rule.decimals,
                "description": rule.description,
                "feed_id": to_hex(rule.feed_id),
                "kind": _KINDS[rule.kind],
                "observed_at": self.observed_at,
                "reporter": self.reporter,
                "salt": to_hex(self.salt),
                "sources": [
                    {
                        "name": each.name,
                        "origin": each.origin,
                        "outcome": each.outcome.value,
                        "time": each.time,
                        "units": None if each.units is None else str(each.units),
                        "value": each.value,
                    }
                    for each in self.readings.sources
                ],
                "version": VERSION,
            }
        )


def gather(
    rule: ReadingsRule, origins: Mapping[str, str], collected: Collected, value: Aggregated, answer: int
) -> FeedReadings:
    """Return what a look at a feed's sources gave.

    Args:
        rule: The feed, and the rule by which its answer is made.
        origins: Where the values of each source come from, by its name, in the order of the sources.
        collected: What the sources gave.
        value: What was made of it.
        answer: The same in answer units.
    """
    read = {each.source: each for each in collected.readings}
    errors = dict(zip(collected.failures, collected.errors, strict=True))
    outliers = {each.source for each in value.outliers}
    sources = []
    for name, origin in origins.items():
        if (reading := read.get(name)) is None:
            sources.append(SourceReading(name, origin, _class_of(errors.get(name))))
            continue
        text = _text(reading.value)
        outcome = SourceOutcome.OUTLIER if name in outliers else SourceOutcome.AGREES
        sources.append(SourceReading(name, origin, outcome, text, _units(text, rule.decimals), reading.observed_at))
    return FeedReadings(rule, tuple(sources), answer)


def derive(document: ReadingsDocument) -> int:
    """Return the answer that follows from a document's readings, in answer units.

    Raises:
        DataError: No answer follows, or another one than the document says; or another source agrees, or is left out.
    """
    readings = document.readings
    given = [
        Reading(Decimal(each.value), each.time, each.name)
        for each in readings.sources
        if each.value is not None and each.time is not None
    ]
    try:
        value = aggregate(given, readings.rule.policy)
        answer = answer_from_decimal(value.value, readings.rule.decimals)
    except (DataError, SourceUnavailable) as error:
        raise DataError(f"no answer follows from the readings: {error}") from None
    if answer != readings.answer:
        raise DataError(f"the answer that follows from the readings is {answer}, not {readings.answer}")
    agreeing = {each.name for each in readings.sources if each.outcome is SourceOutcome.AGREES}
    if differing := sorted(agreeing ^ set(value.sources)):
        does = "agrees" if differing[0] in value.sources else "does not agree"
        raise DataError(f"the source {differing[0]!r} {does} with the others, but the document says something else")
    return answer


def parse(data: bytes) -> ReadingsDocument:
    """Return the document with these bytes, whose answer follows from its readings.

    Raises:
        DataError: They are no document, or not in its only form, or its answer does not follow from its readings.
    """
    if len(data) > MAX_DOCUMENT:
        _wrong(f"has more than {MAX_DOCUMENT} bytes")
    if not data.isascii():
        _wrong("is not ASCII")
    try:
        found = parse_json(data)
    except NotJson as error:
        _wrong(f"can't be read: {error}")
    document = _document(found)
    if document.encode() != data:
        _wrong("is not in the only form of its content: sorted keys, no blanks, ASCII")
    derive(document)
    return document


# --- details -------------------------------------------------------------------------------------------------------


def _class_of(error: OracleError | None) -> SourceOutcome:
    """Return the class of a failure. Its words stay here: they may tell more than everybody may know."""
    classes: Sequence[tuple[type[OracleError], SourceOutcome]] = (
        (SourceSuspended, SourceOutcome.SUSPENDED),
        (SourceUnavailable, SourceOutcome.UNAVAILABLE),
        (SourceExhausted, SourceOutcome.EXHAUSTED),
        (DataError, SourceOutcome.INVALID),
    )
    return next((outcome for kind, outcome in classes if isinstance(error, kind)), SourceOutcome.FAILED)


def _text(value: Decimal) -> str:
    """Return a value as plain decimal text: all its digits, no exponent. Zero is 0, however it was written."""
    return format(value, "f") if value else "0"


def _units(text: str, decimals: int) -> int | None:
    try:
        return answer_from_decimal(Decimal(text), decimals)
    except DataError:
        return None


def _wrong(what: str) -> NoReturn:
    raise DataError(f"readings document: {what}")


def _document(found: Any) -> ReadingsDocument:
    names = ("aggregation", "answer", "decimals", "description", "feed_id", "kind", "observed_at", "reporter", "salt",
             "sources", "version")  # fmt: skip
    fields = _object(found, "it", names)
    if _number(fields["version"], "version", 0, _UINT32_MAX) != VERSION:
        _wrong(f"is of version {fields['version']}, not {VERSION}")
    rule = _rule(fields)
    sources = fields["sources"]
    if not isinstance(sources, list) or not 1 <= len(sources) <= MAX_SOURCES:
        _wrong(f"'sources' is not a list of 1 to {MAX_SOURCES}")
    read = tuple(_source(each, f"sources[{index}]", rule.decimals) for index, each in enumerate(sources))
    if len({each.name for each in read}) != len(read):
        _wrong("two sources have one name")
    readings = FeedReadings(rule, read, _integer(fields["answer"], "answer"))
    observed_at = _number(fields["observed_at"], "observed_at", 1, _UINT32_MAX)
    reporter = to_hex(_bytes(fields["reporter"], "reporter", 20))
    return ReadingsDocument(readings, reporter, observed_at, _bytes(fields["salt"], "salt", SALT_BYTES))


def _rule(fields: Mapping[str, Any]) -> ReadingsRule:
    description = _string(fields["description"], "description", _MAX_DESCRIPTION)
    feed_id = _bytes(fields["feed_id"], "feed_id", 32)
    if keccak(description.encode()) != feed_id:
        _wrong("'feed_id' is not the hash of 'description'")
    kind = next((kind for kind, name in _KINDS.items() if name == fields["kind"]), None)
    if kind is None:
        _wrong("'kind' is neither relative nor absolute")
    rule = _object(fields["aggregation"], "'aggregation'", ("max_spread", "min_sources"))
    spread = None if rule["max_spread"] is None else _decimal(rule["max_spread"], "max_spread")
    if spread is not None and Decimal(spread) <= 0:
        _wrong("'max_spread' is not above zero")
    return ReadingsRule(
        feed_id=feed_id,
        description=description,
        decimals=_number(fields["decimals"], "decimals", 0, _MAX_DECIMALS),
        kind=kind,
        min_sources=_number(rule["min_sources"], "min_sources", 1, MAX_SOURCES),
        max_spread=spread,
    )


def _source(found: Any, where: str, decimals: int) -> SourceReading:
    fields = _object(found, where, ("name", "origin", "outcome", "time", "units", "value"))
    name, origin = _string(fields["name"], f"{where}.name", _MAX_NAME), fields["origin"]
    if not isinstance(origin, str) or not _ORIGIN.match(origin):
        _wrong(f"{where}.origin is not a short text in printable ASCII")
    outcome = next((each for each in SourceOutcome if each.value == fields["outcome"]), None)
    if outcome is None:
        _wrong(f"{where}.outcome is none of {', '.join(SourceOutcome)}")
    if outcome not in _ANSWERED:
        if (fields["time"], fields["units"], fields["value"]) != (None, None, None):
            _wrong(f"{where} has a value, but is {outcome}")
        return SourceReading(name, origin, outcome)
    value = _decimal(fields["value"], f"{where}.value")
    units = None if fields["units"] is None else _integer(fields["units"], f"{where}.units")
    if units != _units(value, decimals):
        _wrong(f"{where}.units is not its value in answer units")
    return SourceReading(name, origin, outcome, value, units, _number(fields["time"], f"{where}.time", 0, _UINT32_MAX))


def _object(found: Any, where: str, names: Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(found, dict) or set(found) != set(names):
        _wrong(f"{where} is not an object with exactly {', '.join(names)}")
    return found


def _number(found: Any, where: str, least: int, most: int) -> int:
    if type(found) is not int or not least <= found <= most:
        _wrong(f"'{where}' is not a whole number from {least} to {most}")
    return found


def _integer(found: Any, where: str) -> int:
    if not isinstance(found, str) or not _INTEGER.match(found) or abs(int(found)) > INT128_MAX:
        _wrong(f"'{where}' is not a whole number as text, as an answer can be")
    return int(found)


def _decimal(found: Any, where: str) -> str:
    if not isinstance(found, str) or len(found) > _MAX_TEXT or not _DECIMAL.match(found):
        _wrong(f"'{where}' is not a plain decimal number as text")
    value = check_value(Decimal(found), f"readings document: '{where}'")
    if _text(value) != found:
        _wrong(f"'{where}' is zero, but not written as 0")
    return found


def _string(found: Any, where: str, most: int) -> str:
    """Return a text of characters that every terminal and every language can show: no controls, no halves of pairs."""
    if not isinstance(found, str) or not 1 <= len(found) <= most:
        _wrong(f"'{where}' is not a text of 1 to {most} characters")
    if any(each < " " or "\x7f" <= each <= "\x9f" or "\ud800" <= each <= "\udfff" for each in found):
        _wrong(f"'{where}' has a character that can't be shown")
    return found


def _bytes(found: Any, where: str, size: int) -> bytes:
    if not isinstance(found, str) or len(found) != 2 + 2 * size or not _HEX.match(found):
        _wrong(f"'{where}' is not 0x and {2 * size} hexadecimal digits in lower case")
    return from_hex(found)
