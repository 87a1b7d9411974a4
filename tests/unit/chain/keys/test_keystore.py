"""Tests of keystores: a key comes out as it went in, nothing is overwritten, and no secret is shown."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from oracle.chain.keys import keystore
from oracle.core.errors import InsecureSetup, KeystoreError

SECRET = "0x" + "ab" * 31 + "01"
PASSWORD = "correct horse"
FAST = 2
"""The lowest cost of scrypt, since its cost is not what is tested."""


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
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_refused_if_others_can_read_it(stored: Path, mode: int) -> None:
    keystore.load(stored, PASSWORD)
    stored.chmod(mode)
    with pytest.raises(KeystoreError, match=rf"mode {mode:04o}\): chmod 600"):
        keystore.load(stored, PASSWORD)
    with pytest.raises(KeystoreError, match=r"password file .* can be read by others"):
        keystore.password_from_file(stored)
    with pytest.raises(KeystoreError, match=r"key file .* can be read by others"):
        keystore.secret_from_file(stored)


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
    with pytest.raises(KeystoreError, match=r"no such file.*oracle key create"):
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
    with pytest.raises(KeystoreError, match="not an encrypted keystore"):
        keystore.load(path, PASSWORD)


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text(" " * 100_000 + '{"crypto": {}, "version": 3}')
    with pytest.raises(KeystoreError, match="not an encrypted keystore"):
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
    with pytest.raises(KeystoreError, match="not a private key") as caught:
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
    path.touch(mode=0o600)
    path.write_text("with spaces \nsecond line\n")
    assert keystore.password_from_file(path) == "with spaces "
    with pytest.raises(KeystoreError, match="no such file"):
        keystore.password_from_file(tmp_path / "none")
    path.write_text("\n")
    with pytest.raises(KeystoreError, match="first line is empty"):
        keystore.password_from_file(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(KeystoreError, match="can't be read"):
        keystore.password_from_file(path)


def test_another_password(stored: Path) -> None:
    address = keystore.change_password(stored, PASSWORD, "another", iterations=FAST)
    assert keystore.load(stored, "another").address == address
    assert stat.S_IMODE(stored.stat().st_mode) == 0o600
    before = stored.read_bytes()
    for old, new, says in ((PASSWORD, "third", "wrong password"), ("another", "", "is empty")):
        with pytest.raises(KeystoreError, match=says):
            keystore.change_password(stored, old, new, iterations=FAST)
    assert stored.read_bytes() == before
    assert [each.name for each in stored.parent.iterdir()] == [stored.name]


def test_keystores_of_a_folder(stored: Path) -> None:
    (stored.parent / "notes.txt").write_text("no key")
    other = stored.parent / "other.json"
    keystore.create(other, PASSWORD, iterations=FAST)
    other.chmod(0o644)
    found = keystore.find(stored.parent)
    assert [(each.path.name, bool(each.problem)) for each in found] == [("key.json", False), ("other.json", True)]
    with pytest.raises(KeystoreError, match="can't be read"):
        keystore.find(stored.parent / "none")


def test_passwords_in_the_credential_store(monkeypatch: pytest.MonkeyPatch) -> None:
    import keyring.errors

    kept = {("oracle", "0xabc"): "s3cret"}
    monkeypatch.setattr("keyring.get_password", lambda service, user: kept.get((service, user)))
    assert keystore.password_from_keyring("oracle", "0xabc") == "s3cret"
    with pytest.raises(KeystoreError, match="`keyring set oracle 0xdef`"):
        keystore.password_from_keyring("oracle", "0xdef")

    def locked(*_: str) -> None:
        raise keyring.errors.KeyringLocked("s3cret")

    monkeypatch.setattr("keyring.get_password", locked)
    with pytest.raises(KeystoreError, match="KeyringLocked") as caught:
        keystore.password_from_keyring("oracle", "0xabc")
    assert "s3cret" not in str(caught.value)


def test_passwords_that_are_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(KeystoreError, match="no terminal"):
        keystore.password_from_prompt(tmp_path)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda prompt: "s3cret")
    assert keystore.password_from_prompt(tmp_path) == "s3cret"
    monkeypatch.setattr("getpass.getpass", lambda prompt: "")
    with pytest.raises(KeystoreError, match="no password"):
        keystore.password_from_prompt(tmp_path)


def test_passwords_in_the_environment() -> None:
    assert keystore.password_from_env("P", {"P": "x"}) == "x"
    for env in ({}, {"P": ""}):
        with pytest.raises(KeystoreError, match="environment variable P"):
            keystore.password_from_env("P", env)


class Chain:
    """The part of an endpoint that `local_chain_key` asks."""

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
