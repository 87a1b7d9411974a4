"""Signing keys: encrypted keystores (Web3 Secret Storage, scrypt), and a local chain's well-known keys.

No key and no password appears in a message, a log or an exception; errors of the libraries, which may quote their
input, are not kept as causes.
"""

from __future__ import annotations

import getpass
import json
import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oracle.chain.local.anvil import WELL_KNOWN_MNEMONIC, derive_accounts
from oracle.chain.rpc import Rpc
from oracle.core.accounts import account_class
from oracle.core.documents import AmbiguousJson, NotJson, parse_json
from oracle.core.errors import InsecureSetup, KeystoreError, ToolMissing
from oracle.core.formats import checksum_address, from_hex, one_line

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

_MAX_BYTES = 64 * 1024
"""The largest keystore, which has about 500 bytes: a larger file was given by mistake."""

_CIPHER = "aes-128-ctr"
_PRFS = ("hmac-sha256", "hmac-sha384", "hmac-sha512")
"""Ways to encrypt a keystore that can be read. eth_keyfile does not look at the cipher's name."""

_MAX_SCRYPT_BYTES = 2 << 30
_MAX_SCRYPT_LANES = 16
_MAX_ITERATIONS = 20_000_000
"""The most work to make a key of a password: wallets ask for 256 MiB, or for a million iterations."""


def create(path: Path, password: str, *, iterations: int | None = None) -> str:
    """Make a new key and write it, encrypted, to a new file that only its owner can read.

    Args:
        iterations: scrypt's cost, a power of two; default: eth-account's, which takes about a second.

    Returns:
        The key's address.

    Raises:
        KeystoreError: The file exists (it is never overwritten), can't be written, or the password is empty.
    """
    return _store(path, account_class().create(), password, iterations)


def import_key(path: Path, secret: str, password: str, *, iterations: int | None = None) -> str:
    """Encrypt a private key, given in hex, to a new file. Returns and raises as `create` does."""
    return _store(path, _account(secret), password, iterations)


def load(path: Path, password: str) -> LocalAccount:
    """Decrypt a key.

    Raises:
        KeystoreError: The file is missing or no keystore, or the password is wrong.
    """
    found = _read(path)
    _refuse_open(path, "keystore")
    try:
        made = _check_supported(path, found)
        key = bytes(account_class().decrypt(found, password))
    except ValueError as error:
        if "MAC" in str(error):
            raise KeystoreError(
                f"keystore {path}: wrong password, or the file is not as it was made (it says {made})"
            ) from None
        raise _no_keystore(path) from None
    except (KeyError, TypeError, AttributeError, NotImplementedError):
        raise _no_keystore(path) from None
    account: LocalAccount = account_class().from_key(key)
    if "address" in found and str(account.address).lower() != _address(path, found).lower():
        raise KeystoreError(
            f"keystore {path}: its key is of {account.address}, but it says {_address(path, found)}: tampered with"
        )
    return account


def require_keystore(path: Path) -> None:
    """Check that a file is there and is a keystore; this needs no password. Raises: KeystoreError."""
    _read(path)


def address_of(path: Path) -> str:
    """Return the address that a keystore names; this needs no password. Raises: KeystoreError."""
    return _address(path, _read(path))


def password_from_file(path: Path) -> str:
    """Return the password in a file: its first line.

    Raises:
        KeystoreError: The file is missing, empty, or not text.
    """
    try:
        _refuse_open(path, "password file")
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise KeystoreError(f"password file {path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise KeystoreError(f"password file {path}: can't be read: {_why(error)}") from None
    if not lines or not lines[0]:
        raise KeystoreError(f"password file {path}: its first line is empty; write the password there")
    return lines[0]


def password_from_env(name: str, env: Mapping[str, str]) -> str:
    """Return the password in an environment variable. Raises: KeystoreError if it is not set, or empty."""
    if not env.get(name):
        raise KeystoreError(f"environment variable {name} holds no password; set it, or use a password file")
    return env[name]


def password_from_keyring(service: str, address: str) -> str:
    """Return the password in the system's credential store.

    Args:
        service: The name of the service under which it was stored.
        address: The key's address, which is the user name there.

    Raises:
        KeystoreError: There is no store, it is locked, or it has no such password.
        ToolMissing: The `keyring` extra is not installed.
    """
    try:
        import keyring  # an extra
        import keyring.errors
    except ImportError:
        raise ToolMissing("the credential store needs: pip install 'verifiable-oracle[keyring]'") from None
    try:
        found = keyring.get_password(service, address)
    except keyring.errors.KeyringError as error:
        raise KeystoreError(f"the credential store can't be read: {type(error).__name__}") from None
    if not found:
        raise KeystoreError(
            f"the credential store has no password of {service!r} for {address}: `keyring set {service} {address}`"
        )
    return str(found)


def password_from_prompt(path: Path) -> str:
    """Ask for the password. Raises: KeystoreError if there is no terminal to ask on, or none is given."""
    if not sys.stdin.isatty():
        raise KeystoreError(f"keystore {path}: there is no terminal to ask for its password; use a password file")
    password = getpass.getpass(f"Password of {path}: ")
    if not password:
        raise KeystoreError(f"keystore {path}: no password was given")
    return password


def secret_from_file(path: Path) -> str:
    """Return the private key in a file: its first line. Raises: KeystoreError."""
    try:
        _refuse_open(path, "key file")
        with path.open(encoding="utf-8") as file:
            return file.readline(200).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise KeystoreError(f"key file {path}: can't be read: {_why(error)}") from None


def change_password(path: Path, old: str, new: str, *, iterations: int | None = None) -> str:
    """Encrypt a keystore anew, and return its address. A crash leaves the old or the new one. Raises as `load`."""
    account = load(path, old)
    if not new:
        raise KeystoreError(f"keystore {path}: the new password is empty")
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    address = _store(temporary, account, new, iterations)
    try:
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise KeystoreError(f"keystore {path}: can't be replaced: {_why(error)}") from None
    return address


@dataclass(frozen=True, slots=True)
class Found:
    """A keystore in a folder.

    Attributes:
        problem: The reason why it can't be used; empty if it can.
    """

    path: Path
    address: str
    problem: str


def find(folder: Path) -> list[Found]:
    """Return the keystores in a folder, by name, and skip other files. Raises: KeystoreError if it is not a folder."""
    try:
        files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    except OSError as error:
        raise KeystoreError(f"folder {folder}: can't be read: {_why(error)}") from None
    found = []
    for path in files:
        try:
            address = address_of(path)
        except KeystoreError:
            continue
        found.append(Found(path, address, open_to_others(path) or ""))
    return found


def open_to_others(path: Path) -> str | None:
    """Return the reason why others can read a secret's file; None if they can't. Raises: OSError."""
    if os.name != "posix":
        return None
    mode = stat.S_IMODE(path.stat().st_mode)
    return f"{path}: can be read by others (mode {mode:04o}): chmod 600 {path}" if mode & 0o077 else None


async def local_chain_key(index: int, rpc: Rpc) -> LocalAccount:
    """Return one of Anvil's well-known keys. Everyone has them, so this works on a local chain only.

    Args:
        index: 0 to 99, in the order of the well-known mnemonic's accounts.

    Raises:
        InsecureSetup: The endpoint does not serve a local chain.
    """
    if not await rpc.is_local():
        raise InsecureSetup(
            f"anvil_account = {index}: Anvil's keys are known to everyone and are for local chains only, but "
            f"{rpc.name} serves chain {await rpc.chain_id()} by {await rpc.client_version()}: use a keystore "
            "(`oracle key create`)"
        )
    return _account(derive_accounts(WELL_KNOWN_MNEMONIC, index + 1)[index].key)


# --- details -------------------------------------------------------------------------------------------------------


def _account(secret: str) -> LocalAccount:
    try:
        key = from_hex(secret.strip())
        if len(key) != 32:
            raise ValueError
        account: LocalAccount = account_class().from_key(key)
    except Exception:  # eth_keys has errors of its own, which quote the key
        raise KeystoreError("that is not a private key: it is 64 hexadecimal digits, with or without 0x") from None
    return account


def _store(path: Path, account: LocalAccount, password: str, iterations: int | None) -> str:
    if not password:
        raise KeystoreError(f"keystore {path}: the password is empty")
    if path.exists():
        raise _exists(path)  # said before the slow part, and again by O_EXCL below
    text = json.dumps(account.encrypt(password, kdf="scrypt", iterations=iterations))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise KeystoreError(f"keystore {path}: can't be written: {_why(error)}") from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise KeystoreError(f"keystore {path}: can't be written: {_why(error)}") from None
    return str(account.address)


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise KeystoreError(f"keystore {path}: no such file; make one with `oracle key create {path}`") from None
    except OSError as error:
        raise KeystoreError(f"keystore {path}: can't be read: {_why(error)}") from None
    try:
        found = _lower(parse_json(raw)) if len(raw) <= _MAX_BYTES else None
    except AmbiguousJson as error:
        raise KeystoreError(f"keystore {path}: can't be read: {error}") from None
    except NotJson:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("crypto"), dict):
        raise _no_keystore(path)
    return found


def _lower(found: Any) -> Any:
    """Return JSON with its keys in lower case, as some wallets write "Crypto". Raises AmbiguousJson."""
    if not isinstance(found, dict):
        return found
    lower = {key.lower(): _lower(value) for key, value in found.items()}
    if len(lower) != len(found):
        raise AmbiguousJson("it has a key twice, in small and in capital letters")
    return lower


def _check_supported(path: Path, found: dict[str, Any]) -> str:
    """Return the words for how a keystore is encrypted; its name of a hash gets its usual form.

    Raises:
        KeystoreError: It can't be decrypted here, whatever the password.
        KeyError, TypeError, ValueError, AttributeError: It is no keystore.
    """
    version, crypto = found["version"], found["crypto"]
    if version == 4 and isinstance(version, int):
        raise KeystoreError(f"keystore {path}: is of version 4 (EIP-2335), which holds a validator's BLS key")
    if version != 3 or not isinstance(version, int):
        raise KeystoreError(f"keystore {path}: is of version {_told(version)}; version 3 is supported")
    kdf, cipher, params = crypto["kdf"], crypto["cipher"], crypto["kdfparams"]
    if cipher != _CIPHER:
        raise KeystoreError(f"keystore {path}: its cipher {_told(cipher)} is not supported; {_CIPHER} is")
    if kdf == "scrypt":
        n, r, p = (_whole(params[name]) for name in ("n", "r", "p"))
        if 128 * n * r > _MAX_SCRYPT_BYTES or p > _MAX_SCRYPT_LANES:
            raise KeystoreError(
                f"keystore {path}: its scrypt needs {128 * n * r >> 20:,} MiB, {p} times; at most "
                f"{_MAX_SCRYPT_BYTES >> 20:,} MiB, {_MAX_SCRYPT_LANES} times, are supported"
            )
        return "scrypt"
    if kdf == "pbkdf2":
        prf = str(params["prf"]).lower()
        if prf not in _PRFS:
            raise KeystoreError(
                f"keystore {path}: its PRF {_told(params['prf'])} is not supported; {', '.join(_PRFS)} are"
            )
        if _whole(params["c"]) > _MAX_ITERATIONS:
            raise KeystoreError(
                f"keystore {path}: its {params['c']:,} iterations are not supported; {_MAX_ITERATIONS:,} are"
            )
        params["prf"] = prf
        return f"pbkdf2 with {prf}"
    raise KeystoreError(f"keystore {path}: its KDF {_told(kdf)} is not supported; scrypt and pbkdf2 are")


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError
    return value


def _told(value: Any) -> str:
    return repr(one_line(value, 40)) if isinstance(value, str) else one_line(str(value), 40)


def _address(path: Path, found: Mapping[str, Any]) -> str:
    address = found.get("address")
    try:
        # Keystores have it without 0x, in lower case.
        return checksum_address(f"0x{str(address).removeprefix('0x').lower()}")
    except ValueError:
        raise KeystoreError(f"keystore {path}: it does not say its address") from None


def _refuse_open(path: Path, what: str) -> None:
    problem = open_to_others(path)
    if problem is not None:
        raise KeystoreError(f"{what} {problem}")


def _no_keystore(path: Path) -> KeystoreError:
    return KeystoreError(f"keystore {path}: is not an encrypted keystore (Web3 Secret Storage JSON, version 3)")


def _exists(path: Path) -> KeystoreError:
    return KeystoreError(f"keystore {path}: exists, and a key is never overwritten; choose another path")


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
