"""The ledger: all that this node's reporter signed, on disk before it leaves, and all that was heard and asked.

Its rule is that of a signer: one observation for each feed and turn, and never one that is not newer than the last.
The rule is checked in the transaction that writes, so whatever was decided before, and however often this process died
meanwhile, nothing else is ever signed and let out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from oracle.chain.keys.typed import readings_hash
from oracle.core.errors import JournalError
from oracle.core.formats import to_hex
from oracle.feeds.journal.readings import keep_documents, keep_signed
from oracle.feeds.journal.schema import network
from oracle.feeds.journal.store import Store
from oracle.network.messages import AnswerMessage, report_hash
from oracle.sources.readings import ReadingsDocument

__all__ = ["Asked", "HeardMessage", "Ledger", "OtherwiseSigned", "SignedObservation", "TurnShare", "stored"]

AT_ONCE = 500
"""The most rows of a table that are deleted in one transaction."""

SIGNED_REPORTS_S = 86_400.0
"""Seconds for which whole reports are kept to be given again; after a turn, nobody asks for them."""


@dataclass(frozen=True, slots=True)
class TurnShare:
    """The messages of one member and turn, signed or heard, or the most of them that are kept.

    Attributes:
        messages: How many.
        length: The bytes that they have together.
    """

    messages: int = 0
    length: int = 0

    @classmethod
    def most(cls, feeds: int) -> TurnShare:
        """Return the most that a member may have where so many feeds are known.

        A report of all feeds can be parted until each is alone, for several rounds. And it can list feeds that are not
        known here, but not too often: nobody needs that, and whoever asks could fill the disk of all.
        """
        return cls(16 + 4 * feeds, (48 + 3 * feeds) << 10)

    def __add__(self, text: str) -> TurnShare:
        """Return the share with one more message, as it is stored."""
        return TurnShare(self.messages + 1, self.length + len(text))

    def has_room(self, most: TurnShare) -> bool:
        """Return whether it is below the most."""
        return self.messages < most.messages and self.length < most.length


class OtherwiseSigned(Exception):
    """Something else was signed already for a feed: this may not be signed.

    Attributes:
        feed_id: The feed.
        is_older: True if there is nothing of this turn, but something that is as new or newer.
    """

    def __init__(self, feed_id: bytes, observed_at: int, *, is_older: bool) -> None:
        said = "is not newer" if is_older else "is of the same turn"
        super().__init__(f"feed {to_hex(feed_id)}: an observation of {observed_at} is signed already, and this {said}")
        self.feed_id = feed_id
        self.is_older = is_older


@dataclass(frozen=True, slots=True)
class SignedObservation:
    """The observation of one feed that was signed in a turn.

    Attributes:
        observed_at: Its time, unix seconds.
        answer: The answer, in answer units; `NO_ANSWER` if it was signed that there is none.
        readings: The hash of its readings document, 32 bytes.
    """

    observed_at: int
    answer: int
    readings: bytes


@dataclass(frozen=True, slots=True)
class HeardMessage:
    """An answer message that this node has seen, and whose signature is its reporter's.

    Attributes:
        message: The message.
        told: True if its signer told it by itself, False if this node had asked for it.
        at: When it came, unix seconds.
    """

    message: AnswerMessage
    told: bool
    at: float


@dataclass(frozen=True, slots=True)
class Asked:
    """One member that was asked once for its answers.

    Attributes:
        reporter: The member's reporter address, checksummed.
        turn: The turn.
        observed_at: The report's time, unix seconds.
        outcome: answered, late, silent, invalid, or refused: and its code.
        seconds: How long it took.
        at: When it ended, unix seconds.
    """

    reporter: str
    turn: int
    observed_at: int
    outcome: str
    seconds: float
    at: float


class Ledger:
    """The ledger of one node, for one committee. Its methods may be called from any thread."""

    def __init__(self, store: Store, *, chain_id: int, hub: str, committee: int, clock: Callable[[], float]) -> None:
        """Open the ledger.

        Args:
            store: The journal's database: only its leader signs.
            chain_id: The hub's chain.
            hub: Its address.
            committee: The committee's number.
            clock: Unix seconds.
        """
        self._store = store
        self._chain_id = chain_id
        self._hub = hub
        self._committee = committee
        self._clock = clock

    # --- what was signed ---

    def given(self, report: bytes) -> AnswerMessage | None:
        """Return the answer message that was signed for a report, by its `report_hash`; None if there is none.

        Raises:
            JournalError, JournalUnavailable: It can't be read. So do all methods here.
        """
        table = network.signed_reports
        with self._store.transaction(read=True) as connection:
            found = connection.scalar(sa.select(table.c.message).where(table.c.report == report))
        return None if found is None else AnswerMessage.parse(found.encode())

    def is_signed(self, message: AnswerMessage) -> bool:
        """Return whether this very message was signed here."""
        table = network.signed_reports
        digest = message.digest(self._chain_id, self._hub)
        with self._store.transaction(read=True) as connection:
            return connection.scalar(sa.select(table.c.id).where(table.c.digest == digest)) is not None

    def observations(self, turn: int, feed_ids: Collection[bytes]) -> dict[bytes, SignedObservation]:
        """Return what was signed for these feeds in a turn."""
        with self._store.transaction(read=True) as connection:
            return self._observations(connection, turn, feed_ids)

    def share(self, turn: int) -> TurnShare:
        """Return how much was signed in a turn."""
        table = network.signed_reports
        query = sa.select(sa.func.count(), sa.func.sum(sa.func.length(table.c.message))).where(
            table.c.committee == self._committee, table.c.turn == turn
        )
        with self._store.transaction(read=True) as connection:
            messages, length = connection.execute(query).one()
        return TurnShare(int(messages), int(length or 0))

    def sign(
        self,
        message: AnswerMessage,
        requester: str,
        feed_ids: Collection[bytes],
        documents: Collection[ReadingsDocument] = (),
    ) -> None:
        """Write down what this node's reporter has signed. Only after that may it leave.

        Args:
            message: What it signed.
            requester: Whoever asked for it.
            feed_ids: The feeds of the report that this node knows. Of others it never says anything.
            documents: What is behind its answers, but for those that were signed in this turn before.

        Raises:
            OtherwiseSigned: Something else was signed for one of the feeds; nothing is written, and nothing may leave.
            JournalError, JournalUnavailable: It can't be written; nothing may leave.
        """
        with self._store.transaction() as connection:
            self._write_observations(connection, message, feed_ids)
            connection.execute(network.signed_reports.insert().values(**self._report_row(message, requester)))
            self._write_heard(connection, [HeardMessage(message, told=False, at=self._clock())])
            at = self._clock()
            if keep_documents(connection, documents, at) != [each.hash for each in documents]:
                raise JournalError(f"{self._store.name}: there are other readings behind an answer than those signed")
            keep_signed(connection, readings_hash(message.readings), message.readings, at)

    def adopt(self, message: AnswerMessage, feed_ids: Collection[bytes]) -> bool:
        """Write down a message of this node's own key that the ledger has lost. Return False if it is there.

        Raises:
            OtherwiseSigned: What the ledger has contradicts it: somebody else signs with the key.
        """
        with self._store.transaction() as connection:
            row = self._report_row(message, "")
            table = network.signed_reports
            known = sa.or_(table.c.digest == row["digest"], table.c.report == row["report"])
            found = connection.execute(sa.select(table.c.digest).where(known)).first()
            if found is not None:
                if found.digest != row["digest"]:
                    raise OtherwiseSigned(message.report.feed_ids[0], message.report.observed_at, is_older=False)
                return False
            self._write_observations(connection, message, feed_ids, lost=True)
            connection.execute(table.insert().values(**row))
        return True

    # --- what was heard and asked ---

    def note(self, heard: Sequence[HeardMessage], asked: Sequence[Asked] = ()) -> None:
        """Write down messages that were heard, each once, and how members that were asked have answered."""
        with self._store.transaction() as connection:
            self._write_heard(connection, heard)
            if asked:
                rows = [
                    {
                        "reporter": each.reporter,
                        "turn": each.turn,
                        "observed_at": each.observed_at,
                        "outcome": each.outcome,
                        "seconds": each.seconds,
                        "at": each.at,
                    }
                    for each in asked
                ]
                connection.execute(network.asked.insert(), rows)

    def heard(self, first_turn: int, last_turn: int | None = None) -> list[HeardMessage]:
        """Return the messages of some turns that were heard, in the order in which they were."""
        table = network.heard
        query = sa.select(table).where(table.c.committee == self._committee, table.c.turn >= first_turn)
        if last_turn is not None:
            query = query.where(table.c.turn <= last_turn)
        with self._store.transaction(read=True) as connection:
            rows = connection.execute(query.order_by(table.c.id)).all()
        return [HeardMessage(AnswerMessage.parse(row.message.encode()), bool(row.told), row.at) for row in rows]

    # --- keeping ---

    def forget(self, before: float) -> bool:
        """Delete what was written before a time, some of it at once; never a feed's newest signing.

        Returns:
            True if there is more: call it again.
        """
        signings, reports, heard, asked = network.signings, network.signed_reports, network.heard, network.asked
        newer = signings.alias("newer")
        superseded = sa.exists().where(
            newer.c.committee == signings.c.committee,
            newer.c.feed_id == signings.c.feed_id,
            newer.c.observed_at > signings.c.observed_at,
        )
        latest_turn = (
            sa.select(reports.c.turn)
            .where(reports.c.committee == self._committee)
            .order_by(reports.c.id.desc())
            .limit(1)
        ).scalar_subquery()
        old_reports = self._clock() - SIGNED_REPORTS_S
        wanted = (
            (signings, sa.and_(signings.c.at < before, superseded)),
            (
                reports,
                sa.and_(
                    reports.c.committee == self._committee, reports.c.at < old_reports, reports.c.turn != latest_turn
                ),
            ),
            (heard, heard.c.at < before),
            (asked, asked.c.at < before),
        )
        is_more = False
        for table, condition in wanted:
            with self._store.transaction() as connection:
                # In two steps: a trigger that reads the table is asked for each row.
                ids = connection.scalars(
                    sa.select(table.c.id).where(condition).order_by(table.c.id).limit(AT_ONCE)
                ).all()
                if ids:
                    connection.execute(table.delete().where(table.c.id.in_(ids)))
                is_more = is_more or len(ids) == AT_ONCE
        return is_more

    # --- details ---

    def _observations(
        self, connection: sa.Connection, turn: int, feed_ids: Iterable[bytes]
    ) -> dict[bytes, SignedObservation]:
        table = network.signings
        query = sa.select(table).where(
            table.c.committee == self._committee, table.c.turn == turn, table.c.feed_id.in_(list(feed_ids))
        )
        return {
            bytes(row.feed_id): SignedObservation(row.observed_at, int(row.answer), bytes(row.readings))
            for row in connection.execute(query)
        }

    def _write_observations(
        self, connection: sa.Connection, message: AnswerMessage, feed_ids: Collection[bytes], *, lost: bool = False
    ) -> None:
        """Write the observations that are new, if none contradicts what is there.

        Args:
            lost: True for a message that was signed before, and is only found again: its place in time is given.
        """
        report, turn = message.report, message.turn
        listed = zip(report.feed_ids, message.answers, message.readings, strict=True)
        mine: Mapping[bytes, SignedObservation] = {
            feed_id: SignedObservation(report.observed_at, answer, readings)
            for feed_id, answer, readings in listed
            if feed_id in feed_ids
        }
        there = self._observations(connection, turn, mine)
        for feed_id, found in there.items():
            if found != mine[feed_id]:
                raise OtherwiseSigned(feed_id, found.observed_at, is_older=False)
        new = [feed_id for feed_id in mine if feed_id not in there]
        table = network.signings
        if new and not lost:
            query = sa.select(table.c.feed_id, table.c.observed_at).where(
                table.c.committee == self._committee,
                table.c.observed_at >= report.observed_at,
                table.c.feed_id.in_(new),
            )
            newest = connection.execute(query.order_by(table.c.observed_at.desc())).first()
            if newest is not None:
                raise OtherwiseSigned(bytes(newest.feed_id), newest.observed_at, is_older=True)
        at = self._clock()
        rows = [
            {
                "committee": self._committee,
                "turn": turn,
                "feed_id": feed_id,
                "observed_at": mine[feed_id].observed_at,
                "answer": str(mine[feed_id].answer),
                "readings": mine[feed_id].readings,
                "at": at,
            }
            for feed_id in new
        ]
        if rows:
            connection.execute(table.insert(), rows)

    def _report_row(self, message: AnswerMessage, requester: str) -> dict[str, object]:
        return {
            "digest": message.digest(self._chain_id, self._hub),
            "committee": self._committee,
            "turn": message.turn,
            "report": report_hash(message.report),
            "requester": requester,
            "message": stored(message),
            "at": self._clock(),
        }

    def _write_heard(self, connection: sa.Connection, heard: Sequence[HeardMessage]) -> None:
        table = network.heard
        rows: dict[tuple[bytes, str], HeardMessage] = {}
        for each in heard:
            rows.setdefault((each.message.digest(self._chain_id, self._hub), each.message.reporter), each)
        if not rows:
            return
        digests = [digest for digest, _ in rows]
        found = connection.execute(sa.select(table.c.digest, table.c.reporter).where(table.c.digest.in_(digests)))
        there = {(bytes(row.digest), row.reporter) for row in found}
        new = [
            {
                "digest": digest,
                "reporter": reporter,
                "committee": self._committee,
                "turn": each.message.turn,
                "report": report_hash(each.message.report),
                "observed_at": each.message.report.observed_at,
                "message": stored(each.message),
                "told": each.told,
                "at": each.at,
            }
            for (digest, reporter), each in rows.items()
            if (digest, reporter) not in there
        ]
        if new:
            connection.execute(table.insert(), new)


def stored(message: AnswerMessage) -> str:
    """Return a message as it is stored."""
    return json.dumps(message.to_json(), separators=(",", ":"))
