"""Tests of the journal in SQLite and a real PostgreSQL: equal guarantees, who may write, compaction, altered rows."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.core.errors import ConfigError, JournalError, JournalUnavailable, OracleError
from oracle.core.types import Outcome
from oracle.feeds.journal import Journal
from oracle.feeds.journal.databases import PostgresDatabase, password_of
from oracle.feeds.journal.migrations import newest, upgrade
from oracle.feeds.journal.rows import dump
from oracle.feeds.journal.schema import REVISION
from tests.postgres import Postgres
from tests.unit.feeds.journal.test_journal import confirmed, observed, proven, replacement, scored, stages, submitted

DAY = 86_400


class Place:
    """The place of a journal: it can be opened, and written to behind the journal's back."""

    def __init__(self, where: Path | str, server: Postgres | None, stack: ExitStack) -> None:
        self.where = where
        self._server = server
        self._stack = stack

    @property
    def is_postgres(self) -> bool:
        return self._server is not None

    def open(self, **options: Any) -> Journal:
        where = self.where if isinstance(self.where, Path) else PostgresDatabase(self.where)
        journal = Journal(where, **options)
        self._stack.callback(journal.close)
        return journal

    def execute(self, statement: str) -> list[Any]:
        if self._server is not None:
            return self._server.execute(statement, str(self.where))
        connection = sqlite3.connect(self.where, isolation_level=None)
        try:
            connection.execute("PRAGMA foreign_keys=ON")
            return connection.execute(statement).fetchall()
        finally:
            connection.close()

    def drop_trigger(self, action: str, table: str) -> None:
        self.execute(f"DROP TRIGGER no_{action}_of_{table}" + (f" ON {table}" if self.is_postgres else ""))


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with ExitStack() as stack:
        if request.param == "sqlite":
            yield Place(tmp_path / "journal.sqlite", None, stack)
        else:
            server: Postgres = request.getfixturevalue("postgres")
            yield Place(server.url(), server, stack)


@pytest.fixture
def database(postgres: Postgres) -> Iterator[Place]:
    """Return a place in PostgreSQL."""
    with ExitStack() as stack:
        yield Place(postgres.url(), postgres, stack)


# --- the same guarantees -------------------------------------------------------------------------------------------


def test_the_whole_way_in_both(place: Place) -> None:
    with place.open() as journal:
        for at, reached in enumerate((1, 2, 3, 4, 5), 1):
            for stage in stages(at)[:reached]:
                journal.record(stage)
        with pytest.raises(JournalError, match="comes as PROVEN, but is OBSERVED"):
            journal.record(stages(1)[2])
        with pytest.raises(JournalError, match="has ended as accepted"):
            journal.finish(["eth-usd@5"], Outcome.FAILED, "")
    with place.open() as journal:
        assert journal.unfinished() == [stages(at)[at - 1] for at in (1, 2, 3, 4)]
        [entry] = journal.confirmed()
        assert (entry.answer, entry.scores, entry.gas_used) == (-(2**127 - 1), (-(2**127 - 1), 2**127 - 1), 512_345)
        journal.finish(["eth-usd@1"], Outcome.FAILED, "with a \0 and a ü")
        assert journal.rows()[-1].reason == "with a \ufffd and a ü"
        assert journal.counts() == {"open": 3, "accepted": 1, "held": 0, "offered": 0, "superseded": 0, "failed": 1}
        assert journal.has("eth-usd@1") and not journal.has("eth-usd@9")
    with place.open(read_only=True) as reader:
        assert len(reader.rows(limit=2)) == 2
        with pytest.raises(JournalError, match="for reading only"):
            reader.record(observed(9))


OUTCOME = """INSERT INTO outcomes (key, number, outcome, reason, at, summary, trail, previous, digest)
    VALUES ('{}', 9, '{}', '', 1, '', '', '', '')"""
STEP = "INSERT INTO steps (report, stage, sequence, at, data) VALUES ({}, {}, {}, 1, '{{}}')"
PERMIT = "INSERT INTO compaction_permit (id) VALUES (1)"


def test_both_databases_refuse_by_themselves(place: Place) -> None:
    journal = place.open()
    for stage in stages(1):
        journal.record(stage)
    for stage in stages(2)[:2]:
        journal.record(stage)
    refused = [
        OUTCOME.format("eth-usd@1", "held"),
        OUTCOME.format("eth-usd@2", "strange"),
        OUTCOME.format("x@1", "held"),
        STEP.format(1, 9, 0),
        STEP.format(2, 2, 0),
        "INSERT INTO members (report, position, key) VALUES (2, 1, 'eth-usd@1')",
        "UPDATE outcomes SET outcome = 'held'",
        "UPDATE steps SET data = '{}'",
        "UPDATE decisions SET others = '[]'",
        "UPDATE members SET position = 5",
        "UPDATE observations SET answer = '1'",
        "DELETE FROM outcomes",
        "DELETE FROM steps",
        "DELETE FROM members",
        "DELETE FROM compactions; DELETE FROM observations" if place.is_postgres else "DELETE FROM observations",
        "INSERT INTO leader (id, epoch, holder, expires) VALUES (2, 1, '', 0)",
        *(["TRUNCATE steps", "TRUNCATE outcomes"] if place.is_postgres else []),
    ]
    for statement in refused:
        with pytest.raises(Exception, match=r"(?i)append-only|ended|unique|check|foreign key"):
            place.execute(statement)
    # Steps of an open report can't be deleted, even with the permit.
    place.execute(PERMIT)
    with pytest.raises(Exception, match="append-only"):
        place.execute("DELETE FROM steps WHERE report = 2")


def test_a_transaction_that_is_replaced_leaves_all_its_hashes(place: Place) -> None:
    journal = place.open()
    for stage in stages(1)[:3]:
        journal.record(stage)
    first = submitted(proven(scored(observed(1))))
    with pytest.raises(JournalError, match="comes with a replacement, but is PROVEN"):
        journal.record(replacement(first))
    journal.record(first)
    for changes in ({"nonce": 8}, {"replaced": (b"\x09" * 32,)}):
        with pytest.raises(JournalError, match="replacement of another transaction"):
            journal.record(replace(replacement(first), **changes))
    second, third = replacement(first), replacement(replacement(first))
    journal.record(second)
    journal.record(third)
    assert journal.unfinished() == [third]
    assert third.hashes == (first.tx_hash, second.tx_hash, third.tx_hash)
    assert journal.signed() == [third.transaction, second.transaction, first.transaction]
    assert journal.rows()[0].tx_hash == third.tx_hash
    journal.record(replace(confirmed(third), mined=first.tx_hash))
    assert journal.rows()[0].tx_hash == first.tx_hash
    with pytest.raises(JournalError, match="has ended"):
        journal.record(replacement(third))
    assert journal.check().problems == ()


# --- who writes ----------------------------------------------------------------------------------------------------


def test_a_standby_takes_over_and_writes_nothing_before(place: Place) -> None:
    first = place.open()
    first.record(observed(1))
    second = place.open(standby=True)
    assert (first.is_leader, second.is_leader, second.try_lead()) == (True, False, False)
    with pytest.raises(JournalError, match="another daemon writes"):
        second.record(observed(2))
    assert first.leader() == second.leader() and first.leader().holder
    first.close()
    assert second.try_lead() and second.is_leader
    assert second.leader().epoch == 2
    second.record(observed(2))
    assert [stage.decided.observed_at for stage in second.unfinished()] == [1, 2]


def test_a_leader_that_was_replaced_writes_nothing(place: Place) -> None:
    journal = place.open(lease_s=600)
    journal.record(observed(1))
    place.execute("UPDATE leader SET epoch = epoch + 1")
    for attempt in range(2):
        with pytest.raises(JournalError, match="another daemon took over"):
            journal.record(observed(2 + attempt))
    with pytest.raises(JournalError, match="another daemon took over"):
        journal.unfinished()
    with pytest.raises(JournalError, match="another daemon took over"):
        journal.compact(0)
    assert not journal.is_leader
    assert place.execute("SELECT count(*) FROM observations") == [(1,)]


def test_a_second_daemon_without_standby_is_refused(place: Place) -> None:
    first = place.open(lease_s=1)
    with pytest.raises(JournalError, match="in use by another process"):
        place.open(lease_s=1)
    first.record(observed(1))


def test_two_that_begin_at_once_make_one_schema(database: Place) -> None:
    import threading

    made: list[Journal] = []

    def begin() -> None:
        made.append(database.open(standby=True))

    threads = [threading.Thread(target=begin) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(journal.is_leader for journal in made) == [False, False, True]


CHILD = """
    import sys
    sys.path.insert(0, {root!r})
    from pathlib import Path
    from oracle.core.errors import JournalUnavailable, OracleError
    from oracle.feeds.journal import Journal
    from oracle.feeds.journal.databases import PostgresDatabase
    from oracle.core.stages import Decided, Observed
    where = Path({where!r}) if {where!r}.startswith("/") else PostgresDatabase({where!r})
    journal = Journal(where, lease_s=1)
    if {doing!r} == "within":
        transaction = journal._store.transaction()
        transaction.__enter__()
    print("leads", flush=True)
    if {doing!r} != "writing":
        sys.stdin.readline()
    if {doing!r} == "within":
        transaction.__exit__(None, None, None)
    try:
        for at in range(10**6):
            try:
                journal.record(Decided(1, (Observed("child", b"\\1" * 32, 1, at),)))
            except JournalUnavailable:
                pass  # stopped in a transaction, which the server ended: asked again, as the daemon does
            if {doing!r} == "within":
                print("has written", flush=True)
                sys.stdin.readline()
    except OracleError as error:
        print(type(error).__name__, error, flush=True)
"""


@contextmanager
def leading(place: Place, project_root: Path, doing: str) -> Iterator[subprocess.Popen[str]]:
    """Run a process that leads: "writing" all the time, or waiting for a line "between" or "within" transactions."""
    script = textwrap.dedent(CHILD).format(root=str(project_root), where=str(place.where), doing=doing)
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", script], stdin=pipe, stdout=pipe, text=True) as child:
        try:
            assert said_by(child) == "leads\n"
            yield child
        finally:
            child.kill()


def said_by(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline()


def go_on(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()


def until_it_leads(standby: Journal, *, tries_again: bool = False) -> None:
    """Let a standby try to lead until it succeeds.

    Args:
        tries_again: Count `JournalUnavailable` as a refusal, as the daemon does while it stands by.
    """
    until = time.monotonic() + 60
    while True:
        try:
            if standby.try_lead():
                return
        except JournalUnavailable:
            if not tries_again:
                raise
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.chaos
def test_hand_over_from_a_leader_that_is_killed(place: Place, project_root: Path) -> None:
    with leading(place, project_root, "writing") as child:
        standby = place.open(standby=True, lease_s=1)
        assert not standby.is_leader
        child.kill()
        until_it_leads(standby)
        before = standby.counts()["open"]
        standby.record(observed(1))
        assert standby.counts()["open"] == before + 1


@pytest.mark.chaos
@pytest.mark.attack
def test_hand_over_from_a_leader_that_is_stopped_and_wakes_up(place: Place, project_root: Path) -> None:
    with leading(place, project_root, "writing" if place.is_postgres else "between") as child:
        standby = place.open(standby=True, lease_s=1)
        assert not standby.try_lead()
        child.send_signal(signal.SIGSTOP)
        # PostgreSQL ends the session of a leader that was stopped in a transaction after as many seconds as the standby
        # waits for the leader's lock. Chance decides which of the two comes first.
        until_it_leads(standby, tries_again=place.is_postgres)
        before = standby.counts()["open"]
        standby.record(observed(1))
        third = place.open(standby=True, lease_s=1)
        assert not third.try_lead(), "its lock is the new leader's"
        child.send_signal(signal.SIGCONT)
        go_on(child)
        said = said_by(child)
        assert said.startswith("JournalError") and "another daemon took over" in said
        assert not third.try_lead() and standby.counts()["open"] == before + 1
        standby.record(observed(2))
        standby.close()
        assert third.try_lead() and third.counts()["open"] == before + 2


@pytest.mark.chaos
def test_a_leader_that_is_stopped_within_a_transaction_keeps_sqlite_s_lock(
    tmp_path: Path, project_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oracle.feeds.journal.databases.sqlite.BUSY_TIMEOUT_S", 0.05)
    with ExitStack() as stack:
        place = Place(tmp_path / "journal.sqlite", None, stack)
        with leading(place, project_root, "within") as child:
            standby = place.open(standby=True, lease_s=1)
            child.send_signal(signal.SIGSTOP)
            with pytest.raises(JournalUnavailable, match="is locked by another program"):
                until_it_leads(standby)
            lock = Path(f"{place.where}.lock")
            sign = lock.stat().st_mtime_ns
            child.send_signal(signal.SIGCONT)
            go_on(child)
            assert said_by(child) == "has written\n"
            while lock.stat().st_mtime_ns == sign:
                time.sleep(0.01)
            assert not standby.try_lead(), "it is alive again"
            child.kill()
            until_it_leads(standby)
            assert [stage.feeds[0] for stage in standby.unfinished()] == ["child"]


def test_a_leader_whose_release_gives_no_signs_of_life_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.sqlite"
    monkeypatch.setattr("oracle.feeds.journal.databases.sqlite._CAN_GIVE_SIGNS", False)
    clock = iter(range(0, 10**6, 100))
    with Journal(path), Journal(path, standby=True) as standby:
        monkeypatch.setattr("oracle.feeds.journal.databases.sqlite.time.monotonic", lambda: float(next(clock)))
        assert [standby.try_lead() for _ in range(5)] == [False] * 5


def test_postgresql_gone_and_back(database: Place, postgres: Postgres) -> None:
    journal = database.open()
    journal.record(observed(1))
    postgres.stop()
    try:
        for _ in range(2):
            with pytest.raises(JournalUnavailable, match=r"tried again|did not answer") as caught:
                journal.record(scored(observed(1)))
            assert "\n" not in str(caught.value)
    finally:
        postgres.start()
    until = time.monotonic() + 60
    while True:
        try:
            journal.record(scored(observed(1)))
            break
        except JournalUnavailable:
            assert time.monotonic() < until
            time.sleep(0.1)
    assert journal.unfinished() == [scored(observed(1))]
    assert journal.is_leader


def test_postgresql_writes_through(database: Place) -> None:
    journal = database.open()
    with journal._store.transaction(read=True) as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"


# --- the audit trail -----------------------------------------------------------------------------------------------


def full(place: Place) -> Journal:
    """Return a journal with three observations that ended at different times, and one that is open."""
    clock = iter([float(DAY * day) for day in (1, 2, 3) for _ in range(6)])
    journal = place.open(now=lambda: next(clock, 10.0 * DAY))
    for at in (1, 2, 3):
        for stage in stages(at):
            journal.record(stage)
    journal.record(observed(4))
    return journal


def test_compaction_keeps_what_counts_and_nothing_that_is_open(place: Place) -> None:
    journal = full(place)
    entries, counts, digest = journal.rows(), journal.counts(), journal.check().digest
    done = journal.compact(keep_days=7.5)
    assert (done.observations, done.rows) == (2, 8)
    assert journal.compact(keep_days=7.5).observations == 0
    assert (journal.rows(), journal.counts()) == (entries, counts)
    audit = journal.check(expected=digest)
    assert (audit.outcomes, audit.compacted, audit.digest, audit.problems) == (3, 2, digest, ())
    with pytest.raises(JournalError, match="an observation is reported once"):
        journal.record(stages(1)[0])
    with pytest.raises(JournalError, match="has ended"):
        journal.record(stages(1)[1])
    assert journal.unfinished() == [observed(4)]
    with pytest.raises(Exception, match="append-only"):
        place.execute("DELETE FROM steps")
    journal.vacuum()


@pytest.mark.parametrize(
    ("table", "statement", "says"),
    [
        ("outcomes", "UPDATE outcomes SET gas_used = 1 WHERE number = 2", "eth-usd@2: its outcome"),
        ("observations", "UPDATE observations SET answer = '7' WHERE key = 'eth-usd@2'", "eth-usd@2: its outcome"),
        ("observations", "UPDATE observations SET recorded_at = 7 WHERE key = 'eth-usd@2'", "eth-usd@2: its outcome"),
        ("steps", "UPDATE steps SET at = 5 WHERE report = 3", "eth-usd@3: its steps"),
        ("steps", "DELETE FROM steps WHERE report = 3", "eth-usd@3: its steps are missing"),
        ("steps", "DELETE FROM steps WHERE report = 3 AND stage = 3", "or some are missing"),
        ("outcomes", "DELETE FROM outcomes WHERE number = 2", "1 outcome(s) before it are missing"),
        ("outcomes", "DELETE FROM outcomes WHERE number = 3", "there is no outcome with the digest"),
    ],
)
def test_an_altered_audit_trail_is_told(place: Place, table: str, statement: str, says: str) -> None:
    journal = full(place)
    digest = journal.check().digest
    place.drop_trigger(statement.split()[0].lower(), table)
    place.execute(statement)
    assert any(says in problem for problem in journal.check(expected=digest).problems)


# --- whatever a row holds ------------------------------------------------------------------------------------------

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_FIELDS = ("report", "signatures", "scores", "features", "model_number", "tx_hash", "nonce", "prove_seconds")


def refusal(look: Callable[[], object]) -> str | None:
    try:
        look()
    except JournalError as error:
        return str(error)
    return None


@st.composite
def _data(draw: st.DrawFn) -> str:
    """Draw any text, any JSON, or a row's own data with one part replaced."""
    if draw(st.booleans()):
        return draw(st.text(max_size=20) | _JSON.map(json.dumps))
    good = json.loads(dump(scored(observed()))[0]) | {
        "tx_hash": "ab", "nonce": 1, "prove_seconds": 1.0, "artifact_hash": "x"
    }  # fmt: skip
    return json.dumps(good | {draw(st.sampled_from(_FIELDS)): draw(_JSON)})


def test_whatever_a_row_holds_is_read_or_refused(place: Place) -> None:
    journal = place.open()
    for at in (1, 2, 3):
        for stage in stages(at)[: at + 1]:
            journal.record(stage)
    place.drop_trigger("update", "steps")

    @settings(max_examples=15 if place.is_postgres else 60)
    @given(data=_data(), stage=st.sampled_from([2, 3, 4]), column=st.sampled_from(["data", "stage", "blob"]))
    def read(data: str, stage: int, column: str) -> None:
        text = data.replace("\0", "").encode("utf-8", "ignore").decode().replace("'", "''")
        value = {"data": f"'{text}'", "stage": str(9 + len(text)), "blob": "NULL"}[column]
        where = f"WHERE report = {stage - 1} AND stage = {stage}"
        [(before, blob)] = place.execute(f"SELECT data, blob FROM steps {where}")
        place.execute(f"UPDATE steps SET {column} = {value} {where}")
        try:
            for look in (journal.unfinished, journal.rows, journal.signed, journal.check):
                said = refusal(look)
                assert said is None or (f"eth-usd@{stage - 1}" in said and "\n" not in said)
        finally:
            kept = "NULL" if blob is None else (f"'\\x{blob.hex()}'" if place.is_postgres else f"x'{blob.hex()}'")
            restored = f"data = '{before}', blob = {kept}, stage = {stage}"
            last = f"id = (SELECT max(id) FROM steps WHERE report = {stage - 1})"
            place.execute(f"UPDATE steps SET {restored} WHERE {last}")

    read()
    assert len(journal.unfinished()) == 3


@pytest.mark.parametrize("value", ["x'ff00'", "5", "CAST(x'ff' AS TEXT)", "'" + "[" * 50_000 + "'"])
def test_what_sqlite_lets_in_is_refused_by_name(tmp_path: Path, value: str) -> None:
    """SQLite's columns take any type, and text that is not UTF-8."""
    with ExitStack() as stack:
        place = Place(tmp_path / "journal.sqlite", None, stack)
        journal = place.open()
        for stage in stages(1)[:3]:
            journal.record(stage)
        place.drop_trigger("update", "steps")
        place.execute(f"UPDATE steps SET data = {value} WHERE stage = 2")
        with pytest.raises(JournalError, match="eth-usd@1"):
            journal.unfinished()


# --- versions ------------------------------------------------------------------------------------------------------


def test_a_journal_of_another_hub_s_release_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(
        """CREATE TABLE schema_version (version INTEGER NOT NULL); INSERT INTO schema_version VALUES (3);
           CREATE TABLE observations (key TEXT); CREATE TABLE transitions (key TEXT); CREATE TABLE outcomes (key TEXT);
           CREATE TABLE alembic_version (version_num TEXT); INSERT INTO alembic_version VALUES ('0002');"""
    )
    connection.close()
    for options in ({}, {"read_only": True}):
        with pytest.raises(JournalError, match="has schema version 3, of a release whose journals are of another form"):
            Journal(path, **options)  # type: ignore[arg-type]


def test_a_new_journal_has_the_schema_that_the_migrations_make(tmp_path: Path) -> None:
    assert newest() == REVISION
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'migrated.sqlite'}")
    with engine.begin() as migrated:
        upgrade(migrated)
    engine.dispose()
    schemas = []
    for name in ("migrated.sqlite", "new.sqlite"):
        Journal(tmp_path / name).close()
        connection = sqlite3.connect(tmp_path / name)
        rows = connection.execute("SELECT type, name, tbl_name FROM sqlite_master ORDER BY 1, 2")
        columns = connection.execute(
            'SELECT m.name, c.name, c.type, c."notnull", c.pk FROM sqlite_master m, pragma_table_info(m.name) c '
            "WHERE m.type = 'table' AND m.name != 'alembic_version' ORDER BY 1, c.cid"
        )
        schemas.append((rows.fetchall(), columns.fetchall()))
        connection.close()
    assert schemas[0] == schemas[1]


def test_a_newer_schema_is_refused(place: Place) -> None:
    place.open().close()
    place.execute("UPDATE alembic_version SET version_num = '0099'")
    for options in ({}, {"read_only": True}):
        with pytest.raises(JournalError, match=r"\(0099\), this release knows 5; use the release that wrote it"):
            place.open(**options)


def test_a_strange_database_is_refused(database: Place) -> None:
    database.execute("CREATE TABLE recipes (name text)")
    with pytest.raises(JournalError, match="no journal of this program"):
        database.open()


# --- passwords -----------------------------------------------------------------------------------------------------


def test_a_password_is_in_no_message(postgres: Postgres, tmp_path: Path) -> None:
    secret = "hunter2-hunter2"
    wrong: list[Callable[[], object]] = [
        lambda: Journal(PostgresDatabase(postgres.url("nowhere"), secret)),
        lambda: Journal(PostgresDatabase(postgres.url("postgres", user="nobody"), secret)),
        lambda: Journal(PostgresDatabase(f"postgresql://me@/db?host={tmp_path}", secret)),
    ]
    for attempt in wrong:
        with pytest.raises(OracleError) as caught:
            attempt()
        told = [str(caught.value), repr(caught.value), repr(caught.value.__cause__)]
        assert all(secret not in text and "\n" not in text for text in told)
    there = PostgresDatabase("postgresql://me@db.example:5433/journal?sslmode=require&sslpassword=q", secret)
    assert there.name == "postgresql://db.example:5433/journal"
    assert secret not in repr(there) + repr(there.engine(read_only=False)) + str(vars(there)["_url"])


def test_where_a_password_comes_from(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("s3cret\n")
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="can be read by others: chmod 600"):
        password_of(file, None, {})
    file.chmod(0o600)
    assert password_of(file, None, {}) == "s3cret"
    assert password_of(None, "PG", {"PG": "x"}) == "x"
    assert password_of(None, None, {}) is None
    missing: list[tuple[Path | None, str | None]] = [(tmp_path / "none", None), (None, "PG")]
    for named_file, variable in missing:
        with pytest.raises(ConfigError, match=r"\[journal\] password_"):
            password_of(named_file, variable, {})
