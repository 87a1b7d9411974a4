"""Tests of the journal: it returns what it recorded, stages go forward, observations end once, crashes lose nothing."""

from __future__ import annotations

import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oracle.core.errors import JournalError, JournalUnavailable
from oracle.core.report import Report, ReporterSignature, SignedReport
from oracle.core.stages import Confirmed, Decided, Observed, Proven, Scored, Stage, Submitted
from oracle.core.types import Outcome
from oracle.feeds.journal import SCHEMA_VERSION, Journal, StageName

HUGE = 2**127 - 1
FEED_ID, PEER_ID = b"\x01" * 32, b"\x09" * 32


def observed(at: int = 1_000, feed: str = "eth-usd") -> Decided:
    """Return a decision with one observation, and the answer of a peer."""
    return Decided(3, (Observed(feed, FEED_ID, -HUGE, at),), ((PEER_ID, HUGE),))


def scored(of: Decided, round_id: int = 5) -> Scored:
    ids = (*(each.feed_id for each in of.due), PEER_ID)
    report = Report(of.committee, 2, of.observed_at, ids, (*[round_id] * len(of.due), 0))
    signature = ReporterSignature((-HUGE,) * len(ids), b"\x05" * 32, b"\xff" * 32, b"\x02" * 32)
    rows = len(of.due)
    return Scored(of, SignedReport(report, (signature,) * 2), 1, ((-32_767, 0, 1_000),) * rows, ((-HUGE, HUGE),) * rows)


def proven(of: Scored) -> Proven:
    return Proven(of, b"\x00proof\xff", "ab" * 32, 0.1234567890123)


def submitted(of: Proven) -> Submitted:
    return Submitted(of, b"\x03" * 32, b"\x02raw\x00", 7)


def confirmed(of: Submitted, *outcomes: Outcome) -> Confirmed:
    return Confirmed(of, outcomes or (Outcome.ACCEPTED,) * len(of.due), 99, 512_345, 2_000.5)


def way(first: Decided) -> list[Stage]:
    """Return all stages of a report."""
    second = scored(first)
    third = proven(second)
    fourth = submitted(third)
    return [first, second, third, fourth, confirmed(fourth)]


def stages(at: int = 1_000, feed: str = "eth-usd") -> list[Stage]:
    """Return all stages of a report of one observation."""
    return way(observed(at, feed))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "journal.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with Journal(path) as opened:
        yield opened


@pytest.mark.parametrize("reached", [1, 2, 3, 4])
def test_an_open_observation_comes_back_as_it_was(path: Path, reached: int) -> None:
    passed = stages()[:reached]
    with Journal(path) as journal:
        for stage in passed:
            journal.record(stage)
    with Journal(path) as journal:
        assert journal.unfinished() == [passed[-1]]


def test_open_observations_come_oldest_first_and_ended_ones_not_at_all(journal: Journal) -> None:
    for at, feed, reached in ((30, "b", 1), (10, "a", 5), (20, "a", 3), (5, "c", 2)):
        for stage in stages(at, feed)[:reached]:
            journal.record(stage)
    assert [stage.keys[0] for stage in journal.unfinished()] == ["b@30", "a@20", "c@5"]
    assert [type(stage) for stage in journal.unfinished()] == [Decided, Proven, Scored]
    assert journal.counts() == {"open": 3, "accepted": 1, "held": 0, "offered": 0, "superseded": 0, "failed": 0}
    assert journal.counts("a") == {"open": 1, "accepted": 1, "held": 0, "offered": 0, "superseded": 0, "failed": 0}


def test_a_confirmation_ends_an_observation(path: Path) -> None:
    times = iter([100.0, 101.0, 102.0, 103.0, 104.0, 105.5])
    with Journal(path, now=lambda: next(times)) as journal:
        for stage in stages():
            journal.record(stage)
        assert journal.unfinished() == []
        [entry] = journal.confirmed()
    assert entry.outcome is Outcome.ACCEPTED
    assert entry.stage is StageName.CONFIRMED
    assert (entry.answer, entry.round_id, entry.scores) == (-HUGE, 5, (-HUGE, HUGE))
    assert (entry.block_number, entry.gas_used, entry.tx_hash) == (99, 512_345, b"\x03" * 32)
    assert entry.prove_seconds == 0.1234567890123
    assert (entry.recorded_at, entry.finished_at, entry.latency) == (100.0, 105.5, 5.5)
    assert entry.attempts == 1


def test_rows_are_newest_first_and_limited(journal: Journal) -> None:
    for at in (1, 2, 3):
        journal.record(observed(at, "a"))
    journal.record(observed(4, "b"))
    assert [entry.key for entry in journal.rows(limit=2)] == ["b@4", "a@3"]
    assert [entry.key for entry in journal.rows("a")] == ["a@3", "a@2", "a@1"]
    assert journal.rows("a")[0].latency is None


def test_finish_keeps_outcome_and_reason(journal: Journal) -> None:
    journal.record(observed())
    journal.finish(["eth-usd@1000"], Outcome.SUPERSEDED, "a newer report is on-chain")
    [entry] = journal.rows()
    assert (entry.outcome, entry.reason) == (Outcome.SUPERSEDED, "a newer report is on-chain")
    assert entry.stage is StageName.OBSERVED
    assert journal.unfinished() == []
    assert journal.confirmed() == []


def test_a_second_outcome_is_refused(journal: Journal) -> None:
    passed = stages()
    for stage in passed:
        journal.record(stage)
    with pytest.raises(JournalError, match="has ended as accepted"):
        journal.finish(["eth-usd@1000"], Outcome.FAILED, "")
    with pytest.raises(JournalError, match="has ended as accepted"):
        journal.record(passed[1])
    assert journal.counts()["accepted"] == 1


AN_OUTCOME = """INSERT INTO outcomes (key, number, outcome, reason, at, summary, trail, previous, digest)
    VALUES ('{}', 9, '{}', '', 1, '', '', '', '')"""


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        (AN_OUTCOME.format("eth-usd@1000", "held"), "UNIQUE"),
        (
            "INSERT INTO steps (report, stage, sequence, at, data) VALUES (1, 2, 9, 1, '{}')",
            "has ended",
        ),
        ("INSERT INTO members (report, position, key) VALUES (1, 9, 'eth-usd@1000')", "has ended"),
        ("UPDATE decisions SET others = ''", "append-only"),
        ("DELETE FROM members", "append-only"),
        ("DELETE FROM reports", "append-only"),
        ("UPDATE outcomes SET outcome = 'held'", "append-only"),
        ("DELETE FROM outcomes", "append-only"),
        ("DELETE FROM steps", "append-only"),
        ("UPDATE observations SET answer = '1'", "append-only"),
        (AN_OUTCOME.format("x@1", "held"), "FOREIGN KEY"),
    ],
)
def test_the_database_itself_refuses(journal: Journal, path: Path, statement: str, reason: str) -> None:
    for stage in stages():
        journal.record(stage)
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA foreign_keys=ON")
        with pytest.raises(sqlite3.IntegrityError, match=reason):
            connection.execute(statement)
    finally:
        connection.close()


def test_an_unknown_outcome_is_refused_by_the_database(journal: Journal, path: Path) -> None:
    journal.record(observed())
    connection = sqlite3.connect(path)
    try:
        with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
            connection.execute(AN_OUTCOME.format("eth-usd@1000", "x"))
    finally:
        connection.close()


def test_stages_go_forward_one_by_one(journal: Journal) -> None:
    first, second, third, fourth, fifth = stages()
    with pytest.raises(JournalError, match="never journalled"):
        journal.record(second)
    journal.record(first)
    with pytest.raises(JournalError, match="already"):
        journal.record(first)
    with pytest.raises(JournalError, match="comes as PROVEN, but is OBSERVED"):
        journal.record(third)
    journal.record(second)
    journal.record(third)
    with pytest.raises(JournalError, match="comes as PROVEN, but is PROVEN"):
        journal.record(third)
    with pytest.raises(JournalError, match="comes as CONFIRMED, but is PROVEN"):
        journal.record(fifth)
    journal.record(fourth)
    with pytest.raises(JournalError, match="never journalled"):
        journal.finish(["eth-usd@1"], Outcome.FAILED, "")
    assert journal.unfinished() == [fourth]


def test_a_stage_must_follow_from_what_was_journalled(journal: Journal) -> None:
    first = observed()
    journal.record(first)
    with pytest.raises(JournalError, match="another answer"):
        journal.record(scored(replace(first, due=(replace(first.due[0], answer=1),))))
    with pytest.raises(JournalError, match="another answer"):
        journal.record(scored(replace(first, others=())))
    journal.record(scored(first, round_id=5))
    with pytest.raises(JournalError, match="of another SCORED"):
        journal.record(proven(scored(first, round_id=6)))


def test_a_new_attempt_begins_with_scored(journal: Journal) -> None:
    first, second, third, fourth, _ = stages()
    for stage in (first, second, third, fourth):
        journal.record(stage)
    again = scored(observed(), round_id=6)
    journal.record(again)
    assert journal.unfinished() == [again]
    with pytest.raises(JournalError, match="of another SCORED"):
        journal.record(third)
    last = submitted(proven(again))
    for stage in (last.proven, last, confirmed(last, Outcome.HELD)):
        journal.record(stage)
    [entry] = journal.confirmed()
    assert (entry.attempts, entry.round_id, entry.outcome) == (2, 6, Outcome.HELD)


def test_has_knows_open_and_ended_observations(journal: Journal) -> None:
    journal.record(observed(1))
    journal.record(observed(2))
    journal.finish(["eth-usd@2"], Outcome.FAILED, "no funds")
    assert journal.has("eth-usd@1")
    assert journal.has("eth-usd@2")
    assert not journal.has("eth-usd@3")


def test_a_failed_call_changes_nothing(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    passed = stages()
    for stage in passed[:4]:
        journal.record(stage)

    def fail(*_: Any) -> None:
        raise RuntimeError("between the transition and the outcome")

    monkeypatch.setattr(journal._writer, "_end", fail)
    with pytest.raises(RuntimeError):
        journal.record(passed[4])
    monkeypatch.undo()
    assert journal.unfinished() == [passed[3]]
    journal.record(passed[4])


def test_files_are_private_and_durable(journal: Journal, path: Path) -> None:
    journal.record(observed())
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    with journal._store.transaction(read=True) as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5_000}


KILLED = """
    import os, signal, sys
    sys.path.insert(0, {tests!r})
    from pathlib import Path
    from test_journal import Journal, stages
    journal = Journal(Path({path!r}))
    for at, reached in enumerate((1, 2, 3, 4, 5), 1):
        for stage in stages(at)[:reached]:
            journal.record(stage)
    die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    {last}
    die()
"""


@pytest.mark.chaos
@pytest.mark.parametrize(
    "last",
    [
        "",
        # The crash is inside a transaction: after the transition is written, before the outcome is.
        "journal._writer._end = die; journal.record(stages(4)[4])",
    ],
    ids=["between transitions", "inside a transaction"],
)
def test_a_killed_process_loses_nothing_that_was_recorded(path: Path, last: str) -> None:
    script = textwrap.dedent(KILLED).format(tests=str(Path(__file__).parent), path=str(path), last=last)
    child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert child.returncode == -signal.SIGKILL, child.stderr
    with Journal(path) as journal:
        assert journal.unfinished() == [stages(at)[at - 1] for at in (1, 2, 3, 4)]
        assert [entry.key for entry in journal.confirmed()] == ["eth-usd@5"]
        # It continues from there.
        for stage in stages(1)[1:]:
            journal.record(stage)
        assert journal.counts() == {"open": 3, "accepted": 2, "held": 0, "offered": 0, "superseded": 0, "failed": 0}


@pytest.mark.chaos
def test_a_full_disk_is_one_clear_line_and_loses_nothing(journal: Journal) -> None:
    journal.record(observed(1))
    with journal._store.transaction(read=True) as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    second = scored(observed(1))
    journal.record(second)
    with pytest.raises(JournalUnavailable, match=r"can't be written: .*full; free some space") as caught:
        journal.record(replace(proven(second), proof=b"\x01" * 100_000))
    assert "\n" not in str(caught.value)
    assert journal.unfinished() == [second]
    with journal._store.transaction(read=True) as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1000000")
    journal.record(proven(second))


def corrupt_header(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"this is no database at all" * 100)


def corrupt_pages(path: Path) -> None:
    with Journal(path) as journal:
        for at in range(1, 30):
            journal.record(observed(at))
    content = bytearray(path.read_bytes())
    content[100:] = b"\x55" * (len(content) - 100)
    path.write_bytes(content)


def other_database(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.commit()
    connection.close()


def newer_schema(path: Path) -> None:
    Journal(path).close()
    connection = sqlite3.connect(path)
    connection.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION + 1}")
    connection.commit()
    connection.close()


def a_folder(path: Path) -> None:
    path.mkdir(parents=True)


def below_a_file(path: Path) -> None:
    path.parent.write_text("a file where the folder should be")


@pytest.mark.parametrize(
    ("prepare", "expected"),
    [
        (corrupt_header, "damaged or no journal"),
        (corrupt_pages, "damaged or no journal"),
        (other_database, "no journal of this program"),
        (newer_schema, rf"has schema version {SCHEMA_VERSION + 1} \(.*this release knows {SCHEMA_VERSION}"),
        (a_folder, "can't be opened for writing: Is a directory"),
        (below_a_file, "can't be opened for writing"),
    ],
)
def test_what_is_no_journal_is_refused_in_one_line(path: Path, prepare: Callable[[Path], None], expected: str) -> None:
    prepare(path)
    with pytest.raises(JournalError, match=expected) as caught:
        Journal(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_two_daemons_cannot_share_a_journal(journal: Journal, path: Path) -> None:
    with pytest.raises(JournalError, match="in use by another process"):
        Journal(path)
    journal.close()
    Journal(path).close()


def test_a_lock_of_another_program_is_one_clear_line(journal: Journal, path: Path) -> None:
    with journal._store.transaction(read=True) as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout=10")
    other = sqlite3.connect(path, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalUnavailable, match="is locked by another program"):
            journal.record(observed())
        other.execute("ROLLBACK")
    finally:
        other.close()
    journal.record(observed())


def test_reading_beside_a_daemon(journal: Journal, path: Path) -> None:
    journal.record(observed())
    with Journal(path, read_only=True) as reader:
        assert reader.counts()["open"] == 1
        journal.record(observed(2))
        assert reader.counts()["open"] == 2
        with pytest.raises(JournalError, match="for reading only"):
            reader.record(observed(3))


def test_reading_after_the_daemon_stopped(path: Path) -> None:
    with Journal(path) as journal:
        journal.record(observed())
    with Journal(path, read_only=True) as reader:
        assert reader.unfinished() == [observed()]


def test_reading_needs_a_journal(path: Path) -> None:
    with pytest.raises(JournalError, match="there is no journal"):
        Journal(path, read_only=True)
    assert not path.parent.exists()


def test_a_closed_journal_says_so(journal: Journal) -> None:
    journal.close()
    journal.close()
    with pytest.raises(JournalError, match="is closed"):
        journal.unfinished()


def test_an_altered_row_is_reported_not_guessed(journal: Journal, path: Path) -> None:
    for stage in stages()[:2]:
        journal.record(stage)
    connection = sqlite3.connect(path)
    connection.execute("DROP TRIGGER no_update_of_steps")
    connection.execute("UPDATE steps SET data = '{}' WHERE stage = 2")
    connection.commit()
    connection.close()
    with pytest.raises(JournalError, match="eth-usd@1000 can't be restored"):
        journal.unfinished()


# --- reports of several feeds --------------------------------------------------------------------------------------


def three(at: int = 1_000) -> Decided:
    due = tuple(Observed(name, bytes([index]) * 32, index, at) for index, name in enumerate("abc", 1))
    return Decided(3, due, ((PEER_ID, HUGE),))


@pytest.mark.parametrize("reached", [1, 2, 3, 4])
def test_an_open_report_of_several_comes_back_as_one(path: Path, reached: int) -> None:
    passed = way(three())[:reached]
    with Journal(path) as journal:
        for stage in passed:
            journal.record(stage)
        assert journal.counts()["open"] == 3
        assert {entry.stage for entry in journal.rows()} == {StageName(reached)}
    with Journal(path) as journal:
        assert journal.unfinished() == [passed[-1]]


def test_all_observations_of_a_report_end_at_once_each_in_its_own_way(journal: Journal) -> None:
    first, second, third, fourth, _ = way(three())
    for stage in (first, second, third, fourth):
        journal.record(stage)
    assert isinstance(fourth, Submitted)
    journal.record(confirmed(fourth, Outcome.ACCEPTED, Outcome.HELD, Outcome.ACCEPTED))
    assert {entry.key: entry.outcome for entry in journal.rows()} == {
        "a@1000": Outcome.ACCEPTED, "b@1000": Outcome.HELD, "c@1000": Outcome.ACCEPTED
    }  # fmt: skip
    assert {(entry.gas_used, entry.tx_hash, entry.round_id) for entry in journal.rows()} == {
        (512_345 // 3, b"\x03" * 32, 5)
    }
    assert journal.unfinished() == [] and journal.check().problems == ()


@pytest.mark.parametrize("reached", [1, 2, 3, 4])
def test_what_is_left_of_a_report_after_an_end_has_to_be_signed_again(journal: Journal, reached: int) -> None:
    for stage in way(three())[:reached]:
        journal.record(stage)
    journal.finish(["b@1000"], Outcome.FAILED, "the feed is paused")
    [left] = journal.unfinished()
    assert left == three().only(["a@1000", "c@1000"]), "with b's answer, for whoever has it as a peer"
    for stage in way(left)[1:]:
        journal.record(stage)
    assert journal.counts() == {"open": 0, "accepted": 2, "held": 0, "offered": 0, "superseded": 0, "failed": 1}
    assert [entry.attempts for entry in journal.rows()] == [1 + (reached > 1), 1, 1 + (reached > 1)]
    assert journal.check().problems == ()


def test_a_report_whose_feeds_have_parted_is_not_gone_on_with(journal: Journal) -> None:
    first, second, third, fourth, _ = way(three())
    for stage in (first, second, third):
        journal.record(stage)
    alone, rest = three().only(["b@1000"]), three().only(["a@1000", "c@1000"])
    assert alone is not None and rest is not None
    journal.record(scored(alone))
    with pytest.raises(JournalError, match="come as one report, but are of several"):
        journal.record(fourth)
    assert journal.unfinished() == [rest, scored(alone)]
    journal.record(scored(rest, 6))
    assert journal.unfinished() == [scored(rest, 6), scored(alone)]


def test_a_decision_and_what_it_supersedes_are_written_together(journal: Journal) -> None:
    journal.record(three())
    journal.record(three(1_001), superseded=dict.fromkeys(three().keys, "overtaken"))
    assert journal.counts()["superseded"] == 3 and journal.unfinished() == [three(1_001)]
    with pytest.raises(JournalError, match="has ended as superseded"):
        journal.record(three(1_002), superseded={"a@1000": "overtaken"})
    assert journal.unfinished() == [three(1_001)], "neither is written"


def test_observations_of_several_times_are_no_report(journal: Journal) -> None:
    mixed = replace(three(), due=(three().due[0], *three(1_001).due[1:]))
    with pytest.raises(JournalError, match="are of several times"):
        journal.record(mixed)
    journal.record(three())
    journal.record(three(1_001))
    with pytest.raises(JournalError, match="another answer"):
        journal.record(scored(mixed))


# --- replacements --------------------------------------------------------------------------------------------------


def replacement(of: Submitted, **changes: Any) -> Submitted:
    number = len(of.hashes)
    made = Submitted(of.proven, bytes([number]) * 32, b"\x02raw" + bytes([number]), of.nonce, of.hashes)
    return replace(made, **changes)


def test_replacements_are_restored_with_all_hashes(journal: Journal, path: Path) -> None:
    *way, fifth = stages()
    for stage in way:
        journal.record(stage)
    fourth = way[-1]
    assert isinstance(fourth, Submitted) and isinstance(fifth, Confirmed)
    second = replacement(fourth)
    third = replacement(second)
    journal.record(second)
    journal.record(third)
    assert journal.unfinished() == [third]
    assert third.hashes == (fourth.tx_hash, second.tx_hash, third.tx_hash)
    assert journal.signed() == [third.transaction, second.transaction, fourth.transaction]
    assert journal.rows()[0].tx_hash == third.tx_hash

    journal.record(replace(fifth, submitted=third, mined=fourth.tx_hash))
    assert journal.unfinished() == []
    assert journal.rows()[0].tx_hash == fourth.tx_hash
    with pytest.raises(JournalError, match="has ended"):
        journal.record(replacement(third))
    assert len(journal.signed()) == 3, "of ended ones too: they may be taken back"


@pytest.mark.parametrize("changes", [{"nonce": 8}, {"replaced": (b"\x09" * 32,)}])
def test_a_replacement_of_something_else_is_refused(journal: Journal, changes: dict[str, Any]) -> None:
    first, second, third, fourth, _ = stages()
    for stage in (first, second, third):
        journal.record(stage)
    assert isinstance(fourth, Submitted)
    with pytest.raises(JournalError, match="comes with a replacement, but is PROVEN"):
        journal.record(replacement(fourth))
    journal.record(fourth)
    with pytest.raises(JournalError, match="replacement of another transaction"):
        journal.record(replacement(fourth, **changes))
    journal.record(replacement(fourth))
    with pytest.raises(JournalError, match="replacement of another transaction"):
        journal.record(replacement(fourth))
