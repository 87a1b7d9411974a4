"""Test of docs/administration.md as it is written: a multisig, a real timelock, and the drill, on a real chain.

The multisig is an account that the chain lets act without a key: the calls that it makes are those that the commands
print, and no others.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from oracle.chain.abi.interface import Interface
from oracle.chain.keys import keystore
from oracle.chain.local import contracts
from oracle.chain.local.anvil import Anvil
from oracle.chain.local.solc import compile_standard, standard_input
from tests.integration.test_operations import boxes
from tests.integration.workspace import Workspace, feed
from tests.transactions import mined

MULTISIG, EXECUTOR, NEXT_GUARDIAN = ("0x" + digits * 20 for digits in ("a1", "b2", "c3"))
DELAY = 600
TIMELOCK = "@openzeppelin/contracts/governance/TimelockController.sol"


class Administrator:
    """A person who follows the guide: the shell's variables, and the calls that a command printed."""

    def __init__(self, workspace: Workspace, document: str) -> None:
        self.workspace = workspace
        self.chain = workspace.chain
        self.boxes = list(boxes(document))
        self.variables: dict[str, str] = {}
        self.printed: list[dict[str, str]] = []

    def follow(self, section: str) -> str:
        """Run the next box, which is in this section; return what its last command printed."""
        found, lines = self.boxes.pop(0)
        assert found == section
        self.printed = []
        told = ""
        for line in lines:
            for name, value in self.variables.items():
                line = line.replace(f"${name}", value)
            words = shlex.split(line)[1:]
            prints = bool({"--calldata", "--timelock"} & set(words))
            done = self.workspace.run(*words, *(["--json"] if prints else []))
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
            told = done.stdout
            if prints:
                calls = json.loads(told)
                self.printed += calls if isinstance(calls, list) else [calls]
        return told

    def make(self, call: dict[str, str], sender: str) -> bool:
        """Make a printed call, from an account without a key. Return True if it succeeded."""
        receipt = mined(self.chain.rpc, {"from": sender, "to": call["to"], "data": call["data"], "gas": hex(3_000_000)})
        return bool(int(receipt["status"], 16))

    def pass_time(self, seconds: int) -> None:
        self.chain.rpc("evm_increaseTime", seconds)
        self.chain.rpc("evm_mine")

    def roles(self) -> dict[str, Any]:
        return dict(json.loads(self.workspace.run("role", "show", "--json").stdout))

    def paused(self) -> list[bool]:
        names = ("eth-usd", "btc-usd")
        return [json.loads(self.workspace.run("feed", "show", each, "--json").stdout)["paused"] for each in names]


@pytest.fixture(scope="module")
def administrator(
    tmp_path_factory: pytest.TempPathFactory, anvil: Callable[..., Anvil], project_root: Path
) -> Iterator[Administrator]:
    with Workspace(tmp_path_factory.mktemp("administrator"), anvil()) as workspace:
        path = workspace.configure(
            feed("eth-usd", workspace.recording("one", [100, 101])),
            feed("btc-usd", workspace.recording("two", [100, 101])),
            prover="batch_sizes = [1]",
        )
        path.write_text(path.read_text().replace("change_delay = 0", f"change_delay = {DELAY}"))
        assert workspace.run("deploy").returncode == 0
        for each in (MULTISIG, EXECUTOR):
            workspace.chain.rpc("anvil_impersonateAccount", each)
            workspace.chain.rpc("anvil_setBalance", each, hex(10**20))
        password = workspace.folder / "keystore" / "password"
        password.parent.mkdir(mode=0o700)
        password.write_text("a password of many words\n")
        password.chmod(0o600)
        made = workspace.run("key", "create", "keystore/guardian.json", "--password-file", "keystore/password")
        assert made.returncode == 0, made.stderr
        workspace.chain.rpc("anvil_setBalance", guardian_of(workspace), hex(10**19))
        yield Administrator(workspace, (project_root / "docs" / "administration.md").read_text())


@pytest.fixture(autouse=True)
def _as_deployed(administrator: Administrator) -> Iterator[None]:
    snapshot = administrator.chain.snapshot()
    yield
    administrator.chain.revert(snapshot)


def guardian_of(workspace: Workspace) -> str:
    return keystore.address_of(workspace.folder / "keystore" / "guardian.json")


def deployed_timelock(chain: Anvil, root: Path) -> str:
    """Deploy OpenZeppelin's timelock: the multisig proposes, another account executes, nobody administers it."""
    sources = contracts.with_imports(root, [f"node_modules/{TIMELOCK}"], [])
    built = compile_standard(standard_input(sources), "0.8.30")["contracts"]
    (contract,) = (names["TimelockController"] for names in built.values() if "TimelockController" in names)
    arguments = Interface(contract["abi"]).encode_constructor(DELAY, [MULTISIG], [EXECUTOR], "0x" + "00" * 20)
    data = "0x" + contract["evm"]["bytecode"]["object"] + arguments.hex()
    return str(mined(chain.rpc, {"from": EXECUTOR, "data": data, "gas": hex(10**7)})["contractAddress"])


def test_the_guide(administrator: Administrator, project_root: Path) -> None:
    person, workspace = administrator, administrator.workspace
    guardian = guardian_of(workspace)
    timelock = deployed_timelock(person.chain, project_root)
    checksummed = {"MULTISIG": MULTISIG, "GUARDIAN": guardian, "TIMELOCK": timelock, "NEXT_GUARDIAN": NEXT_GUARDIAN}
    person.variables = dict(sorted(checksummed.items(), key=lambda each: -len(each[0])))
    deployer = person.roles()["admin"]

    # --- from the deployer to a multisig ---
    section = "From the deployer to a multisig"
    told = person.follow(section)
    assert re.search(rf"next admin +{MULTISIG}, which may accept from 20", told, re.IGNORECASE)
    person.follow(section)
    (accept,) = person.printed
    assert not person.make(accept, MULTISIG)  # too early
    person.pass_time(DELAY + 1)
    assert not person.make(accept, EXECUTOR) and person.make(accept, MULTISIG)
    found = person.roles()
    assert (found["admin"].lower(), found["guardians"], found["next_admin"]) == (MULTISIG, [], None)
    refused = workspace.run("role", "appoint", deployer)
    assert refused.returncode == 1 and "--keystore and --calldata" in refused.stderr
    person.follow(section)
    assert person.make(person.printed[0], MULTISIG)
    assert person.roles()["guardians"] == [guardian]

    # --- through a timelock ---
    section = "Through a timelock"
    person.follow(section)
    offer, schedule, execute = person.printed
    assert person.make(offer, MULTISIG)
    assert not person.make(schedule, EXECUTOR) and person.make(schedule, MULTISIG)
    assert not person.make(execute, EXECUTOR)
    person.pass_time(DELAY + 1)
    assert not person.make(execute, MULTISIG) and person.make(execute, EXECUTOR)
    assert person.roles()["admin"].lower() == timelock.lower()
    person.follow(section)
    schedule, execute = person.printed
    assert person.make(schedule, MULTISIG)
    assert not person.make(execute, EXECUTOR)
    person.pass_time(DELAY + 1)
    assert person.make(execute, EXECUTOR)
    assert {each.lower() for each in person.roles()["guardians"]} == {guardian.lower(), NEXT_GUARDIAN}

    # --- the drill: the guardian is not behind the timelock ---
    section = "Drill: pausing"
    before = int(person.chain.rpc("eth_blockNumber"), 16)
    told = person.follow(section)
    assert told.count("paused") >= 2 and person.paused() == [True, True]
    assert int(person.chain.rpc("eth_blockNumber"), 16) - before == 2  # a block for each: this chain mines each at once
    person.follow(section)
    propose = person.printed
    assert [each["what"] for each in propose] == ["proposeUnpause(btc-usd)", "proposeUnpause(eth-usd)"]
    assert not person.make(propose[0], MULTISIG)  # the timelock is the admin
    person.chain.rpc("anvil_impersonateAccount", timelock)
    person.chain.rpc("anvil_setBalance", timelock, hex(10**19))
    assert all(person.make(each, timelock) for each in propose)
    assert person.paused() == [True, True]
    refused = workspace.run("feed", "unpause", "--all")
    assert refused.returncode == 1 and refused.stderr.startswith("error: 2 of 2 calls failed:\n  unpause(")
    person.pass_time(DELAY + 1)
    told = person.follow(section)
    assert all(person.make(each, timelock) for each in person.printed)
    assert person.paused() == [False, False]
    assert not person.boxes


def test_one_feed_that_fails_does_not_stop_the_others(administrator: Administrator) -> None:
    person, workspace = administrator, administrator.workspace
    assert workspace.run("role", "appoint", guardian_of(workspace)).returncode == 0
    guardian = ("--keystore", "keystore/guardian.json", "--password-file", "keystore/password")
    paused = workspace.run("feed", "pause", "btc-usd", "eth-usd", "btc-usd", *guardian, "--json")
    assert paused.returncode == 0, paused.stderr
    assert [(each["name"], each["paused"]) for each in json.loads(paused.stdout)] == [
        ("btc-usd", True),
        ("eth-usd", True),
    ]
    # The guardian is made admin by force, so that one key can make all calls. One of two feeds has a proposal.
    admin = person.roles()["admin"]
    key = guardian_of(workspace)
    for sender, line in ((admin, f"role hand-over {key}"), (key, "role accept"), (key, "feed propose-unpause btc-usd")):
        call = json.loads(workspace.run(*line.split(), "--calldata", "--json").stdout)
        for action in ("anvil_impersonateAccount", "anvil_setBalance"):
            workspace.chain.rpc(action, sender, *([hex(10**19)] if action.endswith("Balance") else []))
        assert person.make(call, sender), line
        person.pass_time(DELAY + 1)
    half = workspace.run("feed", "unpause", "--all", *guardian)
    assert half.returncode == 1 and half.stderr.count("\n") == 2
    assert "unpause(btc-usd): block" in half.stderr and "error: unpause(eth-usd): NothingProposed" in half.stderr
    assert person.paused() == [True, False]


def test_mistakes_of_a_person_in_a_hurry(administrator: Administrator) -> None:
    workspace = administrator.workspace
    hub = json.loads((workspace.folder / "deployment.json").read_text())["deployment"]["hub"]
    for arguments, says in (
        (["pause", "btc-usd", "nonsense"], "no feed 'nonsense' is deployed; the deployment has: btc-usd, eth-usd"),
        (["pause"], "name feeds, or --all of the deployment"),
        (["pause", "eth-usd", "--all"], "name feeds, or --all of the deployment"),
        (["pause", "eth-usd", "--timelock", hub], "is no timelock: it does not tell its delay"),
        (["pause", "eth-usd", "--timelock", "0x12"], "--timelock"),
        (["pause", "eth-usd", "--timelock", hub, "--calldata"], "leave --calldata out"),
    ):
        done = workspace.run("feed", *arguments)
        assert done.returncode == 2 and says in done.stderr, (arguments, done.stderr)
    done = workspace.run("role", "appoint", "0x12")
    assert done.returncode == 2 and "GUARDIAN" in done.stderr
