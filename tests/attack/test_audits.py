"""Tests of an auditor who is not told everything: what a node leaves out is found, and what comes meanwhile is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.audit.choice import Choice, Span
from oracle.audit.record import AuditRecord
from oracle.audit.report import AuditReport, Checked, Finding, FindingKind, ProblemKind
from oracle.audit.run import AuditOptions, audit_hub
from oracle.audit.storage.roles import GUARDIAN_ROLE, ROLES
from oracle.audit.storage.words import entry
from oracle.chain.hub import hub_interface
from oracle.chain.rpc import Rpc
from oracle.chain.transport import answers
from oracle.core.errors import ChainUnavailable
from oracle.core.formats import to_hex
from oracle.core.types import Outcome
from tests.attack.calldata import IF_NEWER, SHADOW, SUBMIT, Signature, encode
from tests.attack.hostile import HostileNode, relay_code, relayed
from tests.attack.node import DEPLOYER
from tests.attack.rig import ANOMALOUS, ANSWER, COMMITTEE, NORMAL, Rig, Sighting
from tests.attack.setup import audit_folder
from tests.attack.storage import of_shadow, tamper

pytestmark = pytest.mark.attack

TRACES = ("debug_traceTransaction", "trace_transaction")


class Auditing:
    """Audits of one hub, with nodes as a test wants them."""

    def __init__(self, rig: Rig, folder: Path) -> None:
        self.rig = rig
        self.folder = folder
        self.artifacts = audit_folder(folder / "artifacts", rig.proofs.artifact(), rig.proofs.artifact("other"))

    def node(self, **changes: Any) -> HostileNode:
        return HostileNode(self.rig.chain.rpc_url, **changes)

    def __call__(self, *nodes: HostileNode, **options: Any) -> AuditReport:
        async def audited() -> AuditReport:
            rpcs = [Rpc(each) for each in nodes or [self.node()]]
            try:
                # Proofs that were verified once are known: what is tested here is the rest.
                with AuditRecord(self.folder / "record", self.rig.chain.chain_id, self.rig.hub.address) as record:
                    known = AuditOptions(record=record, **options)
                    return await audit_hub(rpcs, self.rig.hub.address, self.artifacts, known)
            finally:
                for rpc in rpcs:
                    await rpc.close()

        return self.rig.run(audited())


def texts(report: AuditReport, kind: ProblemKind = ProblemKind.HISTORY) -> list[str]:
    return [problem.text for problem in report.problems if problem.kind is kind]


def not_verified(report: AuditReport) -> list[tuple[str, int, Checked]]:
    return [(each.feed, each.round_id, each.check) for each in report.findings if not each.verified]


def wrong(report: AuditReport) -> list[Finding]:
    return [each for each in report.findings if each.check is Checked.FAILED]


@pytest.fixture(scope="module")
def relay() -> bytes:
    return relay_code()


@pytest.fixture
def audited(rig: Rig, tmp_path: Path) -> Auditing:
    """Return audits of a hub with four reports; each is verified."""
    assert rig.accepts(rig.honest("solo", Sighting(NORMAL)))
    return Auditing(rig, tmp_path)


def through(rig: Rig, relay: bytes, *calls: bytes, hidden: bool = False) -> None:
    assert rig.send(relayed(rig.hub.address, calls, hidden=hidden), to=rig.put(relay), gas=3_000_000)


# --- what comes meanwhile ---


@pytest.mark.parametrize("answer", [NORMAL + 1, ANOMALOUS], ids=["a round", "a hold"])
def test_a_report_that_comes_while_the_audit_reads(rig: Rig, audited: Auditing, answer: int) -> None:
    """The hub goes on during a long audit, which is about one block: what comes after it changes nothing."""
    coming = [encode(rig.honest("solo", Sighting(answer, 700)))]

    def meanwhile(method: str) -> None:
        if coming and method == "eth_getLogs":
            assert rig.send(coming.pop())

    block = rig.run(rig.rpc.block_number())
    report = audited(audited.node(meanwhile=meanwhile))
    assert (report.ok, report.verified, report.problems, report.block_number) == (True, 4, (), block)
    assert not coming and rig.state("solo").last_report_at == rig.start + 700
    assert (audited(block=block).verified, audited().verified) == (4, 5)


@pytest.mark.parametrize("moment", ["eth_getLogs", "eth_getStorageAt"])
def test_a_reorganisation_in_the_middle(rig: Rig, audited: Auditing, moment: str) -> None:
    """The audit has read two chains: it says so, and says nothing against the hub."""
    before = [rig.chain.snapshot()]
    assert rig.accepts(rig.honest("solo", Sighting(NORMAL, 700)))
    instead = encode(rig.honest("level", Sighting(ANSWER, 700)))

    def meanwhile(method: str) -> None:
        if before and method == moment:
            rig.chain.revert(before.pop())
            rig.chain.rpc("evm_increaseTime", 5)
            assert rig.send(instead)

    report = audited(audited.node(meanwhile=meanwhile))
    assert not report.ok and wrong(report) == []
    (problem,) = report.problems
    assert problem.kind is ProblemKind.CHAIN
    assert problem.text.startswith("the chain was reorganised during the audit (block ")
    assert audited().ok


# --- what a node leaves out ---


def test_a_node_without_the_history(rig: Rig, audited: Auditing) -> None:
    """A pruned node has no old logs, and says so by an empty answer: nothing to verify is not a verified hub."""
    report = audited(audited.node(logs=lambda logs: []))
    assert (report.ok, report.findings) == (False, ())
    said = texts(report)
    assert said[:4] == [
        "the hub's creation is not in the logs: the first of them is nothing",
        "committees 1 to 2 are on the hub, but not added in the logs",
        "architecture 1 is on the hub, but not added in the logs",
        "model 1 is on the hub, but not added in the logs",
    ]
    solo = to_hex(rig.feed_id("solo"))
    assert f"the feed solo / USD ({solo}) is on the hub, but not added in the logs" in said
    assert "rounds 1 to 2 of solo / USD are on the hub, but not in the logs" in said


def test_a_history_from_a_later_block(rig: Rig, audited: Auditing) -> None:
    """The block only says where to begin: what is before it is read, too."""
    report = audited(from_block=rig.run(rig.rpc.block_number()))
    assert (report.ok, report.verified) == (True, 4)


def test_a_node_that_tells_no_code(audited: Auditing) -> None:
    """All that it does tell is audited."""
    report = audited(audited.node(without=["eth_getCode"]))
    assert report.verified == 4 and not report.ok
    assert "can't be read" in texts(report, ProblemKind.NODE)[0]


def test_endpoints_make_up_for_each_other(audited: Auditing) -> None:
    """The audit names whoever withholds events, and reads them from another endpoint."""
    nodes = [
        audited.node(name="one", logs=lambda logs: logs[:-1]),
        audited.node(name="two", logs=lambda logs: logs[2:]),
    ]
    report = audited(*nodes)
    assert (report.ok, report.verified) == (True, 4)
    said = [note for note in report.notes if "withholds" in note]
    assert [note.split(" of ")[0] for note in said] == ["one withholds 1", "two withholds 2"]
    assert [audited(node).ok for node in nodes] == [False, False]
    # Two endpoints of one provider have one name: their keys are secrets.
    same = [audited.node(logs=node.logs) for node in nodes]
    assert [note.split(" withholds")[0] for note in audited(*same).notes if "withholds" in note] == [
        "hostile (endpoint 1)",
        "hostile (endpoint 2)",
    ]


def test_an_endpoint_that_does_not_answer_is_left_out(rig: Rig, audited: Auditing) -> None:
    silent = HostileNode("http://127.0.0.1:9", name="silent")
    report = audited(silent, audited.node())
    assert (report.verified, report.ok) == (4, False)
    assert texts(report, ProblemKind.NODE)[0].startswith("silent is left out: ")


def test_an_endpoint_that_falls_silent(audited: Auditing) -> None:
    """It is one of two, and has told the block: the other one is audited all the same."""

    def silent(method: str) -> None:
        if method == "eth_getCode":
            raise ChainUnavailable("two does not answer")

    report = audited(audited.node(name="one"), audited.node(name="two", meanwhile=silent))
    assert report.verified == 4 and not report.ok
    assert any("two does not answer" in text for text in texts(report, ProblemKind.NODE))


def test_endpoints_that_contradict_each_other(audited: Auditing) -> None:
    def altered(logs: list[Any]) -> list[Any]:
        return [*logs[:-1], logs[-1] | {"data": logs[0]["data"] + "00" * 32}]

    report = audited(audited.node(name="one"), audited.node(name="two", logs=altered))
    assert not report.ok and report.verified == 4
    (said,) = texts(report, ProblemKind.CHAIN)
    assert said.startswith("log ") and said.endswith("is not the same at one and at two")


class OfAnotherChain(HostileNode):
    """An endpoint of another chain, whose latest block is the first one."""

    async def chain_id(self) -> int:
        return 5

    async def request(self, method: str, params: list[Any], *more: Any) -> Any:
        return await super().request(method, ["0x0", False] if method == "eth_getBlockByNumber" else params, *more)


def test_an_endpoint_of_another_chain_is_left_out(rig: Rig, audited: Auditing) -> None:
    """Neither its blocks nor its lack of a hub say anything of the chain that is audited."""
    report = audited(audited.node(name="one"), OfAnotherChain(rig.chain.rpc_url, name="two"))
    assert report.verified == 4 and not report.ok
    here = f"one is of chain {rig.chain.chain_id}, but two of chain 5: it is left out"
    assert texts(report, ProblemKind.CHAIN) == [f"the endpoints contradict each other: {here}"]
    assert report.endpoints == ("one",), "nothing was read from the other one"


def test_a_chosen_round_that_is_withheld(audited: Auditing) -> None:
    """The hub has it: nobody is told that there is no such round."""
    last = hub_interface().topic("RoundAccepted")

    def without_the_second(logs: list[Any]) -> list[Any]:
        rounds = [log for log in logs if log["topics"][0] == to_hex(last)]
        return [log for log in logs if log not in rounds[2:]]

    report = audited(audited.node(logs=without_the_second), choice=Choice(rounds=(Span(2, 2),)))
    assert not report.ok and report.findings == ()
    said = texts(report)
    assert any("is on the hub, but not in the logs" in text for text in said), said
    assert said[-1].startswith("--rounds 2: no report is of such a round"), said


def test_endpoints_that_tell_other_times(audited: Auditing) -> None:
    """Times decide on holds and on delays: a node that tells others is told from one that does not."""

    def later(logs: list[Any]) -> list[Any]:
        return [log | {"blockTimestamp": hex(int(log["blockTimestamp"], 16) + 1)} for log in logs]

    report = audited(audited.node(name="one"), audited.node(name="two", logs=later))
    assert not report.ok and report.verified == 4
    assert all(each.endswith("is not of one time at one and at two") for each in texts(report, ProblemKind.CHAIN))
    silent = audited.node(name="two", logs=lambda logs: [log | {"blockTimestamp": None} for log in logs])
    assert audited(audited.node(name="one"), silent).ok


@pytest.mark.parametrize("exists", [True, False], ids=["in a transaction", "in none"])
def test_an_endpoint_that_invents_what_explains_a_storage(rig: Rig, audited: Auditing, exists: bool) -> None:
    """Creation code made a guardian in secret. The accomplice's log explains the word; the other endpoint has none."""
    hidden = 0x5757
    tamper(rig, entry(entry(ROLES, GUARDIAN_ROLE), hidden), lambda word: 1)

    def inventing(logs: list[Any]) -> list[Any]:
        (grant,) = [log for log in logs if log["topics"][1:2] == ["0x" + GUARDIAN_ROLE.to_bytes(32).hex()]][:1]
        topics = [*grant["topics"][:2], "0x" + hidden.to_bytes(32).hex(), grant["topics"][3]]
        of = {} if exists else {"transactionHash": "0x" + "77" * 32}
        return [*logs, logs[-1] | {"topics": topics, "data": "0x", "logIndex": "0x63"} | of]

    assert not audited().ok
    report = audited(audited.node(name="one"), audited.node(name="two", logs=inventing))
    assert not report.ok
    (said,) = texts(report, ProblemKind.CHAIN)
    assert said.endswith("and one shows that transaction or block without it")


# --- relays ---


@pytest.mark.parametrize("call", ["submit", "submitIfNewer"])
def test_a_relay_where_no_node_traces(rig: Rig, audited: Auditing, relay: bytes, call: str) -> None:
    """The submission stands in the input of the relay's transaction, and shows itself who signed it."""
    data = encode(rig.honest("solo", Sighting(NORMAL, 1_200)), IF_NEWER if call == "submitIfNewer" else SUBMIT)
    through(rig, relay, b"\xff" * 40, data)
    report = audited(audited.node(without=TRACES))
    assert (report.ok, report.verified) == (True, 5)


def test_a_submission_that_only_a_trace_shows(rig: Rig, audited: Auditing, relay: bytes) -> None:
    """It is unchecked where no node traces, and the audit goes on: later reports are verified."""
    through(rig, relay, encode(rig.honest("solo", Sighting(NORMAL, 1_200))), hidden=True)
    assert rig.accepts(rig.honest("solo", Sighting(ANOMALOUS, 1_800)))
    assert rig.accepts(rig.honest("solo", Sighting(NORMAL, 1_900)))
    report = audited(audited.node(without=TRACES))
    assert not_verified(report) == [("solo / USD", 3, Checked.UNCHECKED)] and report.problems == ()
    (unchecked,) = (each for each in report.findings if not each.verified)
    assert unchecked.problem == "its submission is not in the transaction's input, and the node can't trace it"
    assert (unchecked.answer, unchecked.outcome, report.ok) == (NORMAL, Outcome.ACCEPTED, False)
    (audited.folder / "record").unlink()
    assert audited(audited.node(without=TRACES[:1])).ok, "either kind of trace shows it"


def test_decoys_in_the_input_of_a_relay(rig: Rig, audited: Auditing, relay: bytes) -> None:
    """Whoever relays a report may put others beside it, which the hub refuses: the right one is told from them."""
    apart = ANSWER // 1_000
    sightings = [Sighting(NORMAL + at * apart, 1_200, COMMITTEE[at]) for at in range(5)]
    real = rig.honest("trio", *sightings)
    forged = replace(
        real, signatures=(Signature(real.signatures[0].readings, b"\1" * 32, b"\2" * 32), *real.signatures[1:])
    )
    other = rig.honest("solo", Sighting(NORMAL, 1_200))
    unproven = replace(real, proof=other.proof)
    # Three of the five answers have the same median. The model does not see how many they are.
    fewer = [each for each in sightings if each.answer in (NORMAL, NORMAL + 2 * apart, NORMAL + 4 * apart)]
    smaller = replace(rig.honest("trio", *fewer), proof=real.proof)
    garbage = encode(real)[:4] * 2_000
    through(rig, relay, garbage, encode(forged), encode(unproven), encode(real), encode(smaller))
    made = rig.run(rig.hub.round(rig.feed_id("trio"), 2))
    assert made is not None and made.count == 5
    report = audited(audited.node(without=TRACES))
    assert (not_verified(report), report.problems, report.verified) == ([], (), 5)
    assert audited().ok


@pytest.mark.parametrize("what", ["signature", "proof"])
def test_a_decoy_in_the_place_of_a_hidden_submission(rig: Rig, audited: Auditing, relay: bytes, what: str) -> None:
    """The input shows only what does not hold. A trace clears it up; without one, nothing is said against the hub."""
    real = rig.honest("solo", Sighting(NORMAL, 1_200))
    nobody = Signature(real.signatures[0].readings, b"\1" * 32, b"\2" * 32)
    decoy = replace(real, signatures=(nobody,)) if what == "signature" else replace(real, proof=bytes(len(real.proof)))
    data = relayed(rig.hub.address, [encode(real)], hidden=True) + encode(decoy)
    assert rig.send(data, to=rig.put(relay), gas=3_000_000)
    report = audited(audited.node(without=TRACES))
    assert not_verified(report) == [("solo / USD", 3, Checked.UNCHECKED)] and report.problems == ()
    assert report.findings[-1].problem.endswith("but the transaction's input may hide another submission")
    assert audited().ok


def test_a_decoy_that_holds_in_the_place_of_a_hidden_submission(rig: Rig, audited: Auditing, relay: bytes) -> None:
    """It has fewer of the signatures, the same median and a good proof. But the hub has stored how many there were."""
    apart = ANSWER // 1_000
    sightings = [Sighting(NORMAL + at * apart, 1_200, COMMITTEE[at]) for at in range(5)]
    real = rig.honest("trio", *sightings)
    fewer = [each for each in sightings if each.answer in (NORMAL, NORMAL + 2 * apart, NORMAL + 4 * apart)]
    decoy = replace(rig.honest("trio", *fewer), proof=real.proof)
    data = relayed(rig.hub.address, [encode(real)], hidden=True) + encode(decoy)
    assert rig.send(data, to=rig.put(relay), gas=3_000_000)
    report = audited(audited.node(without=TRACES))
    assert not_verified(report) == [("trio / USD", 2, Checked.UNCHECKED)] and report.problems == ()
    assert audited().ok


# --- what its shadow period did not allow ---


def test_a_model_that_its_shadow_period_did_not_allow(rig: Rig, audited: Auditing) -> None:
    """A hub of other storage let it become active."""
    number = rig.add_model("other")
    rig.propose("solo", number, compared=5)
    shadow = rig.honest("solo", Sighting(NORMAL, 1_200), kind="other", model_number=number)
    assert rig.accepts(shadow, call=SHADOW)
    tamper(rig, of_shadow(rig, "solo"), lambda word: word & ~(0xFFFFFFFF << 96))
    rig.admin("activateModel", rig.feed_id("solo"))
    report = audited()
    said = "model 2 was activated for solo / USD with 0 compared reports, where its proposal demands 5"
    assert texts(report) == [said] and not report.ok


def test_a_shadow_report_that_was_never_proven(rig: Rig, audited: Auditing) -> None:
    """A verifier that says yes let the proposed model look good."""
    number = rig.add_model("other")
    rig.propose("solo", number, compared=1)
    shadow = rig.honest("solo", Sighting(NORMAL, 1_200), kind="other", model_number=number)
    code = rig.chain.rpc("eth_getCode", rig.verifier(), "latest")
    rig.chain.rpc("anvil_setCode", rig.verifier(), "0x60015f5260205ff3")
    assert rig.accepts(shadow.with_scores(-1, -1), call=SHADOW)
    rig.chain.rpc("anvil_setCode", rig.verifier(), code)
    report = audited()
    (failed,) = wrong(report)
    assert (failed.kind, failed.problem) == (FindingKind.SHADOW, "the proof does not verify")


# --- the whole history, in any order, and without any of its events ---


@pytest.fixture(scope="module")
def told(deployed: Rig, relay: bytes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Auditing]:
    """Return audits of a hub whose history has a bit of everything. Its node is asked each question once."""
    rig, snapshot = deployed, deployed.chain.snapshot()
    solo, level = rig.feed_id("solo"), rig.feed_id("level")
    call = hub_interface().encode_call
    contract = rig.put(relay)
    rig.admin("grantRole", rig.run(rig.hub.read("GUARDIAN_ROLE")), rig.address(DEPLOYER))
    # A shadow period ends with an activation, and that with a rollback.
    number = rig.add_model("other")
    rig.propose("level", number, compared=1)
    shadow = rig.honest("level", Sighting(ANSWER + 100), kind="other", model_number=number)
    assert rig.accepts(shadow, call=SHADOW)
    assert rig.accepts(rig.honest("level", Sighting(ANSWER + 100)))
    rig.admin("activateModel", level)
    assert rig.accepts(rig.honest("level", Sighting(ANSWER + 200, 700), kind="other", model_number=number))
    rig.admin("rollbackModel", level)
    # A hold, a pause, and what ends them.
    assert rig.accepts(rig.honest("level", Sighting(ANSWER * 2, 800)))
    for function in ("pause", "proposeUnpause", "unpause"):
        rig.admin(function, level)
    assert rig.accepts(rig.honest("level", Sighting(ANSWER + 300, 900)))
    # A multisig is the admin, and changes the reporters between two reports of one transaction.
    rig.admin("beginDefaultAdminTransfer", contract)
    rig.later(5)
    committee = rig.committee("solo")
    calls = [
        call("acceptDefaultAdminTransfer"),
        call("proposeReporters", committee, [rig.address(1), rig.address(2)], 1),
    ]
    assert rig.send(relayed(rig.hub.address, calls), to=contract)
    first = rig.honest("solo", Sighting(NORMAL, 1_200))
    inner = rig.chain.snapshot()
    assert rig.accepts(first)
    second = rig.honest("solo", Sighting(NORMAL, 1_800, 2))
    rig.chain.revert(inner)
    again = replace(second, epoch=2)
    between = [encode(first), call("activateReporters", committee), encode(rig.sign(again, 2)), call("pause", solo)]
    assert rig.send(relayed(rig.hub.address, between), to=contract, gas=3_000_000)
    assert rig.state("solo").round_id == 3 and rig.state("solo").paused
    auditing = Auditing(rig, tmp_path_factory.mktemp("told"))
    # Without a storage root, only the words that the history leads to are compared.
    node = auditing.node(remembers=True, without=["eth_getProof"])
    auditing.node = lambda **changes: _changed(node, **changes)  # type: ignore[method-assign]
    yield auditing
    rig.chain.revert(snapshot)


def _changed(node: HostileNode, logs: Callable[[list[Any]], list[Any]] | None = None) -> HostileNode:
    node.logs = logs
    return node


def essence(report: AuditReport) -> tuple[object, ...]:
    return report.ok, report.findings, report.problems


def test_a_change_between_two_reports_of_one_transaction(told: Auditing) -> None:
    report = told()
    assert (not_verified(report), report.problems, report.ok) == ([], (), True)
    assert [each.round_id for each in report.findings if each.feed == "solo / USD"] == [1, 2, 3]


@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_the_order_of_the_logs_does_not_matter(told: Auditing, data: st.DataObject) -> None:
    """Nodes behind one name, caches and retries give logs in any order, some of them twice."""

    def shuffled(logs: list[Any]) -> list[Any]:
        twice = data.draw(st.lists(st.sampled_from(logs), max_size=5)) if logs else []
        return data.draw(st.permutations([*logs, *twice]))

    assert essence(told(told.node(logs=shuffled))) == essence(told(told.node()))


def test_each_event_that_a_node_leaves_out_is_missed(told: Auditing) -> None:
    """One after the other is missing of a history that is whole otherwise. Nothing is said against a report for it."""
    real: list[Any] = []

    def kept(logs: list[Any]) -> list[Any]:
        real.extend(logs)
        return logs

    assert told(told.node(logs=kept)).ok and len(real) > 30
    for missing in real:
        event = hub_interface().decode_log(answers.log(missing))
        report = told(told.node(logs=lambda logs, left_out=missing: [each for each in logs if each != left_out]))
        assert not report.ok and report.problems, event
        assert wrong(report) == [], event
