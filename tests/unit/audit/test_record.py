"""Tests of the record of an audit: what is kept is found again, and nothing else is believed."""

from __future__ import annotations

import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from oracle.audit.record import AuditRecord, proof_key
from oracle.chain.transport.answers import Transaction
from oracle.core.errors import DataError

HUB = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
KEY, TX, BLOCK = b"\1" * 32, b"\2" * 32, b"\3" * 32
TRANSACTION = Transaction(TX, HUB, None, b"\0calldata", 7, 21_000, 12)


def opened(path: Path | None, chain_id: int = 1, hub: str = HUB) -> AuditRecord:
    return AuditRecord(path, chain_id, hub)


def test_what_is_kept_is_found_again(tmp_path: Path) -> None:
    path = tmp_path / "audit.state"
    for begins in (True, False):
        with opened(path, hub=HUB if begins else HUB.lower()) as record:
            assert record.note == ""
            if begins:
                assert not record.is_verified(KEY)
                assert [record.transaction(TX), record.calls(TX), record.block_time(BLOCK)] == [None] * 3
                record.keep_verified(KEY)
                record.keep_transaction(TX, TRANSACTION)
                record.keep_calls(TX, [b"\1\2", b""])
                record.keep_block_time(BLOCK, 2**200)
            assert record.is_verified(KEY)
            assert record.transaction(TX) == TRANSACTION
            assert record.calls(TX) == [b"\1\2", b""]
            assert record.block_time(BLOCK) == 2**200
            assert not record.is_verified(TX)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["audit.state"]


def test_what_did_not_hold_is_forgotten(tmp_path: Path) -> None:
    with opened(tmp_path / "audit.state") as record:
        record.keep_verified(KEY)
        for tx_hash in (TX, KEY):
            record.keep_transaction(tx_hash, TRANSACTION)
            record.keep_calls(tx_hash, [b""])
        record.keep_block_time(BLOCK, 1)
        record.forget([])
        assert record.block_time(BLOCK) == 1
        record.forget([TX])
        assert [record.transaction(TX), record.calls(TX), record.block_time(BLOCK)] == [None] * 3
        assert record.transaction(KEY) == TRANSACTION and record.calls(KEY) == [b""]
        assert record.is_verified(KEY)


def test_without_a_file_nothing_is_kept() -> None:
    with opened(None) as record:
        record.keep_verified(KEY)
        record.keep_transaction(TX, TRANSACTION)
        record.forget([TX])
        assert not record.is_verified(KEY)
        assert record.transaction(TX) is None


@pytest.mark.parametrize(("chain_id", "hub"), [(2, HUB), (1, "0x" + "12" * 20)])
def test_the_record_of_another_hub_is_refused(tmp_path: Path, chain_id: int, hub: str) -> None:
    path = tmp_path / "audit.state"
    with opened(path) as record:
        record.keep_verified(KEY)
    with pytest.raises(DataError, match=r"is the record of an audit of (chain|hub) .* name another file"):
        opened(path, chain_id, hub)
    with opened(path) as record:
        assert record.is_verified(KEY)


def test_the_record_of_another_release_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "audit.state"
    with opened(path) as record:
        record.keep_verified(KEY)
    monkeypatch.setattr("oracle.audit.record.ezkl_version", lambda: "99.0")
    with opened(path) as record:
        assert "is of another release (ezkl" in record.note
        assert not record.is_verified(KEY)
    with opened(path) as record:
        assert record.note == ""


@pytest.mark.parametrize("content", [b"no database" * 100, b"SQLite format 3\0" + bytes(4_000)])
def test_another_file_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match="can't be used as the record of an audit"):
        opened(path)
    assert path.read_bytes() == content


def test_another_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE about (name, value)")
    database.close()
    content = path.read_bytes()
    with pytest.raises(DataError, match="is no record of an audit: name another file"):
        opened(path)
    assert path.read_bytes() == content


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        opened(tmp_path / "nowhere" / "audit.state")


def test_two_audits_do_not_share_a_record(tmp_path: Path) -> None:
    with opened(tmp_path / "audit.state"), pytest.raises(DataError, match="another audit is using it"):
        opened(tmp_path / "audit.state")


@pytest.mark.parametrize("value", [b"", b"{}", b"[1]", b"\xff", b'{"tx_hash": 1}'])
def test_an_entry_that_is_damaged_is_fetched_again(tmp_path: Path, value: bytes) -> None:
    path = tmp_path / "audit.state"
    opened(path).close()
    with sqlite3.connect(path) as database:
        database.executemany("INSERT INTO kept VALUES (?, ?, ?)", [(2, TX, value), (3, BLOCK, value), (4, TX, value)])
    database.close()
    with opened(path) as record:
        assert record.transaction(TX) is None
        assert record.block_time(BLOCK) is None
        assert record.calls(TX) in (None, [])


KILLED = """
import sys
from pathlib import Path
from oracle.audit import record
from oracle.audit.record import AuditRecord
record._COMMIT_S = 0.02
with AuditRecord(Path(sys.argv[1]), 1, sys.argv[2]) as record:
    for number in range(10**9):
        record.keep_verified(number.to_bytes(32))
        if number == 20_000:
            print("enough", flush=True)
"""


@pytest.mark.chaos
def test_a_killed_audit_leaves_a_whole_record(tmp_path: Path) -> None:
    path = tmp_path / "audit.state"
    with subprocess.Popen([sys.executable, "-c", KILLED, str(path), HUB], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"enough\n"
        process.send_signal(signal.SIGKILL)
    with opened(path) as record:
        kept = [record.is_verified(number.to_bytes(32)) for number in range(20_000)]
    assert kept[1_000]
    assert kept == sorted(kept, reverse=True)  # a beginning of it, without a hole
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


def test_a_proof_is_known_by_all_that_it_depends_on() -> None:
    keys = {
        proof_key(*of)
        for of in [
            (b"circuit", (1, 2), b"proof"),
            (b"circuis", (1, 2), b"proof"),
            (b"circuit", (2, 1), b"proof"),
            (b"circuit", (1,), (2).to_bytes(32) + b"proof"),
            (b"circuit", (1, 2), b"proof\0"),
            (b"", (1, 2), b"circuitproof"),
        ]
    }
    assert len(keys) == 6
