"""The daemon as a process: stopped, killed and started again, on a real chain with real proofs."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from oracle.chain.anvil import Anvil
from oracle.chain.contracts import Hub, RoundAccepted
from oracle.chain.deploy import load_deployment
from oracle.chain.rpc import Rpc
from oracle.journal import Journal
from oracle.types import Outcome
from tests.integration.workspace import DEADLINE_S, Workspace, eventually, feed


@pytest.fixture
def workspace(tmp_path: Path, anvil: Callable[..., Anvil]) -> Workspace:
    return Workspace(tmp_path, anvil())


def deployed(workspace: Workspace) -> None:
    done = workspace.run("deploy")
    assert done.returncode == 0, done.stderr


def assert_chain_agrees(workspace: Workspace) -> int:
    """Every observation of the journal that ended on the chain is there exactly once, and nothing else is."""
    deployment = load_deployment(workspace.folder / "deployment.json")

    async def events() -> list[tuple[bytes, int, Outcome, int]]:
        async with Rpc(workspace.chain.rpc_url) as rpc:
            found = await Hub(rpc, deployment.hub).logs(deployment.block, await rpc.block_number())
        return [
            (
                event.feed_id,
                event.observed_at,
                Outcome.ACCEPTED if isinstance(event, RoundAccepted) else Outcome.HELD,
                event.answer,
            )
            for event in found
        ]

    on_chain = asyncio.run(events())
    with Journal(workspace.folder / "journal.db", read_only=True) as journal:
        entries = [(entry.feed_id, entry.observed_at, entry.outcome, entry.answer) for entry in journal.confirmed()]
        assert journal.counts()["open"] == 0
    assert sorted(on_chain) == sorted(entries)  # type: ignore[type-var]
    assert len(set(on_chain)) == len(on_chain)
    return len(on_chain)


def test_a_daemon_runs_a_recording_to_its_end_and_holds_the_fault_in_it(workspace: Workspace) -> None:
    values: list[object] = [100, 100.4, 100.1, 1000, 100.2, 100.3]
    workspace.configure(feed("eth", workspace.recording("eth", values)))
    deployed(workspace)
    daemon = workspace.start("run")
    assert daemon.wait(DEADLINE_S) == 0, workspace.log()
    assert assert_chain_agrees(workspace) == len(values)
    counts = workspace.counts()
    assert (counts["accepted"], counts["held"], counts["failed"]) == (5, 1, 0)
    status = workspace.run("status", "--json")
    assert '"answer": "100.30000000"' in status.stdout, status.stderr


def test_a_daemon_stops_cleanly_and_another_goes_on_after_a_kill(workspace: Workspace) -> None:
    walk = [100 + (index % 7) * 0.3 for index in range(600)]
    workspace.configure(*(feed(name, workspace.recording(name, walk)) for name in ("one", "two")))
    deployed(workspace)

    daemon = workspace.start("run")
    eventually(lambda: workspace.counts().get("accepted", 0) >= 3, "three rounds")
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(30) == 0, workspace.log()
    assert '"event": "stopped"' in workspace.log()
    before = assert_chain_agrees(workspace)

    daemon = workspace.start("run")
    eventually(lambda: workspace.counts().get("accepted", 0) >= before + 2, "rounds after the restart")
    daemon.kill()
    daemon.wait(30)

    daemon = workspace.start("run")
    killed_at = workspace.counts()["accepted"]
    eventually(lambda: workspace.counts().get("accepted", 0) >= killed_at + 2, "rounds after the kill")
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(30) == 0, workspace.log()
    assert_chain_agrees(workspace)
    assert "Traceback" not in workspace.log()


def test_a_feed_whose_source_talks_rubbish_does_not_hinder_the_others(
    workspace: Workspace, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/html").respond_with_data("<html>busy</html>", content_type="text/html")
    httpserver.expect_request("/price").respond_with_json({"price": 25.5})
    sources = {
        name: f'{{ type = "http", url = "{httpserver.url_for(f"/{name}")}", path = "$.price" }}'
        for name in ("html", "price")
    }
    workspace.configure(feed("bad", sources["html"]), feed("good", sources["price"]))
    deployed(workspace)
    daemon = workspace.start("run")
    eventually(lambda: workspace.counts().get("accepted", 0) >= 2, "two rounds of the good feed")
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(30) == 0
    assert "answered HTML or XML instead of JSON" in workspace.log()
    with Journal(workspace.folder / "journal.db", read_only=True) as journal:
        assert {entry.feed for entry in journal.rows()} == {"good"}
    assert_chain_agrees(workspace)


def test_two_daemons_do_not_share_a_journal(workspace: Workspace) -> None:
    workspace.configure(feed("one", workspace.recording("one", [100 + index * 0.1 for index in range(300)])))
    deployed(workspace)
    first = workspace.start("run")
    try:
        eventually(lambda: workspace.counts().get("accepted", 0) >= 1, "a round")
        second = workspace.run("run")
        assert second.returncode == 1
        assert second.stderr.strip().splitlines()[-1].startswith("error: ")
        assert "in use" in second.stderr
    finally:
        first.send_signal(signal.SIGTERM)
        assert first.wait(30) == 0


def test_deploying_again_changes_nothing(workspace: Workspace) -> None:
    workspace.configure(feed("one", workspace.recording("one", [100, 101])))
    deployed(workspace)
    before = (workspace.folder / "deployment.json").read_text()
    block = workspace.chain.rpc("eth_blockNumber")
    deployed(workspace)
    assert (workspace.folder / "deployment.json").read_text() == before
    assert workspace.chain.rpc("eth_blockNumber") == block


def test_a_public_model_and_a_reporter_from_a_keystore(workspace: Workspace) -> None:
    (workspace.folder / "password").write_text("correct horse\n")
    (workspace.folder / "password").chmod(0o600)
    made = workspace.run("keys", "new", "reporter.json", "--password-file", "password")
    assert made.returncode == 0, made.stderr
    workspace.configure(
        feed("one", workspace.recording("one", [100, 100.2, 100.1])),
        reporter='{ keystore = "reporter.json", password_file = "password" }',
    )
    done = workspace.run("deploy", "--public-model")
    assert done.returncode == 0, done.stderr
    daemon = workspace.start("run")
    assert daemon.wait(DEADLINE_S) == 0, workspace.log()
    assert assert_chain_agrees(workspace) == 3
    deployment = load_deployment(workspace.folder / "deployment.json")
    assert {model.model_hash for model in deployment.models.values()} == {0}, "a public model's key is its identity"

    async def reporters() -> tuple[str, ...]:
        async with Rpc(workspace.chain.rpc_url) as rpc:
            return await Hub(rpc, deployment.hub).reporters(deployment.feeds["one"].feed_id)

    assert asyncio.run(reporters()) == (made.stdout.strip(),)
    assert "correct horse" not in workspace.log()


def test_what_a_first_run_prints_is_readable(workspace: Workspace) -> None:
    workspace.configure(feed("one", workspace.recording("one", [100, 101])))
    done: subprocess.CompletedProcess[str] = workspace.run("deploy")
    assert "hub on chain" in done.stdout
    audit = workspace.run(
        "audit", load_deployment(workspace.folder / "deployment.json").hub,
        "--rpc", workspace.chain.rpc_url, "--artifacts", str(workspace.folder),
    )  # fmt: skip
    assert audit.returncode == 1
    assert "no artifact here is of model 1" in audit.stdout
