"""Tests of the doctor's findings: no check raises, and each failure says what to do."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from oracle.app import doctor
from oracle.app.checks import Check, failures
from oracle.app.doctor import SrsInUse, examine
from oracle.chain.local import toolchain
from oracle.core import http
from oracle.core.errors import ArtifactError, ToolMissing
from tests.fakehttp import FakeSession, Reply


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_ezkl", lambda: Check("ezkl", ok=True, version="23.0.5"))


def by_name(checks: list[Check]) -> dict[str, Check]:
    found = {check.name: check for check in checks}
    assert len(found) == len(checks), "names are what a reader refers to"
    return found


def answers(monkeypatch: pytest.MonkeyPatch, *replies: Reply | Exception) -> None:
    """Let the chain answer with these, one after the other."""
    left = list(replies)
    monkeypatch.setattr(http, "open_session", lambda: FakeSession(lambda body: left.pop(0)))


def as_json(found: Any) -> Reply:
    return Reply(body=json.dumps(found).encode())


def test_everything_is_looked_at(tmp_path: Path) -> None:
    names = list(by_name(examine(build_dir=tmp_path)))
    version = toolchain.contracts_solc_version()
    assert names == [
        "python",
        "node",
        "anvil",
        "forge",
        "cast",
        "solc 0.8.20 (verifiers)",
        f"solc {version} (contracts)",
        "ezkl",
        "packaged model",
        "SRS",
        "build folder",
        "disk space",
        "chain",
    ]


def test_failures_are_those_that_matter() -> None:
    checks = [
        Check("a", ok=True),
        Check("b", ok=False),
        Check("c", ok=False, level="warning"),
        Check("d", ok=False, level="info"),
    ]
    assert [check.name for check in failures(checks)] == ["b"]


def test_a_missing_tool_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> toolchain.Tool:
        raise ToolMissing(f"{name} 1.7.1 is missing: run `make setup` in the project")

    monkeypatch.setattr(toolchain, "foundry", missing)
    check = by_name(examine(build_dir=tmp_path))["anvil"]
    assert not check.ok
    assert check.level == "error"
    assert check.detail == "anvil 1.7.1 is missing"
    assert "make setup" in check.remedy


def test_an_installed_package_reports_without_developers_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str, **_: object) -> toolchain.Tool:
        raise ToolMissing(f"{name} is missing: run `oracle toolchain install`")

    for finder in ("foundry", "solc", "find_project_root"):
        monkeypatch.setattr(toolchain, finder, missing if finder != "find_project_root" else lambda: None)
    checks = by_name(examine(build_dir=tmp_path))
    levels = {name: check.level for name, check in checks.items() if not check.ok and "missing" in check.detail}
    assert levels == {
        "anvil": "info",
        "forge": "info",
        "cast": "info",
        "solc 0.8.20 (verifiers)": "error",
        f"solc {toolchain.CONTRACTS_SOLC} (contracts)": "info",
    }


def test_each_srs_is_shown_with_its_origin(tmp_path: Path) -> None:
    in_use = [SrsInUse(10, tmp_path / "k10", public=True), SrsInUse(11, tmp_path / "k11", public=False)]
    checks = by_name(examine(build_dir=tmp_path, srs_in_use=lambda: in_use))
    assert checks["SRS 2^10"].ok
    assert checks["SRS 2^10"].detail == "public ceremony"
    assert not checks["SRS 2^11"].ok
    assert checks["SRS 2^11"].level == "warning"  # a warning is right for a local chain
    assert "insecure" in checks["SRS 2^11"].detail


def test_a_broken_srs_cache_is_a_finding(tmp_path: Path) -> None:
    def broken() -> list[SrsInUse]:
        raise ArtifactError("k10.srs: its hash differs")

    check = by_name(examine(build_dir=tmp_path, srs_in_use=broken))["SRS"]
    assert not check.ok
    assert "its hash differs" in check.detail


def test_a_build_folder_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    check = by_name(examine(build_dir=tmp_path / "file" / "build"))["build folder"]
    assert not check.ok
    assert check.remedy


def test_little_disk_space_is_a_warning_then_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type(shutil.disk_usage(tmp_path))
    for free, level in ((800 * 2**20, "warning"), (2**20, "error")):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: usage(2**40, 0, free))
        check = by_name(examine(build_dir=tmp_path))["disk space"]
        assert (check.ok, check.level) == (False, level)


def test_a_chain_that_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, as_json({"result": "0x7a69"}), as_json({"result": "anvil/v1.7.1"}))
    check = by_name(examine(build_dir=tmp_path, rpc_urls=["http://127.0.0.1:8545"], chain_id=31337))["chain"]
    assert check.ok
    assert check.version == "anvil/v1.7.1"
    assert check.detail == "chain id 31337"
    assert check.where == "http://127.0.0.1:8545"


@pytest.mark.parametrize(
    ("reply", "detail"),
    [
        (ConnectionRefusedError(111, "s3cret"), "does not answer: Connection refused"),
        (aiohttp.ServerDisconnectedError("s3cret"), "does not answer: the server closed the connection"),
        (TimeoutError(), "does not answer: no answer in time"),
        (Reply(500), "does not answer: HTTP 500"),
        (Reply(302), "does not answer: HTTP 302"),
        (Reply(body=b"<html>"), "not as an Ethereum"),
        (Reply(body=b" " * (2 << 20)), "not as an Ethereum"),
        (as_json([]), "not as an Ethereum"),
        (as_json({"error": {"message": "no"}}), "not as an Ethereum"),
        (as_json({"result": None}), "not as an Ethereum"),
    ],
)
def test_a_chain_that_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reply: Reply | Exception, detail: str
) -> None:
    answers(monkeypatch, reply)
    check = by_name(examine(build_dir=tmp_path, rpc_urls=["https://rpc.example/v3/s3cret"]))["chain"]
    assert not check.ok
    assert detail in check.detail
    assert check.remedy
    assert "s3cret" not in f"{check}"


def test_another_chain_than_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, as_json({"result": "0x1"}), as_json({"result": "geth"}))
    check = by_name(examine(build_dir=tmp_path, rpc_urls=["http://node"], chain_id=31337))["chain"]
    assert not check.ok
    assert check.detail == "serves chain 1, the configuration says 31337"


def test_a_url_that_is_none(tmp_path: Path) -> None:
    assert not by_name(examine(build_dir=tmp_path, rpc_urls=["http://[::1"]))["chain"].ok


def test_an_ezkl_that_crashes_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()

    def crash(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, -4, "", "")

    monkeypatch.setattr(subprocess, "run", crash)
    check = doctor._ezkl()
    assert not check.ok
    assert check.detail == "can't be imported: code -4"


def test_a_machine_that_only_signs_needs_no_programs(tmp_path: Path) -> None:
    names = list(by_name(examine(build_dir=tmp_path, proves=False)))
    assert names == ["python", "build folder", "disk space", "chain"]
