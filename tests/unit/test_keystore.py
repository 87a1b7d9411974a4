"""Keystores: what goes in comes out, nothing is overwritten, nothing secret is said."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from structlog.testing import capture_logs

from oracle.chain import keystore
from oracle.errors import InsecureSetup, KeystoreError

SECRET = "0x" + "ab" * 31 + "01"
PASSWORD = "correct horse"
FAST = 2
"""scrypt's cost: as low as it goes, since its cost is not what is tested."""


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "key.json"
    keystore.import_key(path, SECRET, PASSWORD, iterations=FAST)
    return path


def test_import_and_load(stored: Path) -> None:
    account = keystore.load(stored, PASSWORD)
    assert bytes(account.key).hex() == SECRET[2:]
    assert keystore.address_of(stored) == account.address


def test_create(tmp_path: Path) -> None:
    path = tmp_path / "new" / "key.json"
    address = keystore.create(path, PASSWORD, iterations=FAST)
    assert keystore.load(path, PASSWORD).address == address
    assert keystore.create(tmp_path / "other.json", PASSWORD, iterations=FAST) != address


def test_other_clients_can_read_it(stored: Path) -> None:
    found = json.loads(stored.read_text())
    assert found["version"] == 3
    assert found["crypto"]["kdf"] == "scrypt"
    assert SECRET[2:] not in stored.read_text()


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_only_its_owner_reads_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        path = tmp_path / "key.json"
        keystore.create(path, PASSWORD, iterations=FAST)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_a_warning_if_others_can(stored: Path) -> None:
    with capture_logs() as quiet:
        keystore.load(stored, PASSWORD)
    stored.chmod(0o644)
    with capture_logs() as said:
        keystore.load(stored, PASSWORD)
    assert quiet == []
    assert [entry["log_level"] for entry in said] == ["warning"]
    assert said[0]["mode"] == "0644"


def test_never_overwritten(stored: Path) -> None:
    before = stored.read_bytes()
    with pytest.raises(KeystoreError, match="never overwritten"):
        keystore.create(stored, PASSWORD, iterations=FAST)
    with pytest.raises(KeystoreError, match="never overwritten"):
        keystore.import_key(stored, SECRET, PASSWORD, iterations=FAST)
    assert stored.read_bytes() == before


def test_wrong_password(stored: Path) -> None:
    with pytest.raises(KeystoreError, match="wrong password") as caught:
        keystore.load(stored, "incorrect horse")
    assert "incorrect horse" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(KeystoreError, match=r"no such file.*oracle keys new"):
        keystore.load(tmp_path / "none.json", PASSWORD)
    with pytest.raises(KeystoreError, match="can't be read"):
        keystore.load(tmp_path, PASSWORD)


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "not json", '{"crypto": 5}', '{"crypto": {}, "version": 3}', '{"crypto": {}}', "[" * 60_000],
)
def test_no_keystore(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key.json"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(KeystoreError, match="no encrypted keystore"):
        keystore.load(path, PASSWORD)


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text(" " * 100_000 + '{"crypto": {}, "version": 3}')
    with pytest.raises(KeystoreError, match="no encrypted keystore"):
        keystore.load(path, PASSWORD)


def test_an_address_that_is_not_the_key_s(stored: Path) -> None:
    found = json.loads(stored.read_text())
    stored.write_text(json.dumps(found | {"address": "00" * 19 + "01"}))
    with pytest.raises(KeystoreError, match="tampered"):
        keystore.load(stored, PASSWORD)


def test_an_address_that_is_missing(stored: Path) -> None:
    found = json.loads(stored.read_text())
    del found["address"]
    stored.write_text(json.dumps(found))
    with pytest.raises(KeystoreError, match="does not say its address"):
        keystore.address_of(stored)
    assert keystore.load(stored, PASSWORD).address == Account.from_key(SECRET).address


@pytest.mark.parametrize("secret", ["", "0x", "12", "zz" * 32, SECRET + "00", "0x" + "00" * 32, "0x" + "ff" * 32])
def test_secrets_that_are_none(tmp_path: Path, secret: str) -> None:
    path = tmp_path / "key.json"
    with pytest.raises(KeystoreError, match="no private key") as caught:
        keystore.import_key(path, secret, PASSWORD, iterations=FAST)
    assert caught.value.__cause__ is None
    assert not path.exists()
    if len(secret) > 4:
        assert secret not in str(caught.value)


def test_passwords_are_not_empty(tmp_path: Path) -> None:
    with pytest.raises(KeystoreError, match="empty"):
        keystore.create(tmp_path / "key.json", "", iterations=FAST)


def test_password_files(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("with spaces \nsecond line\n")
    path.chmod(0o600)
    assert keystore.password_from_file(path) == "with spaces "
    with pytest.raises(KeystoreError, match="no such file"):
        keystore.password_from_file(tmp_path / "none")
    path.write_text("\n")
    with pytest.raises(KeystoreError, match="first line is empty"):
        keystore.password_from_file(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(KeystoreError, match="can't be read"):
        keystore.password_from_file(path)


def test_passwords_in_the_environment() -> None:
    assert keystore.password_from_env("P", {"P": "x"}) == "x"
    for env in ({}, {"P": ""}):
        with pytest.raises(KeystoreError, match="environment variable P"):
            keystore.password_from_env("P", env)


class Chain:
    """What `local_chain_key` asks of an endpoint."""

    name = "https://node.example"

    def __init__(self, local: bool) -> None:
        self.local = local

    async def is_local(self) -> bool:
        return self.local

    async def chain_id(self) -> int:
        return 1

    async def client_version(self) -> str:
        return "Geth/v1"


async def test_well_known_keys_on_a_local_chain() -> None:
    chain: Any = Chain(local=True)
    assert (await keystore.local_chain_key(0, chain)).address == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    assert (await keystore.local_chain_key(9, chain)).address == "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720"


async def test_well_known_keys_anywhere_else() -> None:
    chain: Any = Chain(local=False)
    with pytest.raises(InsecureSetup, match="known to everyone"):
        await keystore.local_chain_key(0, chain)
