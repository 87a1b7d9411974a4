"""Tests of the command line as a process: a user's mistake gives one line and an exit code, and writes nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from oracle.chain.local.anvil import Anvil
from oracle.chain.local.ports import reserved_port
from tests.integration.workspace import Workspace, eventually, feed


@pytest.fixture(scope="module")
def chain(anvil: Callable[..., Anvil]) -> Anvil:
    return anvil()


@pytest.fixture
def workspace(tmp_path: Path, chain: Anvil) -> Workspace:
    return Workspace(tmp_path, chain)


def refused(workspace: Workspace, *arguments: str, code: int, says: str) -> None:
    """Assert that the command ends with one matching line and this exit code, and adds no file and no block."""
    before = visible(workspace.folder)
    block = workspace.chain.rpc("eth_blockNumber")
    done = workspace.run(*arguments)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert done.returncode == code, done.stderr
    assert len(lines) == 1 and lines[0].startswith("error: "), done.stderr
    assert re.search(says, lines[0]), lines[0]
    assert "Traceback" not in done.stderr
    assert visible(workspace.folder) == before
    assert workspace.chain.rpc("eth_blockNumber") == block


def visible(folder: Path) -> set[str]:
    """Return the files in a folder, except locks, which begin with a dot."""
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def test_a_missing_configuration(workspace: Workspace) -> None:
    refused(workspace, "run", code=2, says=r"oracle\.toml: no such file; `oracle init FOLDER` writes one")


def test_an_unknown_key(workspace: Workspace) -> None:
    path = workspace.configure(feed("one", workspace.recording("one", [1, 2])))
    path.write_text(path.read_text().replace("heartbeat =", "heartbeet ="))
    refused(workspace, "deploy", code=2, says=r"feeds\[0\]\.heartbeet: unknown key; did you mean 'heartbeat'\?")


def test_a_model_that_is_not_there(workspace: Workspace) -> None:
    path = workspace.configure(feed("one", workspace.recording("one", [1, 2])))
    path.write_text(path.read_text().replace("[prover]", '[prover]\nmodel = "none.json"'))
    refused(workspace, "config", "check", code=2, says=r"none\.json: no such model file; `oracle detector train`")
    (path.parent / "none.json").write_text("time,value")
    refused(workspace, "config", "check", code=2, says=r"none\.json can.t be read: it is not JSON")


def test_a_bad_address(workspace: Workspace) -> None:
    committee = '[[committees]]\nname = "default"\nreporters = ["0x1234"]'
    workspace.configure(feed("one", workspace.recording("one", [1, 2])), more=committee)
    refused(workspace, "deploy", code=2, says=r"reporters.*'0x1234' is not an address")


def test_an_unreachable_endpoint(workspace: Workspace) -> None:
    """The command reports it before it builds a circuit, which takes a minute."""
    workspace.configure(
        feed("one", workspace.recording("one", [1, 2])),
        rpc_url=f"http://user:secret@127.0.0.1:{reserved_port()}/key",
        artifacts="not-built-yet",
    )
    refused(workspace, "deploy", code=75, says=r"http://127\.0\.0\.1:\d+(?!.*(secret|key))")


def test_a_wrong_chain(workspace: Workspace) -> None:
    workspace.configure(feed("one", workspace.recording("one", [1, 2])), chain_id=1)
    refused(workspace, "deploy", code=1, says=r"31337.*\b1\b|\b1\b.*31337")
    told = workspace.run("config", "check")
    assert told.returncode == 2 and told.stderr.startswith("error: oracle.toml: 3 problems:")
    for key in ("[prover] srs:", "[keys] reporter:", "[keys] submitter:"):
        assert f"{key} " in told.stderr and "for a local chain only" in told.stderr


def test_an_output_that_takes_no_more(workspace: Workspace) -> None:
    program = [sys.executable, "-c", "from oracle.cli import main; main()", "packaging", "alerts.yml"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(program, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "error: the output can't be written: No space left on device\n")


def test_what_is_not_deployed_is_told_once(workspace: Workspace) -> None:
    workspace.configure(feed("one", workspace.recording("one", [1, 2])))
    noted, asked = workspace.run("config", "check"), workspace.run("config", "check", "--chain")
    assert noted.returncode == 0 and "note: nothing is deployed yet" in noted.stderr
    assert asked.returncode == 1 and asked.stderr.count("deployment.json") == 1, asked.stderr


def test_an_interrupt_while_the_commands_are_loading() -> None:
    interrupted = """
import builtins, oracle.__main__ as command
really = builtins.__import__
def load(name, *args):
    if name == "oracle.cli.top":
        raise KeyboardInterrupt
    return really(name, *args)
builtins.__import__ = load
command.main()
"""
    done = subprocess.run([sys.executable, "-c", interrupted], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


def test_a_missing_keystore_and_a_wrong_password(workspace: Workspace) -> None:
    (workspace.folder / "password").write_text("wrong\n")
    (workspace.folder / "password").chmod(0o600)
    key = '{ keystore = "key.json", password_file = "password" }'
    workspace.configure(feed("one", workspace.recording("one", [1, 2])), submitter=key)
    refused(workspace, "deploy", code=2, says=r"key\.json: no such file; make one with `oracle key create")
    (workspace.folder / "right").write_text("right\n")
    (workspace.folder / "right").chmod(0o600)
    made = workspace.run("key", "create", "key.json", "--password-file", "right")
    assert made.returncode == 0 and re.fullmatch(r"0x[0-9a-fA-F]{40}\n", made.stdout), made.stderr
    assert workspace.run("key", "show-address", "key.json").stdout == made.stdout
    refused(workspace, "deploy", code=2, says=r"key\.json: wrong password")
    refused(workspace, "config", "check", code=2, says=r"\[keys\] submitter: keystore .*key\.json: wrong password")


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("1000,100\n1060,nan", r"one\.csv:3: column 'value': 'nan' is not a plain decimal number"),
        ("1000,100\n1060,many", r"one\.csv:3: column 'value': 'many' is not a plain decimal number"),
        ("1000,100\n1060,", r"one\.csv:3: column 'value': is empty"),
        ("1000,100\n\n1060,101", r"one\.csv:3: the line is empty"),
        ("1000,100\n1000,101", r"one\.csv:3: column 'time': '1000' repeats"),
        ("1000,100\n900,101\n1100,102", r"one\.csv:3: column 'time': '900' is before"),
    ],
)
def test_a_recording_with_a_mistake_stops_the_run_before_it_begins(workspace: Workspace, rows: str, says: str) -> None:
    workspace.configure(feed("one", workspace.recording("one", [1, 2])))
    (workspace.folder / "one.csv").write_text(f"time,value\n{rows}\n")
    refused(workspace, "run", code=2, says=says)


def test_running_before_deploying(workspace: Workspace) -> None:
    workspace.configure(feed("one", workspace.recording("one", [1, 2])))
    refused(workspace, "run", code=1, says=r"there is no deployment file; make one with `oracle deploy`")


def test_an_audit_of_nothing(workspace: Workspace) -> None:
    rpc = workspace.chain.rpc_url
    where = ("--rpc", rpc, "--artifacts", str(workspace.folder))
    refused(workspace, "audit", "0x" + "11" * 20, *where, code=1, says="there is no contract at")
    refused(workspace, "audit", "0x1234", *where, code=2, says="HUB.*is not an address")


def test_a_demonstration_that_can_not_be(workspace: Workspace) -> None:
    refused(workspace, "demo", "--start", "soon", code=2, says="'soon' is not a date")
    refused(workspace, "demo", "--ticks", "100000", code=2, says="recorded days from .* fewer than --ticks")


def test_the_doctor_finds_everything_here(workspace: Workspace) -> None:
    done = workspace.run("doctor", "--json")
    assert done.returncode == 0, done.stdout
    names = {check["name"] for check in json.loads(done.stdout)}
    assert {"python", "anvil", "forge", "ezkl"} <= names


def test_the_doctor_says_what_will_not_work(workspace: Workspace) -> None:
    workspace.configure(feed("one", workspace.recording("one", [1, 2])), rpc_url=f"http://127.0.0.1:{reserved_port()}")
    done = workspace.run("doctor", "--config", "oracle.toml")
    assert done.returncode == 1
    assert "chain" in done.stdout


def test_the_srs_in_use_is_told_to_be_insecure(workspace: Workspace) -> None:
    """The command lists the cache of the configuration and marks a local SRS as insecure."""
    workspace.configure(feed("one", workspace.recording("one", [1, 2])))
    assert workspace.run("deploy").returncode == 0
    listed = json.loads(workspace.run("srs", "list", "--json").stdout)
    assert {entry["origin"] for entry in listed} == {"insecure-local"}
    found = [check for check in json.loads(workspace.run("doctor", "--json").stdout) if check["name"].startswith("SRS")]
    assert found and not any(check["ok"] for check in found)
    assert all(check["level"] == "warning" for check in found)
    (workspace.folder / "other.srs").write_bytes(b"not a string of the ceremony")
    refused(workspace, "srs", "import", "other.srs", code=2, says="is not the public ceremony's SRS")


def test_the_chain_command_runs_a_chain_until_it_is_asked_to_stop(workspace: Workspace) -> None:
    new = "0x00000000000000000000000000000000000000AA"
    running = workspace.start_interpreter("chain", "up", "--port", "0", "--fund", f"{new}=7")
    said = re.compile(r"chain 31337 at (http://127\.0\.0\.1:\d+), process (\d+)")
    eventually(lambda: said.search(workspace.log()) is not None, "the chain's address")
    found = said.search(workspace.log())
    assert found is not None
    question = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}).encode()
    request = urllib.request.Request(found[1], question, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert json.load(answer)["result"] == hex(31337)
    assert workspace.log().startswith("no anvil.toml here: the usual chain, which is forgotten when it stops\n")
    eventually(lambda: f"{new} has 7 ether" in workspace.log(), "the ether")
    done = workspace.run("chain", "fund", new, "0.25", "--rpc-url", found[1])
    assert done.stdout == f"{new} has 7.25 ether\n", done.stderr
    running.send_signal(signal.SIGTERM)
    assert running.wait(60) == 0
    assert workspace.log().endswith("stopped\n")
    with pytest.raises(ProcessLookupError):
        os.kill(int(found[2]), 0)


def test_a_configuration_is_checked_without_anything_running(workspace: Workspace) -> None:
    workspace.configure(feed("one", workspace.recording("one", [1, 2])))
    done = workspace.run("config", "check")
    assert done.returncode == 0
    checked, model = done.stdout.splitlines()
    assert checked == "oracle.toml: 1 feed(s), no errors"
    assert model.startswith("model: the packaged one, public, publishes scores: the model ships with the package")
