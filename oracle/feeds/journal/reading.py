"""Rows to stages and entries: what the journal has of a report and of its observations."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from oracle.core.stages import SHADOW, Decided, KeptReport, Observed, OpenStage
from oracle.core.types import Outcome, SignedTransaction
from oracle.feeds.journal import rows, schema
from oracle.feeds.journal.entries import Entry
from oracle.feeds.journal.rows import StageName
from oracle.feeds.journal.schema import decisions, members, observations, outcomes, steps
from oracle.feeds.journal.store import naming

__all__ = ["StageReader", "in_feed"]


class StageReader:
    """Reads reports and observations, within a transaction of the caller's."""

    def __init__(self, name: str) -> None:
        """Prepare to read.

        Args:
            name: The journal's name, for messages.
        """
        self._name = name

    # --- one observation ---

    def reports(self, connection: sa.Connection, key: str) -> Sequence[int]:
        """Return the reports that an observation was signed in, oldest first."""
        return connection.scalars(
            sa.select(members.c.report).where(members.c.key == key).order_by(members.c.report)
        ).all()

    def steps(self, connection: sa.Connection, key: str) -> list[Any]:
        """Return the steps of all reports of an observation, in the order in which it passed its stages."""
        mine = sa.select(members.c.report).where(members.c.key == key)
        return list(connection.execute(sa.select(steps).where(steps.c.report.in_(mine)).order_by(*schema.IN_ORDER)))

    def summary(self, connection: sa.Connection, key: str, feed_id: bytes) -> dict[str, Any]:
        """Return what an outcome keeps of an observation's steps.

        Raises:
            ValueError: A step does not say what it should.
        """
        reports, found = self.reports(connection, key), self.steps(connection, key)
        summary: dict[str, Any] = {"attempts": max(1, len(reports)), "stage": int(StageName.OBSERVED)}
        for row in found:
            if row.report != reports[-1]:
                continue
            data, summary["stage"] = rows.load_data(row.data), row.stage
            if row.stage == StageName.SCORED:
                position = self.members(connection, row.report).index(key)
                summary |= {"round_id": rows.rounds(data)[feed_id], "scores": data["scores"][position]}
            summary |= {name: data[name] for name in ("prove_seconds", "tx_hash") if name in data}
        return summary

    # --- one report ---

    def members(self, connection: sa.Connection, report: int) -> list[str]:
        """Return the keys of a report's observations, in its order."""
        query = sa.select(members.c.key).where(members.c.report == report).order_by(members.c.position)
        return list(connection.scalars(query))

    def decision(self, connection: sa.Connection, decision: int, keys: Collection[str]) -> Decided:
        """Restore a decision for some of its observations.

        Raises:
            JournalError: A row does not say what it should.
        """
        with naming(self._name, next(iter(keys))):
            row = connection.execute(sa.select(decisions).where(decisions.c.id == decision)).one()
            query = sa.select(observations).where(observations.c.decision == decision)
            due = [
                Observed(each.feed, each.feed_id, int(each.answer), each.observed_at)
                for each in connection.execute(query)
            ]
            ordered = tuple(sorted(due, key=lambda each: (each.feed_id, each.feed)))
            found = Decided(row.committee, ordered, rows.load_others(row.others), row.is_offered).only(keys)
            if found is None or len(found.due) != len(keys):
                raise ValueError("its decision has other observations")
        return found

    def stage(self, connection: sa.Connection, report: int) -> OpenStage:
        """Restore the furthest stage of a report.

        Raises:
            JournalError: A row does not say what it should.
        """
        keys = self.members(connection, report)
        query = sa.select(observations.c.decision).where(observations.c.key == keys[0])
        decision = connection.execute(query).scalar_one()
        stage: OpenStage = self.decision(connection, decision, keys)
        with naming(self._name, keys[0]):
            passed = sa.select(steps).where(steps.c.report == report).order_by(*schema.IN_ORDER)
            for row in connection.execute(passed).all():
                stage = rows.follow(stage, StageName(row.stage), row.data, row.blob)
            if isinstance(stage, Decided):
                raise ValueError("its steps are missing")  # a report is written together with its first step
        return stage

    # --- everything ---

    def answers(self, connection: sa.Connection, feed: str) -> list[tuple[int, int]]:
        """Return all answers that reports had for a feed: time and answer, in the order of time.

        Raises:
            JournalError: A row does not say what it should.
        """
        due = connection.execute(sa.select(observations).where(observations.c.feed == feed)).all()
        found = {row.observed_at: int(row.answer) for row in due}
        ids = {row.feed_id for row in due}
        query = sa.select(decisions.c.observed_at, decisions.c.others).where(decisions.c.others != "[]")
        for row in connection.execute(query) if ids else ():
            with naming(self._name, feed):
                others = [answer for feed_id, answer in rows.load_others(row.others) if feed_id in ids]
            if others:
                found.setdefault(row.observed_at, others[0])
        return sorted(found.items())

    def unfinished(self, connection: sa.Connection) -> list[OpenStage]:
        """Restore the furthest stage of each report that has not ended, oldest first.

        Open observations of a report of which others have ended are due to be signed again, without these.
        """
        latest = sa.select(sa.func.max(members.c.report)).where(members.c.key == observations.c.key).scalar_subquery()
        query = (
            sa.select(observations.c.key, observations.c.decision, latest.label("report"))
            .outerjoin(outcomes, outcomes.c.key == observations.c.key)
            .where(outcomes.c.key.is_(None))
            .order_by(observations.c.id)
        )
        units: dict[tuple[str, int], list[str]] = {}
        for key, decision, report in connection.execute(query).all():
            whole = report is not None and self._is_whole(connection, report)
            units.setdefault(("report", report) if whole else ("decision", decision), []).append(key)
        return [
            self.stage(connection, number) if of == "report" else self.decision(connection, number, keys)
            for (of, number), keys in units.items()
        ]

    def _is_whole(self, connection: sa.Connection, report: int) -> bool:
        """Return whether a report is the latest one of all its observations, and none of them has ended."""
        mine = sa.select(members.c.key).where(members.c.report == report)
        ended = sa.select(outcomes.c.key).where(outcomes.c.key.in_(mine)).limit(1)
        later = sa.select(members.c.key).where(members.c.key.in_(mine), members.c.report > report).limit(1)
        return connection.scalar(ended) is None and connection.scalar(later) is None

    def kept(self, connection: sa.Connection) -> list[KeptReport]:
        """Return the newest report that is kept, of each feed that has one.

        Raises:
            JournalError: A row does not say what it should.
        """
        updates, found = schema.network.updates, []
        for row in connection.execute(sa.select(updates).order_by(updates.c.feed)):
            with naming(self._name, f"the kept report of {row.feed}"):
                if not isinstance(row.calldata, bytes) or not isinstance(row.feed_id, bytes):
                    raise ValueError("is not bytes")
                found.append(
                    KeptReport(row.feed, row.feed_id, row.round_id, int(row.answer), row.observed_at, row.calldata)
                )
        return found

    def signed(self, connection: sa.Connection, limit: int) -> list[SignedTransaction]:
        """Return the latest signed transactions, at most `limit`, newest first."""
        query = (
            sa.select(members.c.key, steps.c.data, steps.c.blob)
            .join(members, members.c.report == steps.c.report)
            .where(steps.c.stage == int(StageName.SUBMITTED), members.c.position == 0)
            .order_by(steps.c.id.desc())
            .limit(limit)
        )
        found = []
        for row in connection.execute(query):
            with naming(self._name, row.key):
                data = rows.load_data(row.data)
                nonce = data["nonce"]
                if not isinstance(row.blob, bytes) or not isinstance(nonce, int):
                    raise ValueError("is not a signed transaction")
                found.append(SignedTransaction(rows.hexadecimal(data, "tx_hash"), row.blob, nonce))
        return found

    def entry(self, connection: sa.Connection, row: sa.Row[Any]) -> Entry:
        """Return what the journal has of one observation.

        Args:
            connection: A connection in a transaction.
            row: The observation's row.
        """
        outcome = connection.execute(sa.select(outcomes).where(outcomes.c.key == row.key)).first()
        with naming(self._name, row.key):
            if outcome is None:
                # Through JSON, as an outcome's: both are checked alike.
                summary = rows.load_data(json.dumps(self.summary(connection, row.key, row.feed_id)))
            else:
                summary = rows.load_data(outcome.summary)
            round_id = summary.get("round_id")
            if round_id is not None and not isinstance(round_id, int):
                raise ValueError("round_id is not an integer")
            seconds = rows.seconds(summary, "prove_seconds") if "prove_seconds" in summary else None
            tx_hash = rows.hexadecimal(summary, "tx_hash") if "tx_hash" in summary else None
            return Entry(
                key=row.key,
                feed=row.feed,
                feed_id=row.feed_id,
                answer=int(row.answer),
                observed_at=row.observed_at,
                stage=StageName(summary["stage"]),
                attempts=summary["attempts"],
                recorded_at=row.recorded_at,
                outcome=None if outcome is None else Outcome(outcome.outcome),
                reason="" if outcome is None else outcome.reason,
                finished_at=None if outcome is None else outcome.at,
                round_id=round_id,
                scores=rows.integers(summary["scores"], "scores") if "scores" in summary else (),
                prove_seconds=seconds,
                tx_hash=tx_hash if outcome is None or outcome.tx_hash is None else outcome.tx_hash,
                block_number=None if outcome is None else outcome.block_number,
                gas_used=None if outcome is None else outcome.gas_used,
            )


def in_feed(feed: str | None) -> sa.ColumnElement[bool]:
    """Return the condition that an observation is of a feed; None: of any feed of the configuration, no shadow's."""
    return ~observations.c.feed.contains(SHADOW) if feed is None else observations.c.feed == feed
