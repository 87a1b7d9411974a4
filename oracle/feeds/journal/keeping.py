"""The journal over the years: the chain of hashes is checked, and the steps of old reports are dropped."""

from __future__ import annotations

import sqlalchemy as sa

from oracle.feeds.journal import trail
from oracle.feeds.journal.entries import Compaction, TrailCheck
from oracle.feeds.journal.reading import StageReader
from oracle.feeds.journal.schema import compaction_permit, compactions, members, observations, outcomes, reports, steps

__all__ = ["check_trail", "drop_steps"]


def check_trail(connection: sa.Connection, reader: StageReader, expected: str | None) -> TrailCheck:
    """Verify each outcome, and the steps of those that were not compacted. See `Journal.check`."""
    problems: list[str] = []
    previous, compacted, number, found = trail.GENESIS, 0, 0, expected is None
    before = connection.scalar(sa.select(sa.func.max(compactions.c.before)))
    of = observations.c
    query = sa.select(outcomes, of.feed, of.feed_id, of.answer, of.observed_at, of.recorded_at)
    query = query.join(observations, of.key == outcomes.c.key).order_by(outcomes.c.number)
    for row in connection.execute(query).all():
        passed = reader.steps(connection, row.key)
        if row.number != number + 1:
            problems.append(f"{row.key}: {row.number - number - 1} outcome(s) before it are missing")
        number = row.number
        if row.previous != previous:
            problems.append(f"{row.key}: does not hang on the outcome before it")
        try:
            digest = trail.digest_of(row.previous, row.trail, row, row)
        except (TypeError, ValueError):
            digest = b""
        if row.digest != digest:
            problems.append(f"{row.key}: its outcome, or what was observed, was altered")
        try:
            intact = trail.trail_of(passed) == row.trail
        except (TypeError, ValueError):
            intact = False
        dropped = set(reader.reports(connection, row.key)) - {step.report for step in passed}
        if intact:
            pass
        elif dropped and before is not None and row.at < before:
            compacted += 1
        elif dropped:
            problems.append(f"{row.key}: its steps are missing, and were not compacted")
        else:
            problems.append(f"{row.key}: its steps were altered, or some are missing")
        found = found or row.digest.hex() == expected
        previous = row.digest
    if not found:
        problems.append(f"there is no outcome with the digest {expected}: outcomes were altered or removed")
    return TrailCheck(number, compacted, previous.hex(), tuple(problems))


def drop_steps(connection: sa.Connection, now: float, before: float, at_once: int) -> Compaction:
    """Drop the steps of the oldest reports of which all observations ended earlier. See `Journal.compact`.

    Args:
        connection: A connection in a transaction that writes.
        now: Unix seconds.
        before: The steps of reports that ended before this time are dropped, unix seconds.
        at_once: The most reports to drop.
    """
    open_or_young = (
        sa.exists()
        .where(members.c.report == reports.c.id)
        .where(~sa.exists().where(outcomes.c.key == members.c.key, outcomes.c.at < before))
    )
    remaining = sa.exists().where(steps.c.report == reports.c.id)
    query = sa.select(reports.c.id).where(remaining, ~open_or_young).order_by(reports.c.id).limit(at_once)
    old = connection.scalars(query).all()
    if not old:
        return Compaction(0, 0)
    mine = sa.select(sa.func.count(sa.distinct(members.c.key))).where(members.c.report.in_(old))
    ended = int(connection.scalar(mine) or 0)
    connection.execute(compaction_permit.insert().values(id=1))
    dropped = connection.execute(steps.delete().where(steps.c.report.in_(old))).rowcount
    connection.execute(compaction_permit.delete())
    connection.execute(compactions.insert().values(at=now, before=before, observations=ended, rows=dropped))
    return Compaction(ended, dropped)
