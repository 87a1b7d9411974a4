"""The reports that a feed would have made with other settings, from the answers that the journal has.

The journal has the answers of reports, and those of peers, but not what was seen between them. So a replay is exact for
heartbeats; for deviations it is as good as the answers are close, and tells too few if more moves would be due.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from oracle.sources.aggregate import Due, DuePolicy, is_due

__all__ = ["due_times", "grouped"]

_ANY_MOVE_IS_TOO_SMALL = 1 << 200


def due_times(
    answers: Sequence[tuple[int, int]], policy: DuePolicy, until: float, *, with_moves: bool = True
) -> list[int]:
    """Return when a feed would have been due.

    Args:
        answers: Time and answer, in the order of time.
        policy: The rules.
        until: The end of the period, unix seconds: the last answer stands until then.
        with_moves: False: moves are not sent, as of a feed that is pulled.
    """
    if not with_moves:
        policy = replace(policy, deviation=_ANY_MOVE_IS_TOO_SMALL)
    due: list[int] = []
    last: tuple[int, int] | None = None
    before: tuple[int, int] | None = None
    for at, answer in (*answers, (int(until), None)):
        # A shorter heartbeat than the one that was kept is due between two answers: with the earlier one.
        while last is not None and before is not None and at - last[0] > policy.heartbeat:
            last = (last[0] + policy.heartbeat, before[1])
            due.append(last[0])
        if answer is None:
            break
        why = is_due(None if last is None else last[1], last[0] if last is not None else 0, answer, at, policy)
        if why is not None:
            due.append(at)
            last = (at, answer)
        before = (at, answer)
        assert why is not Due.FIRST or len(due) == 1
    return due


def grouped(times: Iterable[int], window_s: float, most: int) -> list[int]:
    """Return the sizes of the transactions if reports wait for others.

    Args:
        times: When reports of one committee's feeds are due.
        window_s: Seconds for which the first of a transaction waits.
        most: The most feeds of a proof.
    """
    sizes: list[int] = []
    began: float | None = None
    for at in sorted(times):
        if began is None or at - began > window_s or sizes[-1] >= most:
            sizes.append(1)
            began = at
        else:
            sizes[-1] += 1
    return sizes
