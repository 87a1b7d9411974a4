"""The readings behind signatures: fetched from the reporters, checked against what they signed, and derived again.

Nothing that a reporter serves is believed: its hash is in the calldata. A server that is silent, slow, or sends garbage
is a finding, and costs a bounded time and a bounded memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from oracle.audit.history import AuditedFeed, AuditedReport
from oracle.audit.report import ReadingsFault, ReadingsFinding, ReadingsReport, ReporterReadings
from oracle.chain.keys.typed import readings_hash
from oracle.core.documents import NotJson, canonical_json, parse_json
from oracle.core.encoding import NO_ANSWER, answer_text
from oracle.core.errors import DataError
from oracle.core.formats import keccak, to_hex
from oracle.core.report import NO_READINGS, Report, ReporterSignature
from oracle.core.times import utc
from oracle.core.types import Kind
from oracle.sources.readings import MAX_DOCUMENT, ReadingsDocument, SourceOutcome, parse

__all__ = [
    "FetchReadings",
    "ReadingsPlace",
    "ReadingsProblem",
    "ReadingsTerms",
    "audit_readings",
    "check_served",
    "document_at",
    "served_at_most",
]

_AT_ONCE = 8
_EACH_AT_ONCE = 2
_FAILURES = 5


@dataclass(frozen=True)
class ReadingsPlace:
    """The place where a reporter serves its readings.

    Attributes:
        name: The reporter's name, for the report.
        url: The base URL.
    """

    name: str
    url: str


FetchReadings: TypeAlias = Callable[[str, bytes, int], Awaitable[bytes]]
"""Fetches the readings of a hash from a base URL, with so many bytes at most; raises `ReadingsProblem`."""


class ReadingsTerms(Protocol):
    """The terms of a feed that its readings have to fit."""

    @property
    def description(self) -> str:
        """Its name on the hub."""

    @property
    def kind(self) -> Kind:
        """The measure of its moves."""

    @property
    def decimals(self) -> int:
        """Decimal places of an answer."""


class ReadingsProblem(Exception):
    """The readings do not stand behind a signature.

    Attributes:
        fault: The way in which they are wrong.
        position: The feed's position in the report; None if all feeds are concerned.
    """

    def __init__(self, fault: ReadingsFault, problem: str, position: int | None = None) -> None:
        super().__init__(problem)
        self.fault = fault
        self.position = position


def served_at_most(feeds: int) -> int:
    """Return the most bytes of the readings of a report with so many feeds."""
    return 64 + feeds * (MAX_DOCUMENT + 1)


def check_served(
    body: bytes, reporter: str, report: Report, signature: ReporterSignature, feeds: Mapping[bytes, ReadingsTerms]
) -> tuple[list[ReadingsDocument], list[ReadingsProblem]]:
    """Check what a reporter serves for one of its signatures, and derive every answer again.

    Args:
        body: What it serves.
        reporter: Its address.
        report: What it signed.
        signature: Its answers and its signature.
        feeds: The terms of the feeds, by their ids.

    Returns:
        The documents that stand behind the answers, and what is wrong with the others.

    Raises:
        ReadingsProblem: What is served is not what was signed.
    """
    served = _served(body, len(report.feed_ids))
    encoded = [None if each is None else canonical_json(each) for each in served]
    if readings_hash(NO_READINGS if each is None else keccak(each) for each in encoded) != signature.readings:
        raise ReadingsProblem(ReadingsFault.DIFFERENT, "what is served is not what was signed")
    documents, problems = [], []
    for position, (feed_id, answer, data) in enumerate(zip(report.feed_ids, signature.answers, encoded, strict=True)):
        try:
            if (document := _one(data, answer)) is not None:
                _check_subject(document, reporter, report, feed_id, answer, feeds.get(feed_id))
                documents.append(document)
        except ReadingsProblem as problem:
            problems.append(ReadingsProblem(problem.fault, str(problem), position))
    return documents, problems


def document_at(body: bytes, feeds: int, position: int) -> bytes | None:
    """Return the document of one feed in what a reporter serves, in the form that was hashed; None: it has none.

    Args:
        body: What it serves.
        feeds: How many feeds the report has.
        position: The feed's position in it.

    Raises:
        ReadingsProblem: It serves no readings of so many feeds.
    """
    found = _served(body, feeds)[position]
    return None if found is None else canonical_json(found)


async def audit_readings(
    reports: Sequence[AuditedReport],
    feeds: Mapping[bytes, AuditedFeed],
    place: Callable[[str], ReadingsPlace | None],
    fetch: FetchReadings,
) -> ReadingsReport:
    """Fetch and check the readings behind each signature of some reports.

    Args:
        reports: The reports.
        feeds: The terms of the feeds, by their ids.
        place: Returns where a reporter, by its address, serves its readings; None: that is not known.
        fetch: Fetches what is served.
    """
    everyone = sorted({reporter for report in reports for reporter in report.reporters})
    places = {reporter: place(reporter) for reporter in everyone}
    desks = {reporter: _Desk(reporter, places[reporter], fetch) for reporter in everyone}
    together = asyncio.Semaphore(_AT_ONCE)

    async def look(report: AuditedReport, row: int) -> list[ReadingsFinding]:
        desk = desks[report.reporters[row]]
        async with desk.turn, together:
            return await desk.look(report, row, feeds)

    waiting = [look(report, row) for report in reports for row in range(len(report.reporters))]
    found = [finding for findings in await asyncio.gather(*waiting) for finding in findings]
    return ReadingsReport(tuple(desks[reporter].figures() for reporter in everyone), tuple(found))


# --- details -------------------------------------------------------------------------------------------------------


@dataclass
class _Desk:
    """One reporter's readings. After some failures in a row, its server is not asked any more."""

    reporter: str
    place: ReadingsPlace | None
    fetch: FetchReadings
    turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_EACH_AT_ONCE))
    signatures: int = 0
    verified: int = 0
    failures: int = 0
    sources: list[int] = field(default_factory=list)
    oldest_s: int = 0

    @property
    def name(self) -> str:
        return "" if self.place is None else self.place.name

    async def look(self, report: AuditedReport, row: int, feeds: Mapping[bytes, AuditedFeed]) -> list[ReadingsFinding]:
        """Return what is wrong with the readings behind one signature."""
        self.signatures += 1
        signed, signature = report.signed.report, report.signed.signatures[row]
        try:
            body = await self._body(signed, signature)
            documents, problems = check_served(body, self.reporter, signed, signature, feeds)
        except ReadingsProblem as problem:
            documents, problems = [], [problem]
        self.verified += not problems
        for each in documents:
            agreeing = [one for one in each.readings.sources if one.outcome is SourceOutcome.AGREES]
            self.sources.append(len(agreeing))
            times = [one.time for one in agreeing if one.time is not None]
            self.oldest_s = max(self.oldest_s, signed.observed_at - min(times))
        return [
            ReadingsFinding(
                reporter=self.reporter,
                name=self.name,
                tx_hash=report.tx_hash,
                observed_at=signed.observed_at,
                feed=_description(problem, signed, feeds),
                fault=problem.fault,
                problem=str(problem),
            )
            for problem in problems
        ]

    def figures(self) -> ReporterReadings:
        """Return what the readings say of the reporter."""
        return ReporterReadings(
            reporter=self.reporter,
            name=self.name,
            signatures=self.signatures,
            verified=self.verified,
            answers=len(self.sources),
            sources_least=min(self.sources, default=0),
            sources_mean=round(sum(self.sources) / len(self.sources), 2) if self.sources else 0.0,
            oldest_s=self.oldest_s,
        )

    async def _body(self, report: Report, signature: ReporterSignature) -> bytes:
        feeds = len(report.feed_ids)
        if signature.readings == readings_hash([NO_READINGS] * feeds):
            raise ReadingsProblem(ReadingsFault.MISSING, "it signed without any readings")
        if self.place is None:
            raise ReadingsProblem(ReadingsFault.UNKNOWN, "it is not known where it serves its readings")
        if self.failures >= _FAILURES:
            text = f"its server is not asked any more, as it failed {_FAILURES} times in a row"
            raise ReadingsProblem(ReadingsFault.UNREACHABLE, text)
        try:
            body = await self.fetch(self.place.url, signature.readings, served_at_most(feeds))
        except ReadingsProblem as problem:
            self.failures = self.failures + 1 if problem.fault is ReadingsFault.UNREACHABLE else 0
            raise
        self.failures = 0
        return body


def _description(problem: ReadingsProblem, report: Report, feeds: Mapping[bytes, AuditedFeed]) -> str:
    if problem.position is None:
        return ""
    feed_id = report.feed_ids[problem.position]
    return feeds[feed_id].description if feed_id in feeds else to_hex(feed_id)


def _served(body: bytes, feeds: int) -> list[object]:
    """Return the documents in what is served, one for each feed, as they were read."""
    try:
        found = parse_json(body) if body.isascii() else None
    except NotJson:
        raise ReadingsProblem(ReadingsFault.UNREACHABLE, "its server answers something else than readings") from None
    served = found.get("feeds") if isinstance(found, dict) else None
    if not isinstance(served, list):
        raise ReadingsProblem(ReadingsFault.UNREACHABLE, "its server answers something else than readings")
    if len(served) != feeds:
        text = f"the readings of {len(served)} feeds are served, where {feeds} were signed"
        raise ReadingsProblem(ReadingsFault.DIFFERENT, text)
    return served


def _one(data: bytes | None, answer: int) -> ReadingsDocument | None:
    """Return the document behind an answer; None for a feed without an answer."""
    if data is None:
        if answer != NO_ANSWER:
            raise ReadingsProblem(ReadingsFault.MISSING, "it signed an answer without any readings")
        return None
    try:
        return parse(data)
    except DataError as error:
        raise ReadingsProblem(ReadingsFault.NOT_DERIVABLE, str(error)) from None


def _check_subject(
    document: ReadingsDocument,
    reporter: str,
    report: Report,
    feed_id: bytes,
    answer: int,
    feed: ReadingsTerms | None,
) -> None:
    """Check that a document is about what was signed. Raises ReadingsProblem."""
    rule = document.readings.rule
    said: list[tuple[str, object, object]] = [
        ("reporter", document.reporter, reporter.lower()),
        ("feed", to_hex(document.feed_id), to_hex(feed_id)),
        ("time", document.observed_at, report.observed_at),
        ("answer", document.answer, "none" if answer == NO_ANSWER else answer),
    ]
    if feed is not None:
        said += [("decimals", rule.decimals, feed.decimals), ("kind", rule.kind.name, feed.kind.name)]
    for what, found, signed in said:
        if found != signed:
            told, was = (_shown(what, value, rule.decimals) for value in (found, signed))
            raise ReadingsProblem(ReadingsFault.DIFFERENT, f"the document's {what} is {told}, but {was} was signed")


def _shown(what: str, value: object, decimals: int) -> object:
    """Return a time as a date, an answer in the feed's own units, and all else as it is."""
    if isinstance(value, int) and what == "time":
        return utc(value)
    return answer_text(value, decimals) if isinstance(value, int) and what == "answer" else value
