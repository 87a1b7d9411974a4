"""Tests of keystores: a key comes out as it went in, nothing is overwritten, and no secret is shown."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_keyfile.keyfile import encrypt_aes_ctr
from eth_utils.crypto import keccak

from oracle.chain.keys import keystore
from oracle.core.errors import InsecureSetup, KeystoreError
from oracle.core.formats import from_hex

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


def sealed(folder: Path, *, made_with: str = "sha512", **changed: Any) -> Path:
    """Write a keystore of pbkdf2, as other wallets make them, and return its path.

    Args:
        made_with: The hash that the key is derived with.
        changed: Parts of `crypto` and of its `kdfparams` that say something else than usual.
    """
    salt, vector = b"salt" * 8, bytes(15) + b"\1"
    derived = hashlib.pbkdf2_hmac(made_with, PASSWORD.encode(), salt, 2, 32)
    sealed = encrypt_aes_ctr(from_hex(SECRET), derived[:16], 1)
    params = {"c": 2, "dklen": 32, "prf": f"hmac-{made_with}", "salt": salt.hex()}
    crypto: dict[str, Any] = {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": vector.hex()},
        "ciphertext": sealed.hex(),
        "kdf": "pbkdf2",
        "mac": keccak(derived[16:32] + sealed).hex(),
    }
    crypto |= {name: value for name, value in changed.items() if name in crypto}
    crypto["kdfparams"] = params | {name: value for name, value in changed.items() if name not in crypto}
    path = folder / "pbkdf2.json"
    path.write_text(json.dumps({"version": 3, "crypto": crypto}))
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    ("made_with", "changed"),
    [("sha256", {}), ("sha384", {}), ("sha512", {}), ("sha512", {"prf": "HMAC-SHA512"})],
)
def test_keystores_of_other_wallets(tmp_path: Path, made_with: str, changed: dict[str, Any]) -> None:
    path = sealed(tmp_path, made_with=made_with, **changed)
    assert keystore.load(path, PASSWORD).key == from_hex(SECRET)
    with pytest.raises(KeystoreError, match=rf"wrong password, or .*\(it says pbkdf2 with hmac-{made_with}\)"):
        keystore.load(path, "incorrect horse")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"prf": "hmac-sha3"}, "its PRF 'hmac-sha3' is not supported; hmac-sha256, hmac-sha384, hmac-sha512 are"),
        ({"prf": "sha512"}, "its PRF 'sha512' is not supported"),
        ({"prf": None}, "its PRF None is not supported"),
        ({"kdf": "argon2id"}, "its KDF 'argon2id' is not supported; scrypt and pbkdf2 are"),
        ({"kdf": "\x1b[31m"}, "its KDF ' [31m' is not supported"),
        ({"cipher": "aes-128-cbc"}, "its cipher 'aes-128-cbc' is not supported; aes-128-ctr is"),
        ({"c": 10**12}, "its 1,000,000,000,000 iterations are not supported"),
        ({"kdf": "scrypt", "n": 1 << 30, "r": 8, "p": 1}, "its scrypt needs 1,048,576 MiB, 1 times; at most 2,048 MiB"),
        ({"kdf": "scrypt", "n": 2, "r": 8, "p": 1 << 20}, "its scrypt needs 0 MiB, 1048576 times"),
    ],
)
def test_what_is_not_supported_is_not_called_a_wrong_password(
    tmp_path: Path, changed: dict[str, Any], says: str
) -> None:
    with pytest.raises(KeystoreError) as caught:
        keystore.load(sealed(tmp_path, **changed), PASSWORD)
    assert says in str(caught.value)
    assert "password" not in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"version": 4}, r"is of version 4 \(EIP-2335\), which holds a validator's BLS key"),
        ({"version": 1}, "is of version 1; version 3 is supported"),
        ({"version": "3"}, "is of version '3'; version 3 is supported"),
        ({"version": True}, "is of version True"),
        ({"Version": 3}, "has a key twice, in small and in capital letters"),
    ],
)
def test_keystores_of_other_versions(stored: Path, changed: dict[str, Any], says: str) -> None:
    stored.write_text(json.dumps(json.loads(stored.read_text()) | changed))
    with pytest.raises(KeystoreError, match=says):
        keystore.load(stored, PASSWORD)


def test_a_keystore_with_two_addresses_is_none(stored: Path) -> None:
    text = stored.read_text()
    stored.write_text(text.replace('{"address"', '{"address": "' + "0" * 40 + '", "address"', 1))
    for read in (keystore.address_of, keystore.require_keystore, lambda path: keystore.load(path, PASSWORD)):
        with pytest.raises(KeystoreError, match="it has the key 'address' twice in one object, at line 1"):
            read(stored)
    # Some wallets write capitals.
    stored.write_text(text.replace('"crypto"', '"Crypto"'))
    assert bytes(keystore.load(stored, PASSWORD).key).hex() == SECRET[2:]


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
