"""Random histories of a real hub: everything that an admin, a guardian and reporters can do, in any order.

The verifier accepts everything, so a report needs no proof, and is accepted or held according to its scores. What the
reports lead to is followed by the gate, and everything else by `StoredHub`, as an audit does.
"""

from __future__ import annotations

import asyncio
import copy
import http.client
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from eth_account import Account

from oracle.audit.history import AdminEvent, AuditedFeed
from oracle.audit.storage import Replayed, StoredHub
from oracle.chain import compiled
from oracle.chain.abi.interface import Interface
from oracle.chain.hub import Submission, SubmitCall, encode_submission, hub_interface
from oracle.chain.keys.signer import LocalReporter
from oracle.chain.local.anvil import Anvil
from oracle.chain.local.state import whole_storage
from oracle.chain.rpc import Rpc
from oracle.chain.transport.answers import Log
from oracle.core import gate
from oracle.core.encoding import NO_ANSWER, Feature
from oracle.core.formats import checksum_address, keccak, to_hex
from oracle.core.report import Report, SignedReport
from oracle.core.types import FeedState, HeldAnswer, Round
from tests.transactions import mined

START = 1_700_000_000
CHANGE_DELAY = 1_000
MONTH = 31 * 86_400
SUBMITTER = 9
"""The account that brings reports; the others are admins, guardians and reporters in turn."""

_YES = bytes.fromhex("60015f5260205ff3")
_GUARDIAN = keccak(b"GUARDIAN_ROLE")
_GAS = hex(5_000_000)
_TEXTS = ("x", "y" * 31, "z" * 32, "w" * 33, "v" * 63, "u" * 64, "nul" + "\0" * 40, "éü€", "\0")


class RandomHub:
    """A hub on a chain, with all that its history leads to.

    Attributes:
        events: The number of times that the hub emitted each event.
    """

    def __init__(self, chain: Anvil, seed: int) -> None:
        self.chain = chain
        self.rng = random.Random(seed)
        self._connection = http.client.HTTPConnection("127.0.0.1", chain.port)
        self.now = int(chain.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
        self.stored = StoredHub()
        self.states: dict[bytes, FeedState] = {}
        self.rounds: dict[tuple[bytes, int], Round] = {}
        self.holds: dict[bytes, HeldAnswer] = {}
        self.terms: dict[bytes, AuditedFeed] = {}
        self.committees: dict[int, tuple[list[str], int, int]] = {}
        self.architectures: list[Mapping[str, Any]] = []
        self.models: list[Mapping[str, Any]] = []
        self.events: dict[str, int] = {}
        self.admin = 0
        self.factory = ""
        self.hub = self._deploy()
        self._accounts = {each.address: index for index, each in enumerate(chain.accounts)}
        keys = [Account.from_key(each.key) for each in chain.accounts]
        self._reporters = [LocalReporter(key, chain.chain_id, self.hub) for key in keys]

    def copy(self) -> RandomHub:
        """Return the same hub, whose history goes on by itself."""
        other = copy.copy(self)
        for name in ("stored", "states", "rounds", "holds", "terms", "committees", "events"):
            setattr(other, name, copy.deepcopy(getattr(self, name)))
        return other

    def close(self) -> None:
        self._connection.close()

    def storage(self) -> dict[int, int]:
        """Return every word of the hub that is not zero."""

        async def words() -> dict[int, int]:
            async with Rpc(self.chain.rpc_url, self.chain.chain_id) as rpc:
                return await whole_storage(rpc, self.hub)

        return asyncio.run(words())

    def code(self) -> bytes:
        """Return the hub's code."""
        return bytes.fromhex(self._ask("eth_getCode", self.hub, "latest")[2:])

    @property
    def replayed(self) -> Replayed:
        """The storage that the reports have led to."""
        return Replayed(self.states, self.rounds, self.holds)

    def go_on(self, steps: int) -> None:
        """Do so many things, of which some are refused."""
        operations: list[tuple[int, Callable[[], bool]]] = [
            (30, self._report), (16, self._shadow), (6, self._wait), (3, self._add_committee),
            (2, self._add_architecture), (3, self._add_model), (4, self._add_feed), (1, self._link),
            (8, self._propose_model), (12, self._end_model),
            (4, self._propose_reporters), (6, self._end_reporters), (3, self._pause), (4, self._unpause),
            (3, self._roles), (6, self._handover), (5, self._delay),
        ]  # fmt: skip
        weights = [weight for weight, _ in operations]
        for operation in self.rng.choices([each for _, each in operations], weights, k=steps):
            operation()

    def begin(self) -> None:
        """Make something of each kind, so that there is something to change."""
        for operation in (self._add_committee, self._add_architecture, self._add_model, self._add_feed, self._add_feed):
            while not operation():
                pass

    # --- transactions ------------------------------------------------------------------------------------------

    def call(self, function: str, *arguments: Any, account: int | None = None) -> bool:
        """Send a call of the hub; return whether it succeeded."""
        return self.send(self.hub, hub_interface().encode_call(function, *arguments), account)

    def send(self, to: str | None, data: bytes, account: int | None = None) -> bool:
        self.now += self.rng.choice((1, 1, 30))
        self._ask("evm_setNextBlockTimestamp", self.now)
        sender = self.chain.accounts[self.admin if account is None else account].address
        sent = {"from": sender, "to": to, "data": "0x" + data.hex(), "gas": _GAS}
        receipt = mined(self._ask, sent)
        for log in receipt["logs"]:
            if int(log["address"], 16) == int(self.hub, 16):
                self._follow(_log(log))
        return bool(receipt["status"] == "0x1")

    def _ask(self, method: str, *parameters: Any) -> Any:
        """Ask the chain by a connection that stays open: half of a history's time would go into connecting."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters})
        self._connection.request("POST", "/", body, {"Content-Type": "application/json"})
        answer = json.loads(self._connection.getresponse().read())
        assert "result" in answer, answer
        return answer["result"]

    def _deploy(self) -> str:
        libraries: dict[str, str] = {}

        def create(name: str, *arguments: Any) -> str:
            contract = compiled.load(name)
            linked = contract.link({each: libraries[each] for each in contract.needs})
            data = linked.bytecode + Interface(contract.abi).encode_constructor(*arguments)
            sent = {"from": self.chain.accounts[0].address, "data": "0x" + data.hex(), "gas": hex(20_000_000)}
            self.now += 1
            self._ask("evm_setNextBlockTimestamp", self.now)
            receipt = mined(self._ask, sent)
            created = checksum_address(receipt["contractAddress"])
            if name == "ZkOracle":
                self.hub = created
                for log in receipt["logs"]:
                    self._follow(_log(log))
            return created

        for library in compiled.load("ZkOracle").needs:
            libraries[library] = create(library)
        self.factory = create("ZkAggregatorFactory")
        admin, guardian = (self.chain.accounts[each].address for each in (0, 1))
        return create("ZkOracle", admin, guardian, CHANGE_DELAY, self.factory, create("ZkOracleLens"))

    def _follow(self, log: Log) -> None:
        decoded = hub_interface().decode_log(log)
        assert decoded is not None
        name, values = decoded
        self.events[name] = self.events.get(name, 0) + 1
        self.stored.event(AdminEvent(name, values, log.block_number, self.now, to_hex(log.tx_hash)))
        if name == "FeedAdded":
            feed = self.terms[values["feedId"]] = AuditedFeed.from_event(values)
            self.states[feed.feed_id] = gate.empty_feed(
                *(feed.feed_id, feed.kind, feed.sigma, feed.heartbeat, feed.model_number),
                committee=feed.committee,
                peers=feed.peers,
            )
        elif name in ("CommitteeAdded", "ReportersActivated"):
            self.committees[values["committee"]] = list(values["reporters"]), values["quorum"], values.get("epoch", 1)
        elif name == "ArchitectureAdded":
            self.architectures.append(values["architecture"])
        elif name == "ModelAdded":
            self.models.append(values["model"])

    # --- reports -----------------------------------------------------------------------------------------------

    def _model_of(self, feed_id: bytes) -> int:
        return self.stored.feeds[feed_id].model_number

    def _draft(self, feeds: Sequence[bytes]) -> tuple[bytes, SignedReport] | None:
        """Return a feed with a signed report of it and of its peers; None if it can't have any."""
        if not feeds:
            return None
        feed = self.terms[self.rng.choice(feeds)]
        if any(peer not in self.terms for peer in feed.peers):
            return None
        listed = sorted({feed.feed_id, *feed.peers})
        reporters, quorum, epoch = self.committees[feed.committee]
        rounds = tuple(self.states[each].round_id + 1 if each == feed.feed_id else 0 for each in listed)
        observed_at = max(self.now - self.rng.choice((0, 5, 60)), self.states[feed.feed_id].last_report_at + 1)
        report = Report(feed.committee, epoch, observed_at, tuple(listed), rounds)
        # Few levels, so that answers repeat, agree and contradict.
        before = self.states[feed.feed_id].answer or 10_000
        answer = self.rng.choice(
            (before, before, before, min(before + 7, 2**127 - 1), 10_000, 10_050, 20_000, 20_100, 0, -5, 2**127 - 1)
        )
        signed = self.rng.sample(reporters, self.rng.randint(quorum, len(reporters)))
        rows = []
        for place in range(len(signed)):
            noise = [(answer if each == feed.feed_id else self.rng.choice((9_000, 10_000, -3))) for each in listed]
            rows.append([max(-(2**126), each - place) if place else each for each in noise])
            if place >= quorum:
                rows[-1] = [self.rng.choice((each, NO_ANSWER)) for each in rows[-1]]
        signatures = [
            self._reporters[self._accounts[reporter]].sign_report(report, row)
            for reporter, row in zip(signed, rows, strict=True)
        ]
        return feed.feed_id, SignedReport(report, tuple(signatures))

    def _scores(self, model: int) -> tuple[int, ...]:
        outputs = self.architectures[self.models[model - 1]["architectureId"] - 1]["outputs"]
        highest = self.rng.choice((-1_000, -500, 0, 1, 2_500, 2**100))
        scores = [highest, *(-1_000 for _ in range(outputs - 1))]
        self.rng.shuffle(scores)
        return tuple(scores)

    def _report(self) -> bool:
        draft = self._draft([*self.terms])
        return draft is not None and self._judged(*draft)

    def _judged(self, feed_id: bytes, signed: SignedReport) -> bool:
        model = self._model_of(feed_id)
        scores = self._scores(model)
        call = self.rng.choice((SubmitCall.SUBMIT, SubmitCall.SUBMIT_IF_NEWER))
        submission = Submission.of(model, signed, [scores], b"\1")
        before = self.states[feed_id]
        if not self.send(self.hub, encode_submission(submission, call), SUBMITTER):
            return False
        feed, listed = self.terms[feed_id], signed.report.feed_ids
        position = listed.index(feed_id)
        verdict = gate.judge(
            replace(before, model_number=model),
            feed.policy,
            signed.median(position),
            signed.report.observed_at,
            scores,
            score_unit=self.models[model - 1]["scoreUnit"],
            published_at=self.now,
            spread=signed.spread(position, feed.kind, feed.sigma),
            count=signed.count(position),
            peer_answers=[signed.median(listed.index(peer)) for peer in feed.peers],
        )
        self.states[feed_id] = verdict.state
        if verdict.round is not None:
            self.rounds[feed_id, verdict.round.round_id] = verdict.round
        else:
            assert verdict.state.held is not None
            self.holds[feed_id] = verdict.state.held
        return True

    def _shadow(self) -> bool:
        if (draft := self._draft(self._proposed())) is None:
            return False
        feed_id, signed = draft
        model = self.stored.feeds[feed_id].proposed_model
        submission = Submission.of(model, signed, [self._scores(model)], b"\1")
        if not self.send(self.hub, encode_submission(submission, SubmitCall.SUBMIT_SHADOW), SUBMITTER):
            return False
        if self.rng.random() < 0.7:
            # The active model judges the same report, so that the two can be compared.
            self._judged(feed_id, signed)
        return True

    # --- administration ----------------------------------------------------------------------------------------

    def _wait(self) -> bool:
        self.now += self.rng.choice((60, 900, CHANGE_DELAY, CHANGE_DELAY, 5 * 86_400, MONTH))
        return True

    def _some_reporters(self) -> tuple[list[str], int]:
        quorum = self.rng.choice((1, 1, 3))
        count = self.rng.randint(quorum, 6)
        return [self.chain.accounts[each].address for each in self.rng.sample(range(9), count)], quorum

    def _add_committee(self) -> bool:
        return self.call("addCommittee", *self._some_reporters())

    def _add_architecture(self) -> bool:
        features = [Feature.MOVE, *self.rng.sample([each for each in Feature if each is not Feature.MOVE], 2)]
        self.rng.shuffle(features)
        sizes = sorted(self.rng.sample(range(1, 65), self.rng.choice((1, 1, 2, 8))))
        verifiers = [checksum_address("0x" + self.rng.randbytes(20).hex()) for _ in sizes]
        for verifier in verifiers:
            self._ask("anvil_setCode", verifier, "0x" + _YES.hex())
        binds = self.rng.random() < 0.6
        return self.call("addArchitecture", bytes(features), self.rng.randint(1, 3), binds, sizes, verifiers)

    def _add_model(self) -> bool:
        if not self.architectures:
            return False
        number = self.rng.randint(1, len(self.architectures))
        architecture = self.architectures[number - 1]
        unit = self.rng.choice((1, 1_000, 2**40 - 1, 2**40, 3 << 100, (2**40 - 1) << 88, 2**41 - 1))
        probe = ((1, 2, 3), (-1,) * architecture["outputs"], [b"any"] * len(architecture["batchSizes"]))
        model_hash = self.rng.randint(1, 2**250) if architecture["bindsModel"] else 0
        return self.call("addModel", model_hash, number, self.rng.randbytes(32), unit, probe)

    def _add_feed(self) -> bool:
        if not (self.committees and self.models):
            return False
        rng = self.rng
        text = rng.choice(_TEXTS) if rng.random() < 0.5 else f"FEED {len(self.terms)} / USD"
        committee = rng.choice(list(self.committees))
        peers = rng.sample([*self.terms, rng.randbytes(32)], min(len(self.terms), rng.choice((0, 0, 1, 2))))
        terms = (
            *(text, rng.choice((0, 1)), rng.randint(0, 18), rng.randint(1, 3), rng.choice((0, 1, 2))),
            *(rng.choice((60, 3_600)), 86_400, rng.choice((0, 600)), rng.choice((1, 60)), rng.choice((0, 2_000))),
            *(0, rng.choice((1, 10_000, 2**64 - 1)), committee, peers),
        )
        return self.call("addFeed", terms, rng.randint(1, len(self.models)))

    def _feed(self) -> bytes:
        return self.rng.choice(list(self.terms)) if self.terms else bytes(32)

    def _link(self) -> bool:
        feed_id = self._feed()
        factory = Interface(compiled.load("ZkAggregatorFactory").abi)
        plain = (0, 0, "0x" + "00" * 20, 0)
        self.send(self.factory, factory.encode_call("deploy", self.hub, feed_id, plain))
        return self.call("linkAggregator", feed_id)

    def _propose_model(self) -> bool:
        compared = self.rng.choice((0, 0, 1, 2))
        return self.call("proposeModel", self._feed(), self.rng.randint(1, len(self.models) or 1), compared, 1)

    def _proposed(self) -> list[bytes]:
        return [each for each in self.terms if self.stored.feeds[each].model_from]

    def _end_model(self) -> bool:
        proposed = self._proposed()
        function = self.rng.choice(("activateModel",) * 3 + ("cancelModel", "rollbackModel", "rollbackModel"))
        if function == "activateModel":
            self.now += self.rng.choice((0, CHANGE_DELAY, CHANGE_DELAY))
        if function == "rollbackModel":
            proposed = [each for each in self.terms if self.stored.feeds[each].previous_model]
        return self.call(function, self.rng.choice(proposed or [self._feed()]))

    def _propose_reporters(self) -> bool:
        return self.call("proposeReporters", self.rng.randint(1, len(self.committees) or 1), *self._some_reporters())

    def _end_reporters(self) -> bool:
        function = self.rng.choice(("activateReporters", "activateReporters", "cancelReporters"))
        self.now += self.rng.choice((0, CHANGE_DELAY))
        proposed = [number for number, each in self.stored.committees.items() if each.proposed]
        return self.call(function, self.rng.choice(proposed or [1]))

    def _pause(self) -> bool:
        return self.call("pause", self._feed())

    def _unpause(self) -> bool:
        feed_id = self._feed()
        if self.rng.random() < 0.5:
            return self.call("proposeUnpause", feed_id)
        paused = [each for each in self.terms if self.stored.feeds[each].unpause_from]
        self.now += self.rng.choice((0, CHANGE_DELAY))
        return self.call("unpause", self.rng.choice(paused) if paused else feed_id)

    def _roles(self) -> bool:
        account = self.rng.randrange(9)
        address = self.chain.accounts[account].address
        if self.rng.random() < 0.2:
            return self.call("renounceRole", _GUARDIAN, address, account=account)
        return self.call(self.rng.choice(("grantRole", "grantRole", "revokeRole")), _GUARDIAN, address)

    def _handover(self) -> bool:
        heir = self.rng.randrange(9)
        choice = self.rng.choice(("begin", "begin", "cancel", "accept", "accept", "accept"))
        if choice == "begin":
            return self.call("beginDefaultAdminTransfer", self.chain.accounts[heir].address)
        if choice == "cancel":
            return self.call("cancelDefaultAdminTransfer")
        self.now += self.rng.choice((0, 2 * CHANGE_DELAY))
        pending = checksum_address(f"0x{self.stored.roles._pending_admin:040x}")
        heir = self._accounts.get(pending, heir)
        if not self.call("acceptDefaultAdminTransfer", account=heir):
            return False
        self.admin = heir
        return True

    def _delay(self) -> bool:
        if self.rng.random() < 0.4:
            return self.call("rollbackDefaultAdminDelay")
        return self.call("changeDefaultAdminDelay", CHANGE_DELAY + self.rng.choice((0, 1, 500, 1_000, 6 * 86_400)))

    def renounce(self) -> bool:
        """Give up the admin's role for good."""
        begun = self.call("beginDefaultAdminTransfer", checksum_address("0x" + "00" * 20))
        self.now += 30 * 86_400
        return begun and self.call("renounceRole", bytes(32), self.chain.accounts[self.admin].address)


def _log(found: Mapping[str, Any]) -> Log:
    return Log(
        address=checksum_address(found["address"]),
        topics=tuple(bytes.fromhex(topic[2:]) for topic in found["topics"]),
        data=bytes.fromhex(found["data"][2:]),
        block_number=int(found["blockNumber"], 16),
        tx_hash=bytes.fromhex(found["transactionHash"][2:]),
        log_index=int(found["logIndex"], 16),
    )
