"""The tables of a node that signs with others, in its journal's database: so only the journal's leader writes them.

    signings        one row for each observation that this node's reporter signed: at most one per feed and turn
    signed_reports  one row for each report that it signed, with its answer message, so that it can be given again
    heard           one row for each answer message that this node has seen, its own included
    asked           one row for each member that this node asked for its answers: how it ended, and how long it took
    brought         one row for each report that a transmitter brought to the chain: whose answers it has
    evidence        one row for each fault of a member, with what proves it
    faults          one row for each member, kind of fault and day: how many there were, more than evidence is kept of
    readings        one row for each readings document: all readings behind a feed's answer
    signed_readings one row for each feed of each hash of readings that was signed: which document it stands for
    updates         one row for each feed whose newest report is proven and kept for whoever pulls it

`signings` and `signed_reports` never change: a signer that forgot could sign twice. Old rows may be deleted, but never
a feed's newest signing: nothing observed at its time or before is signed any more, so nothing older is needed.
"""

from __future__ import annotations

import sqlalchemy as sa

__all__ = ["APPEND_ONLY", "MAY_BE_FORGOTTEN", "NetworkTables"]

APPEND_ONLY = ("signings", "signed_reports")

MAY_BE_FORGOTTEN = {
    "signings": "EXISTS (SELECT 1 FROM signings AS newer WHERE newer.committee = OLD.committee "
    "AND newer.feed_id = OLD.feed_id AND newer.observed_at > OLD.observed_at)",
    "signed_reports": "EXISTS (SELECT 1 FROM signed_reports AS newer WHERE newer.committee = OLD.committee "
    "AND newer.id > OLD.id AND newer.turn <> OLD.turn)",
}
"""The condition under which a row of such a table may be deleted, in SQL: a newer one says all that it said."""


class NetworkTables:
    """The tables, in the metadata of the journal's schema."""

    def __init__(
        self, metadata: sa.MetaData, integer: sa.types.TypeEngine[int], double: sa.types.TypeEngine[float]
    ) -> None:
        """Define the tables.

        Args:
            metadata: Gets the tables.
            integer: The type of large integers.
            double: The type of times.
        """
        self.signings = sa.Table(
            "signings",
            metadata,
            sa.Column("id", integer, primary_key=True),
            sa.Column("committee", integer, nullable=False),
            sa.Column("turn", integer, nullable=False),
            sa.Column("feed_id", sa.LargeBinary, nullable=False),
            sa.Column("observed_at", integer, nullable=False),
            # Decimal text: an int128 fits neither database's integers. NO_ANSWER stands for none.
            sa.Column("answer", sa.Text, nullable=False),
            sa.Column("readings", sa.LargeBinary, nullable=False),
            sa.Column("at", double, nullable=False),
            sa.UniqueConstraint("committee", "feed_id", "turn"),
            sa.Index("signings_observed", "committee", "observed_at"),
        )
        self.signed_reports = sa.Table(
            "signed_reports",
            metadata,
            sa.Column("id", integer, primary_key=True),
            # The digest that was signed, 32 bytes.
            sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
            sa.Column("committee", integer, nullable=False),
            sa.Column("turn", integer, nullable=False),
            # The hash of the report without answers, to find what was signed for a request that is made again.
            sa.Column("report", sa.LargeBinary, nullable=False, unique=True),
            sa.Column("requester", sa.Text, nullable=False),
            sa.Column("message", sa.Text, nullable=False),
            sa.Column("at", double, nullable=False),
        )
        self.heard = sa.Table(
            "heard",
            metadata,
            sa.Column("id", integer, primary_key=True),
            sa.Column("digest", sa.LargeBinary, nullable=False),
            sa.Column("reporter", sa.Text, nullable=False),
            sa.Column("committee", integer, nullable=False),
            sa.Column("turn", integer, nullable=False, index=True),
            sa.Column("report", sa.LargeBinary, nullable=False, index=True),
            sa.Column("observed_at", integer, nullable=False),
            sa.Column("message", sa.Text, nullable=False),
            # True if its signer told it by itself, False if this node had asked for it.
            sa.Column("told", sa.Boolean, nullable=False),
            sa.Column("at", double, nullable=False, index=True),
            sa.UniqueConstraint("digest", "reporter"),
        )
        self.asked = sa.Table(
            "asked",
            metadata,
            sa.Column("id", integer, primary_key=True),
            sa.Column("reporter", sa.Text, nullable=False),
            sa.Column("turn", integer, nullable=False),
            sa.Column("observed_at", integer, nullable=False),
            # answered, late, silent, invalid, or refused with its code.
            sa.Column("outcome", sa.Text, nullable=False),
            sa.Column("seconds", double, nullable=False),
            sa.Column("at", double, nullable=False, index=True),
        )
        self.brought = sa.Table(
            "brought",
            metadata,
            sa.Column("id", integer, primary_key=True),
            sa.Column("tx_hash", sa.LargeBinary, nullable=False, unique=True),
            sa.Column("transmitter", sa.Text, nullable=False),
            sa.Column("turn", integer, nullable=False),
            sa.Column("observed_at", integer, nullable=False),
            # JSON: the reporters in it, their ranks, and who was heard in time but is not in it.
            sa.Column("details", sa.Text, nullable=False),
            sa.Column("at", double, nullable=False, index=True),
        )
        self.evidence = sa.Table(
            "evidence",
            metadata,
            sa.Column("id", integer, primary_key=True),
            sa.Column("kind", sa.Text, nullable=False),
            sa.Column("member", sa.Text, nullable=False),
            sa.Column("turn", integer, nullable=False),
            sa.Column("summary", sa.Text, nullable=False),
            # JSON: what proves it.
            sa.Column("document", sa.Text, nullable=False),
            # So that one fault is kept once: a hash of what makes it this fault.
            sa.Column("fault", sa.LargeBinary, nullable=False, unique=True),
            sa.Column("at", double, nullable=False, index=True),
        )
        self.faults = sa.Table(
            "faults",
            metadata,
            sa.Column("member", sa.Text, primary_key=True),
            sa.Column("kind", sa.Text, primary_key=True),
            # Days since 1970.
            sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("seen", integer, nullable=False),
            # Those of them that have a row in `evidence`, and its bytes.
            sa.Column("kept", integer, nullable=False),
            sa.Column("bytes", integer, nullable=False),
        )
        self.readings = sa.Table(
            "readings",
            metadata,
            # Keccak-256 of the document, 32 bytes.
            sa.Column("hash", sa.LargeBinary, primary_key=True),
            # The reporter's address, 20 bytes.
            sa.Column("reporter", sa.LargeBinary, nullable=False),
            sa.Column("feed_id", sa.LargeBinary, nullable=False),
            sa.Column("observed_at", integer, nullable=False),
            sa.Column("answer", sa.Text, nullable=False),
            sa.Column("document", sa.LargeBinary, nullable=False),
            sa.Column("at", double, nullable=False, index=True),
            # One document for each answer: what is signed again, in another composition, has the same one.
            sa.UniqueConstraint("observed_at", "reporter", "feed_id", "answer"),
        )
        self.signed_readings = sa.Table(
            "signed_readings",
            metadata,
            # The readings hash of a signature, and the feed's position in its report.
            sa.Column("signed", sa.LargeBinary, primary_key=True),
            sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
            # The hash of the feed's document; zero for a feed without an answer.
            sa.Column("hash", sa.LargeBinary, nullable=False),
            sa.Column("at", double, nullable=False, index=True),
        )
        self.updates = sa.Table(
            "updates",
            metadata,
            sa.Column("feed_id", sa.LargeBinary, primary_key=True),
            sa.Column("feed", sa.Text, nullable=False),
            sa.Column("round_id", integer, nullable=False),
            sa.Column("answer", sa.Text, nullable=False),
            sa.Column("observed_at", integer, nullable=False),
            sa.Column("calldata", sa.LargeBinary, nullable=False),
            sa.Column("at", double, nullable=False),
        )
