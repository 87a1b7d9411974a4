"""Tests of the command `oracle audit`: what its options ask for, and how it ends. The audit itself is replaced."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from oracle.app import audit as audited
from oracle.audit.choice import Choice, Span
from oracle.audit.progress import AuditStep
from oracle.audit.report import AuditProblem, AuditReport, ProblemKind
from oracle.cli.audit import audit_command
from oracle.cli.render import progress

HUB = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
OK = AuditReport(HUB, 1, 9, "0x09", 1_700_000_000, (), ())


class Asked:
    """Takes the place of `oracle.app.audit.audit`."""

    def __init__(self) -> None:
        self.options: dict[str, Any] = {}
        self.report = OK
        self.error: BaseException | None = None

    async def __call__(self, hub: str, **options: Any) -> AuditReport:
        self.options = {"hub": hub, **options}
        options["progress"](AuditStep.HISTORY, 1, 2)
        if self.error is not None:
            raise self.error
        return self.report


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Asked:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path)
    made = Asked()
    monkeypatch.setattr(audited, "audit", made)
    return made


def run(*options: str) -> Result:
    return CliRunner().invoke(audit_command, [HUB, "--rpc", "http://a", "--artifacts", "here", *options])


def test_what_is_asked_for_by_default(asked: Asked) -> None:
    result = run()
    assert (result.exit_code, result.stderr) == (0, "")
    asked.options.pop("progress")
    assert asked.options == {
        "hub": HUB,
        "rpc_urls": ("http://a",),
        "artifacts": Path("here"),
        "block": "latest",
        "from_block": None,
        "choice": Choice(),
        "state": None,
        "jobs": None,
        "readings": None,
    }


def test_what_is_asked_for_by_options(asked: Asked) -> None:
    chosen = ("--feed", "a", "--feed", "b", "--round", "7", "--rounds", "9-", "--blocks", "1-5")
    times = ("--since", "2023-11-14", "--until", "2023-11-14T22:13:20Z")
    rest = ("--rpc", "http://b", "--block", "finalized", "--from-block", "3", "--state", "kept", "--jobs", "4")
    assert run(*chosen, *times, *rest).exit_code == 0
    assert asked.options["choice"] == Choice(
        ("a", "b"), (Span(7, 7), Span(9, None)), Span(1, 5), 1_699_920_000, 1_700_000_000
    )
    found = {name: asked.options[name] for name in ("rpc_urls", "block", "from_block", "state", "jobs")}
    assert found == {
        "rpc_urls": ("http://a", "http://b"),
        "block": "finalized",
        "from_block": 3,
        "state": Path("kept"),
        "jobs": 4,
    }


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--rounds", "x"), "--rounds: 'x' is not a number (7) or a range"),
        (("--blocks", "5-3"), "--blocks: '5-3' ends before it begins"),
        (("--since", "yesterday"), "'yesterday' is no day (2026-11-30) and no time (2026-11-30T12:00:00Z)"),
        (("--until", "2026-13-45"), "'2026-13-45' is no day"),
        (("--since", "2026-12-01", "--until", "2026-11-01"), "--since is not before --until"),
        (("--block", "pending"), "'pending' is not a block: give its number, or latest, safe, finalized"),
        (("--block", "-1"), "is not a block"),
        (("--jobs", "0"), "is not in the range"),
        (("--from", "http://a"), "--from needs --readings"),
    ],
)
def test_what_is_refused(asked: Asked, options: tuple[str, ...], says: str) -> None:
    result = run(*options)
    assert result.exit_code == 2
    assert says in " ".join(result.stderr.split())
    assert not asked.options


def test_what_is_wrong_is_an_exit_code(asked: Asked) -> None:
    asked.report = AuditReport(HUB, 1, 9, "0x09", 1, (), (AuditProblem(ProblemKind.CODE, "other code"),))
    result = run()
    assert result.exit_code == 1
    assert "NOT OK" in result.stdout


@pytest.mark.parametrize("state", [True, False])
def test_an_interrupt_says_how_to_go_on(asked: Asked, state: bool) -> None:
    asked.error = KeyboardInterrupt()
    result = run(*(("--state", "kept") if state else ()))
    assert result.exit_code != 0
    assert ("the same command with --state kept goes on from here" in result.stderr) is state
    assert result.stdout == ""


def test_progress_is_not_mixed_with_the_report(asked: Asked) -> None:
    result = run("--json")
    assert result.stderr == ""
    assert result.stdout.startswith("{") and '"ok": true' in result.stdout


@pytest.mark.parametrize("quiet", [False, True])
def test_progress_at_a_terminal(monkeypatch: pytest.MonkeyPatch, quiet: bool) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(progress, "Console", lambda stderr: Console(file=shown, force_terminal=True, width=80))
    with progress.audit_progress(quiet=quiet) as show:
        show(AuditStep.HISTORY, 5, 5)
        show(AuditStep.PROOFS, 3, 10)
    assert ("history" in shown.getvalue() and "3/10" in shown.getvalue()) is not quiet
