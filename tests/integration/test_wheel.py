"""The package as a user has it who installs the wheel: in a fresh environment, outside any clone.

The demonstration is played there, too: see test_demo.py.
"""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from oracle.chain.local import npm, toolchain
from oracle.config import load
from oracle.core.errors import ToolMissing
from tests import circuits, wheel
from tests.wheel import User


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> User:
    """Return a user who has done `oracle toolchain install`."""
    return User(tmp_path_factory.mktemp("user"), has_tools=True)


def test_the_wheel_has_the_package_and_nothing_of_the_clone() -> None:
    names = zipfile.ZipFile(wheel.built_wheel()).namelist()
    assert {name.partition("/")[0] for name in names} == {"oracle", "verifiable_oracle-0.2.0.dist-info"}
    pins = [name for name in names if "/pins/" in name]
    assert sorted(Path(name).name for name in pins) == ["package-lock.json", "requirements-node.lock"]


def test_the_programs_were_installed_and_are_found(user: User) -> None:
    told = (wheel.caches() / "told").read_text()
    for part in ("anvil 1.7.1: installing …", "solc-0.8.20: is at ", "anvil, cast, forge: in ", "export PATH="):
        assert part in told, told
    listed = json.loads(user.run("toolchain", "list", "--json").stdout)
    found = {each["name"]: each for each in listed["tools"]}
    assert {name: each["origin"] for name, each in found.items()} == {
        "node": "PATH",
        **dict.fromkeys(("anvil", "cast", "solc-0.8.20", "forge", "solc-0.8.30"), "cache"),
    }
    assert all(each["version"] == each["pinned"] for name, each in found.items() if name != "node")
    cast = subprocess.run([Path(listed["bin"], "cast"), "--version"], capture_output=True, text=True, check=True)
    assert toolchain.FOUNDRY_VERSION in cast.stdout


def test_a_package_that_is_not_the_pinned_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry gives another file than the one whose hash is in the lock."""
    for name, value in User(tmp_path / "user").env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{tmp_path}/user/system")
    wheel.caches()  # so that npm has it
    lock = {path: dict(entry) for path, entry in npm.pinned_packages().items()}
    lock["node_modules/js-sha3"]["integrity"] = lock["node_modules/semver"]["integrity"]
    folder = tmp_path / "tool"
    folder.mkdir()
    with pytest.raises(ToolMissing, match=r"EINTEGRITY .*checksum failed"):
        npm.install_package(["npm"], f"solc-{toolchain.VERIFIER_SOLC}", folder, lock)
    assert not (folder / "node_modules" / "js-sha3").exists()


@pytest.mark.parametrize("command", ["chain up", "model build model.onnx --data rows.npy"])
def test_a_missing_program_is_told_before_the_work(tmp_path: Path, command: str) -> None:
    user = User(tmp_path)
    (user.folder / "model.onnx").touch()
    (user.folder / "rows.npy").touch()
    done = user.run(*command.split(), check=False)
    assert done.returncode == 2, done.stdout + done.stderr
    assert re.search(r"error: .*(anvil 1\.7\.1|solc.0\.8\.20).* missing: run `oracle toolchain install`", done.stderr)
    assert {path.name for path in user.folder.iterdir()} == {"model.onnx", "rows.npy"}


def test_the_demonstration_of_claims_outside_any_clone(user: User) -> None:
    done = user.run("claim", "demo", "--folder", str(circuits.folder()), timeout=280)
    assert done.stdout.count("  verified\n") == 2 and done.stdout.count("  refused: ") == 2


def test_init_asks_in_a_terminal(user: User) -> None:
    """It makes the folder from the answers."""
    main, terminal = pty.openpty()
    process = subprocess.Popen(
        [user.oracle, "init"],
        cwd=user.folder,
        env={**user.env, "TERM": "dumb", "COLUMNS": "200"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    said = b""
    answers = iter(
        [
            (b"Folder to make [oracle]: ", b"mine\n"),
            (b"Recording of your feed", b"none.csv\n"),
            (b"none.csv: there is no such file", b"\n"),
            (b"Packaged series", b"\n"),
            (b"Endpoint of the chain", b"http://127.0.0.1:1\n"),
            (b"Keys: new ones", b"anvil\n"),
        ]
    )
    waiting: tuple[bytes, bytes] | None = next(answers)
    while True:
        try:
            said += os.read(main, 4096)
        except OSError:  # the terminal's end
            break
        if waiting is not None and waiting[0] in said:
            os.write(main, waiting[1])
            said = said.partition(waiting[0])[2]
            waiting = next(answers, None)
    os.close(main)
    assert process.wait(30) == 0, said
    assert waiting is None
    config = load(user.folder / "mine" / "oracle.toml", {})
    assert config.chain.endpoints == ("http://127.0.0.1:1",)
    assert b"oracle chain up     # in another terminal" in said
