"""Tests of an admin's work, by the command line on a real chain: a feed's model and pause, a committee's reporters."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from oracle.chain.deploy import load_deployment
from oracle.chain.hub import hub_interface
from oracle.chain.local.anvil import Anvil
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
    snapshot = workspace.chain.snapshot()
    file = workspace.folder / "deployment.json"
    before = file.read_bytes()
    yield
    workspace.chain.revert(snapshot)
    file.write_bytes(before)


def feed_command(workspace: Workspace, *arguments: str) -> dict[str, Any]:
    done = workspace.run("feed", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def committee_command(workspace: Workspace, *arguments: str) -> dict[str, Any]:
    done = workspace.run("committee", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def refused(workspace: Workspace, *arguments: str, says: str, code: int = 1, group: str = "feed") -> None:
    done = workspace.run(group, *arguments)
    assert done.returncode == code, done.stderr
    assert re.search(says, done.stderr), done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("error: ")]) == 1 or code == 2


def test_a_model_is_replaced_and_the_change_taken_back(workspace: Workspace) -> None:
    values = feed("one", workspace.recording("one", [100, 101]))
    workspace.configure(values, prover=f"batch_sizes = [1]\n{workspace.own_model()}")
    refused = workspace.run("deploy")
    assert (refused.returncode, "oracle deploy --add-model" in refused.stderr) == (1, True)
    deploying = workspace.run("deploy", "--add-model")
    assert "stays with model 1: model 2 has to be proposed for it" in deploying.stdout + deploying.stderr
    assert feed_command(workspace, "show", "one")["model"] == 1
    # What is demanded and has not come is told, by the command that shows and by the one that is refused.
    terms = ("--min-compared", "3", "--max-disagreements", "1", "--anyway")
    waiting = feed_command(workspace, "propose-model", "one", "2", *terms)["model_activation"]
    missing = "3 more of 3 reports have to be compared, and the feed makes no reports now"
    assert (waiting["is_possible"], waiting["missing"], waiting["expected_at"]) == (False, missing, None)
    assert f"can't be activated: {missing}" in shown(workspace, "feed", "one")
    too_soon = workspace.run("feed", "activate-model", "one")
    assert too_soon.returncode == 1
    assert re.search(rf"ShadowTooShort: .*\. It can't be activated: {missing}", too_soon.stderr)
    feed_command(workspace, "cancel-model", "one")
    proposed = feed_command(workspace, "propose-model", "one", "2")
    assert (proposed["model"], proposed["proposals"]["model"]) == (1, 2)
    assert "can be activated now, until 20" in shown(workspace, "feed", "one")
    again = workspace.run("feed", "propose-model", "one", "2")
    assert again.returncode == 2 and "model 2 is proposed already, and can be activated now" in again.stderr
    active = feed_command(workspace, "activate-model", "one")
    assert (active["model"], active["proposals"]["previous_model"]) == (2, 1)
    assert re.search(r"model +2, before it 1, to which it can be rolled back until 20", shown(workspace, "feed", "one"))
    # The daemon proves with the model that is active now.
    ran = workspace.run("run")
    assert ran.returncode == 0, ran.stderr
    status = json.loads(workspace.run("status", "--json").stdout)
    assert status["feeds"][0]["round_id"] == 2
    assert "the model other accepts" in workspace.run("explain", "one", "2").stdout
    assert feed_command(workspace, "rollback-model", "one")["model"] == 1


def test_what_the_hub_refuses_is_said(workspace: Workspace) -> None:
    refused(
        workspace,
        "propose-model",
        "one",
        "1",
        says="model 1 is not proposed for feed one: model 1 is the feed's active one already",
        code=2,
    )
    refused(
        workspace,
        "propose-model",
        "one",
        "1",
        "--anyway",
        says="InvalidModel: the model is refused for its modelNumber .*the feed has it already",
    )
    refused(workspace, "propose-model", "one", "7", says="the hub has no model 7, but 1: `oracle deploy --add", code=2)
    refused(workspace, "propose-model", "one", "7", "--anyway", says="UnknownModel: the hub has no model number 7")
    refused(workspace, "activate-model", "one", says="NothingProposed")
    refused(workspace, "rollback-model", "one", says="NoPreviousModel")
    refused(workspace, "unpause", "one", says="NothingProposed|NotPaused")
    refused(workspace, "activate-reporters", says="NothingProposed", group="committee")
    refused(workspace, "pause", "two", says="no feed 'two' is deployed; the deployment has: one", code=2)


def shown(workspace: Workspace, *arguments: str) -> str:
    group, *names = arguments
    return workspace.run(group, "show", *names).stdout


def test_what_has_expired_is_said_to_be(workspace: Workspace) -> None:
    """Nobody can forget a proposal, and activate it in a year."""
    feed_command(workspace, "pause", "one")
    feed_command(workspace, "propose-unpause", "one")
    committee_command(workspace, "propose-reporters", *OTHERS, "--quorum", "1")
    workspace.chain.rpc("evm_increaseTime", 31 * 86_400)
    workspace.chain.rpc("evm_mine")
    refused(
        workspace, "unpause", "one", says=r"ProposalExpired: the change could be activated until \d+ .*propose it again"
    )
    expired = r"ProposalExpired: .*\. It can't be activated: it has expired at 20"
    refused(workspace, "activate-reporters", says=expired, group="committee")
    assert "has expired at 20" in shown(workspace, "committee") and "has expired at 20" in shown(
        workspace, "feed", "one"
    )
    feed_command(workspace, "propose-unpause", "one")


def test_reporters_are_replaced(workspace: Workspace) -> None:
    before = committee_command(workspace, "show")
    (mine,) = before["committee"]["reporters"]
    assert (before["name"], before["feeds"]) == ("default", ["one"])
    assert (before["committee"]["number"], before["committee"]["quorum"], before["committee"]["epoch"]) == (1, 1, 1)
    both = (mine, OTHERS[0])
    proposed = committee_command(workspace, "propose-reporters", *both, "--quorum", "1")["committee"]
    assert proposed["reporters"] == [mine] and len(proposed["proposed"]) == 2
    text = shown(workspace, "committee", "--committee", "default")
    assert re.search(r"proposed reporters +1 of 2: .*, can be activated now, until 20", text)
    assert not committee_command(workspace, "cancel-reporters")["committee"]["proposed"]
    committee_command(workspace, "propose-reporters", *both, "--quorum", "1", "--committee", "default")
    active = committee_command(workspace, "activate-reporters")["committee"]
    assert (sorted(map(str.lower, active["reporters"])), active["epoch"]) == (sorted(map(str.lower, both)), 2)
    # The daemon signs for the new epoch.
    ran = workspace.run("run")
    assert ran.returncode == 0, ran.stderr
    [committee] = json.loads(workspace.run("status", "--json").stdout)["committees"]
    assert (committee["epoch"], committee["quorum"], committee["problem"], committee["later"]) == (2, 1, "", "")


def examined(workspace: Workspace) -> dict[str, dict[str, Any]]:
    """Return the doctor's findings by name."""
    found = json.loads(workspace.run("doctor", "--config", "oracle.toml", "--json").stdout)
    return {check["name"]: check for check in found}


def test_who_can_report_and_who_can_pause_is_examined(workspace: Workspace) -> None:
    mine = committee_command(workspace, "show")["committee"]["reporters"][0]
    checks = examined(workspace)
    assert all(checks[name]["ok"] for name in ("hub", "guardian", "committee default")), checks
    assert checks["committee default"]["detail"] == f"{mine} signs; quorum 1 of 1"
    assert "lens 0x" in checks["hub"]["detail"]
    assert (checks["roles"]["ok"], checks["roles"]["where"]) == (True, checks["guardian"]["where"])
    # On a local chain, no weakness is more than a note.
    assert (checks["weak setting"]["ok"], checks["weak setting"]["level"]) == (False, "info")

    committee_command(workspace, "propose-reporters", *OTHERS, "--quorum", "1")
    found = examined(workspace)["committee default"]
    assert (found["ok"], found["level"]) == (False, "warning")
    assert re.search(
        r"a change is proposed, it has passed its delay, .* Then .* not among the committee's",
        found["detail"],
    )
    told = " ".join(workspace.run("status").stdout.split())
    assert "once the proposed reporters are active, [keys] reporter is" in told

    committee_command(workspace, "activate-reporters")
    found = examined(workspace)["committee default"]
    assert (found["ok"], found["level"], found["where"]) == (False, "error", "number 1, epoch 2")
    assert f"[keys] reporter is {mine}, which is not among" in found["detail"]
    assert "Recipe: rotate a key" in found["remedy"]
    refusal = "next report of one: reporter: committee default: [keys] reporter is"
    assert refusal in " ".join(workspace.run("status").stdout.split())


def test_a_guardian_that_is_none_and_a_lens_that_is_another_are_examined(workspace: Workspace) -> None:
    (workspace.folder / "kept").write_text((workspace.folder / "deployment.json").read_text())
    lens = load_deployment(workspace.folder / "deployment.json").lens
    config = (workspace.folder / "oracle.toml").read_text()
    try:
        changed = config.replace("change_delay = 0", f'change_delay = 0\nguardian = "{OTHERS[0]}"')
        (workspace.folder / "oracle.toml").write_text(changed)
        text = (workspace.folder / "kept").read_text()
        (workspace.folder / "deployment.json").write_text(text.replace(lens, OTHERS[1]))
        checks = examined(workspace)
    finally:
        (workspace.folder / "oracle.toml").write_text(config)
        (workspace.folder / "kept").rename(workspace.folder / "deployment.json")
    assert (checks["guardian"]["ok"], checks["guardian"]["level"]) == (False, "warning")
    assert "is not the hub's guardian" in checks["guardian"]["detail"]
    assert not checks["hub"]["ok"] and f"contract {OTHERS[1]}, name" in checks["hub"]["detail"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("0x12", "--quorum", "1"), "REPORTER"),
        ((*OTHERS[:1] * 2, "--quorum", "1"), "'reporters' names an address twice"),
        ((*OTHERS, "--quorum", "3"), "'quorum' is 3, but there are 2 reporters"),
        ((*OTHERS, "--quorum", "2"), "'quorum' is 2, but has to be odd"),
        (
            (*OTHERS, "0x" + "33" * 20, "--quorum", "3"),
            "this process has 1 reporter key for it, the quorum is 3: .* Name all reporters and their URLs in",
        ),
        (
            (OTHERS[0], "--quorum", "1", "--committee", "none"),
            "no committee 'none' is deployed; the deployment has: def",
        ),
    ],
)
def test_wrong_reporters_are_said_before_anything_is_sent(
    workspace: Workspace, arguments: tuple[str, ...], says: str
) -> None:
    block = workspace.chain.rpc("eth_blockNumber")
    refused(workspace, "propose-reporters", *arguments, says=says, code=2, group="committee")
    assert workspace.chain.rpc("eth_blockNumber") == block


@pytest.mark.parametrize(
    ("committees", "says"),
    [
        (
            '[[committees]]\nname = "default"\nreporters = ["{0}", "{1}", "{2}"]\nquorum = 3',
            "1 reporter key for it, the quorum is 3",
        ),
        (
            '[[committees]]\nname = "default"\nreporters = ["{0}", "{1}"]',
            r"\[keys\] reporter is 0x\w{40}, which is not among the committee's reporters",
        ),
    ],
)
@pytest.mark.parametrize("command", ["deploy", "run", "check"])
def test_a_quorum_that_this_process_can_t_reach_is_refused(
    workspace: Workspace, committees: str, says: str, command: str
) -> None:
    """The first by every command, from the configuration; the second where the chain's reporters are compared, too."""
    third = "0x" + "33" * 20
    if "{2}" not in committees:
        committee_command(workspace, "propose-reporters", *OTHERS, "--quorum", "1")
        committee_command(workspace, "activate-reporters")
    one = feed("one", workspace.recording("one", [100, 101]))
    workspace.configure(one, prover="batch_sizes = [1]", more=committees.format(*OTHERS, third))
    done = workspace.run(*{"check": ("config", "check", "--chain")}.get(command, (command,)))
    workspace.configure(one, prover="batch_sizes = [1]")
    assert done.returncode != 0
    assert re.search(says, done.stderr), done.stderr


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


def test_a_change_of_roles_that_would_change_nothing_is_not_sent(workspace: Workspace) -> None:
    """The hub takes such calls without a word, and whoever dismisses the wrong address believes that it is done."""
    block, stranger = workspace.chain.rpc("eth_blockNumber"), "0x" + "11" * 20
    admin = json.loads(workspace.run("role", "show", "--json").stdout)["admin"]
    nobody = "0x" + "00" * 20
    refused(workspace, "dismiss", stranger, says=f"{stranger} is no guardian; the guardians are 0x", group="role")
    refused(workspace, "appoint", admin, says=f"{admin} is a guardian already", group="role")
    for name in ("accept", "cancel"):
        refused(workspace, name, says="the admin's role is offered to nobody", group="role")
    for name in ("appoint", "hand-over"):
        for how in ((), ("--calldata",)):
            refused(workspace, name, nobody, *how, says="nobody has the key of the address 0", code=2, group="role")
    assert workspace.chain.rpc("eth_blockNumber") == block


def test_what_a_multisig_has_to_sign_is_printed_and_nothing_is_sent(workspace: Workspace) -> None:
    block = workspace.chain.rpc("eth_blockNumber")
    shown = feed_command(workspace, "show", "one")
    terms = ("propose-model", "one", "3", "--min-compared", "50", "--max-disagreements", "0", "--calldata")
    refused(workspace, *terms, says="hub has no model 3, .*; no shadow report is made from here, and 50 have", code=2)
    wanted = feed_command(workspace, *terms, "--anyway")
    assert wanted["to"] == shown["hub"]
    name, arguments = hub_interface().decode_call(bytes.fromhex(wanted["data"].removeprefix("0x")))
    assert name == "proposeModel"
    assert [*arguments.values()] == [bytes.fromhex(shown["feed_id"].removeprefix("0x")), 3, 50, 0]
    assert workspace.chain.rpc("eth_blockNumber") == block


def test_a_network_replaces_its_reporters_together(workspace: Workspace) -> None:
    """A quorum of several can be proposed where the members are named, who sign with each other."""
    own = address(workspace)
    members = (own, *(f"0x{number:02x}" + "77" * 19 for number in range(1, 4)))
    tables = "".join(
        f'[[network.members]]\nname = "m{number}"\nreporter = "{each}"\nurl = "http://127.0.0.1:{9471 + number}"\n'
        for number, each in enumerate(members)
    )
    network = f'[[committees]]\nname = "default"\nquorum = 3\n[network]\nlisten = "127.0.0.1:0"\nfaulty = 1\n{tables}'
    source = '{ type = "http", url = "http://127.0.0.1:1", path = "$.p" }'
    workspace.configure(feed("one", source, heartbeat=60), more=network, prover="batch_sizes = [1]")
    not_yet = workspace.run("config", "check", "--chain")
    assert not_yet.returncode != 0 and "with [network] faulty = 1 it has to be at least 3" in not_yet.stderr
    few = workspace.run("committee", "propose-reporters", *members[:3], "--quorum", "3")
    assert few.returncode == 2 and "they are 3: while 1 of them are silent" in few.stderr
    committee_command(workspace, "propose-reporters", *members, "--quorum", "3")
    active = committee_command(workspace, "activate-reporters")["committee"]
    assert (len(active["reporters"]), active["quorum"]) == (4, 3)
    there = workspace.run("config", "check", "--chain")
    assert there.returncode == 0, there.stderr
    status = json.loads(workspace.run("status", "--json").stdout)
    assert status["committees"][0]["problem"] == ""
    checks = {each["name"]: each for each in json.loads(workspace.run("doctor", "--json").stdout)}
    assert checks["network committee"]["detail"] == "its 4 reporters are the members; quorum 3"
    assert checks["member m2"]["detail"].startswith("does not answer: ")


def address(workspace: Workspace) -> str:
    """Return the address of the key that reports."""
    return str(committee_command(workspace, "show")["committee"]["reporters"][0])
