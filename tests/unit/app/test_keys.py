"""Tests of `oracle key`, of the checks of keys and of rotation; no secret reaches logs, errors, repr or the journal."""

from __future__ import annotations

import io
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest
import structlog
from eth_account import Account

from oracle.app import doctor
from oracle.app.keys import known_address, open_key
from oracle.chain.hub import Committee
from oracle.chain.keys import keystore, rotation
from oracle.chain.keys.signer import LocalKey, ReporterKey
from oracle.cli.options import unlock
from oracle.config import Config, KeyConfig, load
from oracle.core.errors import DataError, KeystoreError
from oracle.core.report import Report, SignedReport
from oracle.core.stages import Decided, Observed, Scored
from oracle.feeds.journal import Journal
from tests.unit.config.texts import MINIMAL, address, networked

SECRET = "0x" + "ab" * 31 + "01"
PASSWORD = "correct-horse-battery"
HUB = "0x5FbDB2315678afecb367f032d93F642f64180aa3"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with passwords and a private key, in which commands run. Its scrypt is the cheapest."""
    for name, text in (("password", PASSWORD), ("other", "another"), ("secret", SECRET)):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(text + "\n")
    monkeypatch.chdir(tmp_path)
    store = keystore._store
    monkeypatch.setattr(keystore, "_store", lambda path, account, password, _: store(path, account, password, 2))
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    from oracle.cli import main

    monkeypatch.setattr(sys, "argv", ["oracle", *arguments])
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    code = ended.value.code
    assert isinstance(code, int)
    assert SECRET[2:] not in out + err and PASSWORD not in out + err
    return code, out, err


def test_the_life_of_a_keystore(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def oracle(*arguments: str) -> tuple[int, str, str]:
        return run(monkeypatch, capsys, "key", *arguments)

    address = Account.from_key(SECRET).address
    code, out, err = oracle("import", "keys/a.json", "--key-file", "secret", "--password-file", "password")
    assert (code, out.strip()) == (0, address) and "still has the key in plain text" in err
    code, made, _ = oracle("create", "keys/b.json", "--password-file", "password")
    assert code == 0
    assert oracle("show-address", "keys/b.json")[1] == made
    assert oracle("list", "keys")[1] == f"{address}  keys/a.json\n{made.strip()}  keys/b.json\n"
    arguments = ("change-password", "keys/a.json", "--new-password-file", "other", "--password-file")
    assert oracle(*arguments, "password")[0] == 0
    code, _, err = oracle(*arguments, "password")
    assert code == 2 and "wrong password" in err
    assert keystore.load(place / "keys/a.json", "another").address == address
    (place / "secret").chmod(0o640)
    code, _, err = oracle("import", "keys/c.json", "--key-file", "secret", "--password-file", "password")
    assert code == 2 and "chmod 600" in err
    # The key is never an argument.
    code, _, err = oracle("import", "keys/c.json", "0x" + "cd" * 32)
    assert code == 2 and "unexpected extra argument" in err


def configured(tmp_path: Path, keys: str, chain_id: int = 1) -> Config:
    path = tmp_path / "oracle.toml"
    text = MINIMAL.replace("reporter = { anvil_account = 1 }", keys).replace(
        "chain_id = 31337", f"chain_id = {chain_id}"
    )
    assert keys in text and f"chain_id = {chain_id}" in text
    path.write_text(text)
    return load(path, {})


KEYSTORE = '{} = {{ keystore = "{}.json", password_file = "password" }}'
REMOTE = 'reporter = { remote = "https://s", address = "0x5FbDB2315678afecb367f032d93F642f64180aa3" }'


def test_one_key_for_everything_is_warned_of_on_a_live_chain(place: Path) -> None:
    for name in ("a", "b"):
        keystore.create(place / f"{name}.json", PASSWORD)
    one = KEYSTORE.format("reporter", "a")
    [check] = doctor._keys_apart(configured(place, one))
    assert (check.ok, check.level) == (False, "warning") and "submitter and the deployer" in check.detail
    assert doctor._keys_apart(configured(place, one, chain_id=31337)) == []
    for keys in (one + "\n" + KEYSTORE.format("submitter", "b"), REMOTE + "\n" + KEYSTORE.format("submitter", "b")):
        assert [check.ok for check in doctor._keys_apart(configured(place, keys))] == [True]
    (place / "a.json").chmod(0o644)
    [check] = doctor._keys_apart(configured(place, one))
    assert (check.ok, check.level) == (False, "error") and "chmod 600" in check.detail


async def test_every_way_to_a_password(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = keystore.create(place / "a.json", PASSWORD)
    monkeypatch.setattr("keyring.get_password", lambda service, user: PASSWORD if user == address else None)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda prompt: PASSWORD)
    env = {"WORD": PASSWORD, "FILE": str(place / "password")}
    ways = ('password_file = "password"', 'password_env = "WORD"', 'password_env_file = "FILE"')
    for way in (*ways, 'password_keyring = "oracle"', "password_prompt = true"):
        config = configured(place, f'reporter = {{ keystore = "a.json", {way} }}')
        rpc: Any = None
        assert (await open_key(config.keys.reporter, rpc, env)).address == address
    rpc = None
    assert (await open_key(configured(place, REMOTE).keys.reporter, rpc, {})).address == HUB


class FakeHub:
    """The part of a hub that `rotation` reads."""

    address = HUB

    def __init__(self, reporters: tuple[str, ...], proposed: tuple[str, ...] = ()) -> None:
        self._reporters = reporters
        self._proposed = proposed

    async def read(self, function: str, *arguments: Any) -> Any:
        return {"changeDelay": 3_600, "defaultAdmin": "0xAdmin"}[function]

    async def committee(self, number: int) -> Committee:
        if not self._proposed:
            return Committee(number, self._reporters, 3, 1)
        return Committee(number, self._reporters, 3, 1, self._proposed, 3, 1_700_000_000)


async def test_rotation_says_what_the_admin_has_to_do() -> None:
    old, new, third = (Account.from_key(bytes([number]) * 32).address for number in (1, 2, 3))
    committees = {"default": 1}
    first = await rotation.steps(FakeHub((third, old)), committees, old, new)
    command = f"`oracle committee propose-reporters {third} {new} --quorum 3 --committee default`"
    assert f"3600 s later: {command}" in first[0]
    assert first[1].startswith(f"keep {old}")
    second = await rotation.steps(FakeHub((third, old), (third, new)), committees, old, new)
    assert "from 2023-11-14T22:13:20Z on, and until 2023-12-14T22:13:20Z, 0xAdmin activates" in second[0]
    assert second[0].endswith("`oracle committee activate-reporters --committee default`")
    last = await rotation.steps(FakeHub((third, new)), committees, old, new)
    assert last[0].endswith(f"done, {new} reports") and "the old one can go" in last[1]
    with pytest.raises(DataError, match="is not a reporter of default"):
        await rotation.steps(FakeHub((third,)), committees, old, new)


async def test_in_a_network_both_keys_have_a_node_until_the_new_one_is_active() -> None:
    old, new, third = (Account.from_key(bytes([number]) * 32).address for number in (1, 2, 3))
    committees = {"default": 1}
    begun = "\n".join(await rotation.steps(FakeHub((third, old)), committees, old, new, (third, old)))
    assert f"name {new} in [[network.members]]" in begun and f"'until' of {old}" in begun
    assert "run a second node with the new key" in begun and "Stop the daemon" not in begun
    listed = (third, old, new)
    proposed = "\n".join(await rotation.steps(FakeHub((third, old), (third, new)), committees, old, new, listed))
    assert "in the files of all members" not in proposed and "run a second node" in proposed
    done = "\n".join(await rotation.steps(FakeHub((third, new)), committees, old, new, listed))
    assert f"stop the node of {old}" in done and "run a second node" not in done


async def test_no_secret_is_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It appears neither in the objects that hold it, nor in their errors, nor in what they write."""
    structlog.configure()
    path = place / "a.json"
    keystore.import_key(path, SECRET, PASSWORD)
    account = keystore.load(path, PASSWORD)
    key, reporter = LocalKey(account), ReporterKey(account, 1, HUB)
    told = [repr(key), str(key), repr(reporter), repr(vars(reporter)), repr(keystore.find(place))]
    for attempt in (
        lambda: keystore.load(path, PASSWORD + "x"),
        lambda: keystore.import_key(place / "b.json", SECRET + "zz", PASSWORD),
        lambda: keystore.import_key(path, SECRET, PASSWORD),
        lambda: keystore.change_password(path, PASSWORD, ""),
    ):
        with pytest.raises(KeystoreError) as caught:
            attempt()
        told.append("".join(traceback.format_exception(caught.value)).replace(SECRET + "zz", SECRET))
        structlog.get_logger().error("failed", error=caught.value)
    config = configured(place, 'reporter = { keystore = "a.json", password_env = "WORD" }')
    told.append(repr(config) + config.model_dump_json())
    report = Report(1, 1, 9, (b"\1" * 32,), (1,))
    signed = SignedReport(report, (await reporter.sign_report(report, (5,)),))
    decided = Decided(1, (Observed("eth", b"\1" * 32, 5, 9),))
    with Journal(place / "journal.sqlite") as journal:
        journal.record(decided)
        journal.record(Scored(decided, signed, 1, ((1,),), ((1,),)))
        told.append(repr(journal.unfinished()))
    written = b"".join((place / f"journal.sqlite{suffix}").read_bytes() for suffix in ("", ".lock"))
    out, err = capsys.readouterr()
    told += [out, err, written.decode("latin-1"), written.hex(), path.read_text()]
    secret = SECRET[2:]
    for text in told:
        assert secret not in text.lower() and PASSWORD not in text
        assert repr(bytes.fromhex(secret)) not in text


def test_a_prompt_without_a_terminal_says_what_to_give_instead(place: Path) -> None:
    """A service or a script has nobody to ask; this is not an interruption."""
    command = [sys.executable, "-c", "from oracle.cli import main; main()", "key", "import", "new.json"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    said = "error: there is no input to answer the prompt: name a file, such as --password-file"
    assert done.stderr.splitlines()[-1] == said
    assert "Traceback" not in done.stderr and not (place / "new.json").exists()


def test_nobody_is_asked_for_the_password_of_no_keystore(place: Path) -> None:
    """The mistake is told before somebody types a password."""
    with pytest.raises(KeystoreError, match="no such file"):
        unlock(place / "none.json", None)


def test_a_member_that_only_signs_pays_with_no_key(tmp_path: Path) -> None:
    text = networked(own='roles = ["reporter"]').replace("chain_id = 31337", "chain_id = 1")
    key = f'{{ remote = "https://signer.example", address = "{address(1)}" }}'
    (tmp_path / "oracle.toml").write_text(text.replace("{ anvil_account = 1 }", key))
    config = load(tmp_path / "oracle.toml", {})
    [check] = doctor._keys_apart(config, only_signs=True)
    assert check.ok and check.detail == "it only signs"
    [check] = doctor._keys_apart(config)
    assert check.level == "warning"


def test_an_address_is_known_from_files_if_they_tell_it(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    made = keystore.create(path, "password", iterations=2)
    password = tmp_path / "password"
    assert known_address(KeyConfig(keystore=path, password_file=password)) == made
    assert known_address(KeyConfig(keystore=tmp_path / "none.json", password_file=password)) is None
    assert known_address(KeyConfig(remote="https://signer.example", address=address(1))) == address(1)
    assert known_address(KeyConfig(anvil_account=1)) is None
