"""Tests of an admin's work on a feed, by the command line on a real chain: the model, the reporters, the pause."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from oracle.chain.hub import hub_interface
from oracle.chain.local.anvil import Anvil
from oracle.detectors.kinds.quadratic import QuadraticModel
from tests.integration.workspace import Workspace, feed

OTHERS = ("0x" + "11" * 20, "0x" + "22" * 20)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, anvil: Callable[..., Anvil]) -> Iterator[Workspace]:
    with Workspace(tmp_path_factory.mktemp("administration"), anvil()) as made:
        made.configure(feed("one", made.recording("one", [100, 101])), prover="batch_sizes = [1]")
        assert made.run("deploy").returncode == 0
        yield made


@pytest.fixture(autouse=True)
def _as_deployed(workspace: Workspace) -> Iterator[None]:
    snapshot = workspace.chain.rpc("evm_snapshot")
    yield
    assert workspace.chain.rpc("evm_revert", snapshot)


def feed_command(workspace: Workspace, *arguments: str) -> dict[str, Any]:
    done = workspace.run("feed", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def refused(workspace: Workspace, *arguments: str, says: str, code: int = 1) -> None:
    done = workspace.run("feed", *arguments)
    assert done.returncode == code, done.stderr
    assert re.search(says, done.stderr), done.stderr
    assert len(done.stderr.splitlines()) == 1 or code == 2


def test_a_model_is_replaced_and_the_change_taken_back(workspace: Workspace) -> None:
    default = QuadraticModel.default()
    other = replace(default, name="other", floor=default.floor * 2)
    (workspace.folder / "other.json").write_text(other.to_json())
    values = feed("one", workspace.recording("one", [100, 101]))
    workspace.configure(values, prover='batch_sizes = [1]\nmodel = "other.json"')
    refused = workspace.run("deploy")
    assert (refused.returncode, "oracle deploy --add-model" in refused.stderr) == (1, True)
    deploying = workspace.run("deploy", "--add-model")
    assert "stays with model 1: model 2 has to be proposed for it" in deploying.stdout + deploying.stderr
    assert feed_command(workspace, "show", "one")["model"] == 1
    proposed = feed_command(workspace, "propose-model", "one", "2")
    assert (proposed["model"], proposed["proposals"]["model"]) == (1, 2)
    assert "can be activated now" in workspace.run("feed", "show", "one").stdout
    active = feed_command(workspace, "activate-model", "one")
    assert (active["model"], active["proposals"]["previous_model"]) == (2, 1)
    # The daemon proves with the model that is active now.
    ran = workspace.run("run")
    assert ran.returncode == 0, ran.stderr
    status = json.loads(workspace.run("status", "--json").stdout)
    assert status["feeds"][0]["round_id"] == 2
    assert "the model other accepts" in workspace.run("explain", "one", "2").stdout
    assert feed_command(workspace, "rollback-model", "one")["model"] == 1


def test_what_the_hub_refuses_is_said(workspace: Workspace) -> None:
    refused(workspace, "propose-model", "one", "1", says="InvalidModel: the model's modelNumber is not valid")
    refused(workspace, "propose-model", "one", "7", says="UnknownModel: the hub has no model number 7")
    refused(workspace, "activate-model", "one", says="NothingProposed")
    refused(workspace, "rollback-model", "one", says="NoPreviousModel")
    refused(workspace, "unpause", "one", says="NothingProposed|NotPaused")
    refused(workspace, "pause", "two", says="no feed 'two' is deployed; the deployment has: one", code=2)


def test_reporters_are_replaced(workspace: Workspace) -> None:
    mine = feed_command(workspace, "show", "one")["reporters"][0]
    both = (mine, OTHERS[0])
    proposed = feed_command(workspace, "propose-reporters", "one", *both, "--quorum", "2")
    assert proposed["reporters"] == [mine] and len(proposed["proposals"]["reporters"]) == 2
    assert not feed_command(workspace, "cancel-reporters", "one")["proposals"]["reporters"]
    feed_command(workspace, "propose-reporters", "one", *both, "--quorum", "2")
    active = feed_command(workspace, "activate-reporters", "one")
    assert (sorted(map(str.lower, active["reporters"])), active["quorum"]) == (sorted(map(str.lower, both)), 2)


def test_wrong_reporters_are_said_before_anything_is_sent(workspace: Workspace) -> None:
    block = workspace.chain.rpc("eth_blockNumber")
    refused(workspace, "propose-reporters", "one", "0x12", "--quorum", "1", says="REPORTER", code=2)
    refused(workspace, "propose-reporters", "one", *OTHERS[:1] * 2, "--quorum", "1", says="named twice", code=2)
    refused(workspace, "propose-reporters", "one", *OTHERS, "--quorum", "3", says="a quorum of 3 of 2", code=2)
    assert workspace.chain.rpc("eth_blockNumber") == block


def test_a_feed_is_paused_and_goes_on(workspace: Workspace) -> None:
    assert feed_command(workspace, "pause", "one")["paused"]
    assert feed_command(workspace, "propose-unpause", "one")["proposals"]["unpause_from"]
    assert not feed_command(workspace, "unpause", "one")["paused"]


def test_another_key_has_no_say(workspace: Workspace) -> None:
    (workspace.folder / "password").write_text("a password\n")
    (workspace.folder / "password").chmod(0o600)
    made = workspace.run("key", "create", "stranger.json", "--password-file", "password")
    workspace.chain.rpc("anvil_setBalance", made.stdout.strip(), hex(10**18))
    key = ("--keystore", "stranger.json", "--password-file", "password")
    refused(workspace, "pause", "one", *key, says=rf"{made.stdout.strip()} does not have the role .*--calldata")
    assert not feed_command(workspace, "show", "one")["paused"]


def test_what_a_multisig_has_to_sign_is_printed_and_nothing_is_sent(workspace: Workspace) -> None:
    block = workspace.chain.rpc("eth_blockNumber")
    shown = feed_command(workspace, "show", "one")
    wanted = feed_command(workspace, "propose-model", "one", "3", "--min-compared", "50", "--calldata")
    assert wanted["to"] == shown["hub"]
    name, arguments = hub_interface().decode_call(bytes.fromhex(wanted["data"].removeprefix("0x")))
    assert name == "proposeModel"
    assert [*arguments.values()] == [bytes.fromhex(shown["feed_id"].removeprefix("0x")), 3, 50, 0]
    assert workspace.chain.rpc("eth_blockNumber") == block
