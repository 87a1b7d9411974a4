"""A turn of a small network, with real HTTP, signatures and ledgers: all members hear all answers, and sign once."""

from __future__ import annotations

from pathlib import Path

from oracle.bench.network.parts import feed_ids, open_loose_members
from oracle.bench.network.scale import IN_A_REPORT, Scale, one_turn


async def test_a_turn_is_counted(tmp_path: Path) -> None:
    feeds = IN_A_REPORT + 2
    found = await one_turn(Scale(4, 3, feeds), tmp_path)
    assert found["reports"] == 2
    # Two requests, three answers asked for; all four tell three others.
    assert found["messages"] == 2 * (3 + 12)
    signings, reports, documents, references = feeds, 2, feeds, feeds
    heard, asked = 2 * 4, 2 * 3 / 4
    assert found["rows_per_member"] == round(signings + reports + documents + references + heard + asked)
    assert 2 <= found["commits_per_member"] <= 6
    assert 0 < found["cpu_s_per_member"] < found["seconds"] + 1
    assert sum(found["where"].values()) > 0.95


async def test_members_have_answers_of_their_own(tmp_path: Path) -> None:
    """Else the median, the order of answers and the spread would not be measured."""
    async with open_loose_members(4, 3, feed_ids(1), tmp_path) as (committee, members, _):
        assert [each.address for each in members] == list(committee.reporters)
        assert len({each.offset for each in members}) == 4
