"""Tests that commands which did something tell a machine what: keys, the journal, the cache of reference strings."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from oracle.chain.keys import keystore
from oracle.cli import oracle as command_line
from oracle.cli.key import key_group
from oracle.feeds.journal import SCHEMA_VERSION

SECRET = "0x" + "11" * 32
ADDRESS = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("ORACLE_CONFIG", raising=False)
    for name in ("create", "import_key", "change_password"):  # deriving a key is slow on purpose
        monkeypatch.setattr(keystore, name, partial(getattr(keystore, name), iterations=2))


def answered(*words: str, input: str | None = None) -> Any:
    done = CliRunner().invoke(command_line, [*words, "--json"], input=input, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_keys_are_told_by_address_and_file(tmp_path: Path) -> None:
    for name, text in (("password", "correct horse"), ("secret", SECRET)):
        (tmp_path / name).touch(0o600)
        (tmp_path / name).write_text(text)
    given = ("--password-file", "password")
    assert answered("key", "import", "k.json", "--key-file", "secret", *given) == {"address": ADDRESS, "path": "k.json"}
    assert answered("key", "show-address", "k.json")["address"] == ADDRESS
    # Prompts are no part of the document.
    changed = answered("key", "change-password", "k.json", *given, input="another one\nanother one\n")
    assert changed == {"address": ADDRESS, "path": "k.json"}
    made = answered("key", "create", "new.json", *given)
    assert made["path"] == "new.json" and made["address"].startswith("0x")
    assert sorted(key_group.commands) == ["change-password", "create", "import", "list", "rotate", "show-address"]


def test_a_journal_is_told_by_numbers(tmp_path: Path) -> None:
    (tmp_path / "eth.csv").write_text("time,value\n1,2\n")
    (tmp_path / "oracle.toml").write_text(
        '[chain]\nrpc_url = "http://127.0.0.1:9"\nchain_id = 31337\ndeployment = "d.json"\n'
        "[keys]\nreporter = { anvil_account = 1 }\nsubmitter = { anvil_account = 0 }\n"
        '[prover]\nsrs = "insecure-local"\n[journal]\npath = "j.db"\n'
        '[[feeds]]\nname = "eth"\ndescription = "ETH"\nkind = "relative"\ndecimals = 8\nsigma = 10_000\n'
        "heartbeat = 60\nmax_age = 600\nmax_skew = 600\ndeviation_ppm = 5_000\nmin_sources = 1\n"
        'sources = [{ type = "replay", file = "eth.csv", speed = "max" }]\n'
    )
    assert answered("journal", "migrate") == {"schema_version": SCHEMA_VERSION}
    assert answered("journal", "compact", "--keep-days", "0") == {"stages": 0, "observations": 0}


def test_a_generated_string_is_told_by_its_file() -> None:
    path = Path(answered("srs", "generate", "4", "--insecure")["path"])
    assert path.is_file()
