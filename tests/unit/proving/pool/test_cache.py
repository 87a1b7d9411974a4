"""Tests of proofs that are kept."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from oracle.proving.interface import Proof
from oracle.proving.pool.cache import ProofCache, statement_of


def proof(number: int) -> Proof:
    return Proof(bytes([number]) * 64, (number,), "artifact", 0.5)


def test_statements_differ_by_artifact_and_by_each_instance() -> None:
    named = {
        statement_of(artifact, instances)
        for artifact in ("a", "b")
        for instances in ((), (0,), (0, 0), (1, 2), (2, 1), (1 << 253,))
    }
    assert len(named) == 12
    assert statement_of("a", (1, 2)) == statement_of("a", [1, 2])


def test_the_proof_that_was_used_least_recently_goes_first() -> None:
    cache = ProofCache(entries=2)
    for number in (1, 2):
        cache.put(f"{number}", proof(number))
    assert cache.get("1") == proof(1)
    cache.put("3", proof(3))
    assert (cache.get("1"), cache.get("2"), cache.get("3")) == (proof(1), None, proof(3))
    cache.forget("1")
    assert cache.get("1") is None
    none = ProofCache(entries=0)
    none.put("1", proof(1))
    assert none.get("1") is None
    assert not none.on_disk


def test_files_hold_proofs_only_and_are_few(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "here"
    cache = ProofCache(folder=folder, files=2)
    for number in (1, 2, 3):
        cache.write(f"{number}", proof(number))
        os.utime(folder / f"{number}.json", ns=(number, number))
    assert sorted(path.name for path in folder.iterdir()) == ["2.json", "3.json"]
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "3.json").stat().st_mode & 0o077 == 0
    assert set(json.loads((folder / "3.json").read_text())) == {"proof", "seconds"}
    again = ProofCache(folder=folder)
    assert again.get("3") is None, "what is on disk is not verified yet"
    assert again.read("3", "artifact", (3,)) == proof(3)
    assert again.read("1", "artifact", (1,)) is None
    again.forget("3")
    again.forget("3")
    assert again.read("3", "artifact", (3,)) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"proof": "0g", "seconds": 1}', '{"proof": "00"}', "\xff"])
def test_a_file_that_is_none_is_no_proof(tmp_path: Path, text: str) -> None:
    (tmp_path / "1.json").write_bytes(text.encode("latin-1"))
    assert ProofCache(folder=tmp_path).read("1", "artifact", (1,)) is None


def test_a_folder_that_cannot_be_written_is_the_callers_to_judge(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        ProofCache(folder=tmp_path / "file" / "folder").write("1", proof(1))
