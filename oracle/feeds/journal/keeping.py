"""The journal over the years: the chain of hashes is checked, and transitions of old observations are dropped."""

from __future__ import annotations

import sqlalchemy as sa

from oracle.feeds.journal import trail
from oracle.feeds.journal.entries import Compaction, TrailCheck
from oracle.feeds.journal.reading import StageReader
from oracle.feeds.journal.schema import compaction_permit, compactions, observations, outcomes, transitions

__all__ = ["check_trail", "drop_transitions"]


def check_trail(connection: sa.Connection, reader: StageReader, expected: str | None) -> TrailCheck:
    """Verify each outcome, and the transitions of those that were not compacted. See `Journal.check`."""
    problems: list[str] = []
    previous, compacted, number, found = trail.GENESIS, 0, 0, expected is None
    before = connection.scalar(sa.select(sa.func.max(compactions.c.before)))
    query = sa.select(outcomes, observations.c.feed, observations.c.feed_id, observations.c.answer).add_columns(
        observations.c.observed_at
    )
    query = query.join(observations, observations.c.key == outcomes.c.key).order_by(outcomes.c.number)
    for row in connection.execute(query).all():
        steps = reader.transitions(connection, row.key)
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
        if steps:
            try:
                intact = trail.trail_of(steps) == row.trail
            except (TypeError, ValueError):
                intact = False
            if not intact:
                problems.append(f"{row.key}: its transitions were altered, or some are missing")
        elif before is not None and row.at < before:
            compacted += 1
        else:
            problems.append(f"{row.key}: its transitions are missing, and were not compacted")
        found = found or row.digest.hex() == expected
        previous = row.digest
    if not found:
        problems.append(f"there is no outcome with the digest {expected}: outcomes were altered or removed")
    return TrailCheck(number, compacted, previous.hex(), tuple(problems))


def drop_transitions(connection: sa.Connection, now: float, before: float, at_once: int) -> Compaction:
    """Drop the transitions of the oldest observations that ended earlier. See `Journal.compact`.

    Args:
        connection: A connection in a transaction that writes.
        now: Unix seconds.
        before: The transitions of observations that ended before this time are dropped, unix seconds.
        at_once: The most observations to drop.
    """
    remaining = sa.exists().where(transitions.c.key == outcomes.c.key)
    keys = connection.scalars(
        sa.select(outcomes.c.key)
        .where(outcomes.c.at < before, outcomes.c.summary != "{}", remaining)
        .order_by(outcomes.c.number)
        .limit(at_once)
    ).all()
    if not keys:
        return Compaction(0, 0)
    connection.execute(compaction_permit.insert().values(id=1))
    dropped = connection.execute(transitions.delete().where(transitions.c.key.in_(keys))).rowcount
    connection.execute(compaction_permit.delete())
    connection.execute(compactions.insert().values(at=now, before=before, observations=len(keys), rows=dropped))
    return Compaction(len(keys), dropped)
