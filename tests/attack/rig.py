"""A deployed oracle to attack: a real Anvil, the real hub, real proofs, and submissions that can be altered.

The submissions are built by hand, without `oracle.feeds`, because an attacker does not have to use it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any, Self, cast

from eth_abi.abi import encode as abi_encode
from eth_account import Account

from oracle.chain import compiled
from oracle.chain.deploy import CommitteePlan, Deployment, DeployPlan, FeedPlan, deploy, feed_id_of
from oracle.chain.hub import HubFeedConfig, SubmitCall, hub_interface
from oracle.chain.keys.typed import report_digest
from oracle.chain.local.anvil import Anvil
from oracle.chain.rpc import Rpc
from oracle.core import encoding
from oracle.core.encoding import NO_ANSWER, Feature, PeerAnswer
from oracle.core.errors import ContractRejected
from oracle.core.formats import keccak
from oracle.core.report import Report
from oracle.core.types import FeedState, Kind
from tests.attack.calldata import SUBMIT, Calldata, Signature, encode, packed
from tests.attack.node import DEPLOYER, GAS, OUTSIDER, Node
from tests.attack.proofs import Proofs, Window

HOURS = 3_600
HEARTBEAT = 24 * HOURS
SKEW = 60
SIGMA_PPM = 10_000
UNIT = 10**8
ANSWER = 100 * UNIT
"""The answer of round 1, on each feed that has a first round."""
NORMAL = ANSWER + ANSWER // 200
"""An answer half a sigma higher, which the model accepts."""
ANOMALOUS = ANSWER + ANSWER // 2
"""An answer fifty sigmas higher, which the model does not accept."""
LEVEL_SIGMA = 1_000
CONFIRM_DELAY = 60

REPORTER = 1
COMMITTEE = (2, 3, 4, 6, 7)
"""The accounts of the committee of `trio`: three of these five make a quorum."""
STRANGER = 5
SOLO, TRIO = "solo", "trio"
"""The committees' names."""

BATCHES = (1, 4, 16)
"""The numbers of windows for which a model has circuits."""

VERIFY = keccak(b"verifyProof(bytes,uint256[])")[:4]


@dataclass(frozen=True)
class Sighting:
    """An answer for a reporter to sign, at a time in seconds from the rig's `start`."""

    answer: int
    after: int = 600
    account: int = REPORTER


Reports = Mapping[str, Sequence[Sighting]]


@dataclass(frozen=True)
class Probe:
    """The hub's `Probe`."""

    window: Window
    scores: tuple[int, ...]
    proofs: tuple[bytes, ...]


class Rig(Node):
    """One hub on one chain, with a first round on each of its feeds.

    The feeds `solo` and `level` are of a committee of one reporter. `trio` has five reporters and a quorum of three.

    Attributes:
        batches: Windows of the circuits of the hub's model.
    """

    def __init__(self, proofs: Proofs, chain: Anvil, deployment: Deployment, rpc: Rpc | None = None) -> None:
        super().__init__(proofs, chain, deployment.hub, rpc)
        self.deployment = deployment
        self.batches: tuple[int, ...] = (1,)

    @classmethod
    def build(
        cls, proofs: Proofs, chain: Anvil, folder: Path, *, batches: Sequence[int] = (1,), others: Sequence[str] = ()
    ) -> Self:
        """Deploy with circuits for these numbers of windows, and give each feed its first round.

        Args:
            others: Further feeds, which are like `solo`.
        """
        names = (SOLO, "level", *others)
        feeds = [FeedPlan(name, terms_of(name), SOLO) for name in names] + [FeedPlan(TRIO, terms_of(TRIO), TRIO)]
        committees = (
            CommitteePlan(SOLO, (chain.accounts[REPORTER].address,), 1),
            CommitteePlan(TRIO, tuple(chain.accounts[each].address for each in COMMITTEE), 3),
        )
        models = {"default": [proofs.artifact(batch=batch) for batch in batches]}
        plan = DeployPlan(committees, tuple(feeds), models, change_delay=0)
        payer = Account.from_key(chain.accounts[DEPLOYER].key)

        async def deployed() -> Deployment:
            async with Rpc(chain.rpc_url, chain.chain_id) as rpc:
                return await deploy(plan, rpc, payer, folder / "deployment.json", poll_s=0.01)

        rig = cls(proofs, chain, proofs.run(deployed()))
        try:
            rig.batches = tuple(batches)
            rig.start = rig.now()
            in_order = ascending(names)
            for at in range(0, len(in_order), batches[-1]):
                some = in_order[at : at + batches[-1]]
                assert rig.accepts(rig.together({name: rig.seen(name, ANSWER, 0) for name in some}))
            assert rig.accepts(rig.honest(TRIO, *rig.seen(TRIO, ANSWER, 0)))
            rig.wait_until(6 * HOURS)
        except BaseException:
            rig.close()
            raise
        return rig

    def second_hub(self, verifier: str | None = None) -> Rig:
        """Deploy another hub of the same code, with the same model, committees and feed `solo`, and without rounds.

        Args:
            verifier: Another verifier than this hub's.
        """
        owner, places = self.address(DEPLOYER), self.deployment
        arguments = hub_interface().encode_constructor(owner, owner, 0, places.factory, places.lens)
        hub = self.create("ZkOracle", arguments, places.libraries)
        other = Rig(self.proofs, self.chain, places.model_copy(update={"hub": hub}), self.rpc)
        other.start = self.start
        architecture, model = self.run(self.hub.architecture(1)), self.run(self.hub.model(1))
        shape = (bytes(architecture.features), architecture.outputs, architecture.binds_model)
        other.admin("addArchitecture", *shape, architecture.batch_sizes, [verifier or self.verifier()])
        other.admin("addModel", model.model_hash, 1, model.artifact_hash, model.score_unit, astuple(self.probe()))
        for name in (SOLO, TRIO):
            found = self.run(self.hub.committee(self.committee(name)))
            other.admin("addCommittee", found.reporters, found.quorum)
        other.add_feed(SOLO, SOLO)
        return other

    def create(self, name: str, arguments: bytes = b"", libraries: Mapping[str, str] | None = None) -> str:
        """Deploy one of our contracts, and return its address. It is linked with libraries that there are."""
        contract = compiled.load(name)
        contract = contract.link({each: (libraries or {})[each] for each in contract.needs})
        return self.put(contract.bytecode + arguments)

    def fork(self, chain: Anvil) -> Rig:
        """Return the same hub on a chain that starts from this chain's state."""
        assert chain.rpc("anvil_loadState", self.chain.rpc("anvil_dumpState"))
        other = Rig(self.proofs, chain, self.deployment)
        other.start = self.start
        # A state does not include the clock.
        other.wait_until(self.now() - self.start + 1)
        return other

    # --- the oracle --------------------------------------------------------------------------------------------

    def feed_id(self, name: str) -> bytes:
        return feed_id_of(f"{name} / USD")

    def terms(self, name: str) -> HubFeedConfig:
        return self.run(self.hub.feed_config(self.feed_id(name)))

    def committee(self, name: str) -> int:
        """Return the number of a committee, by its name."""
        return self.deployment.committees[name].number

    def add_feed(self, name: str, like: str, model_number: int = 1, **changes: Any) -> None:
        """Add a feed without rounds, with the terms of `solo`, `trio` or `level` except `changes`."""
        committee = self.committee(TRIO if like == TRIO else SOLO)
        config = replace(terms_of(like), description=f"{name} / USD", **{"committee": committee} | changes)
        self.admin("addFeed", in_order(config), model_number)

    def state(self, name: str) -> FeedState:
        return self.run(self.hub.feed_state(self.feed_id(name)))

    def verifier(self, batch: int = 1) -> str:
        found = self.run(self.hub.architecture(1))
        return found.verifiers[found.batch_sizes.index(batch)]

    def admin(self, function: str, *arguments: Any) -> None:
        assert self.send(hub_interface().encode_call(function, *arguments), DEPLOYER), function

    # --- models ------------------------------------------------------------------------------------------------

    def probe(self, kind: str = "private", batches: Sequence[int] | None = None) -> Probe:
        """Return what shows the hub that circuits belong to this model: a proof of a calm window by each of them."""
        probes = [self.proofs.artifact(kind, batch).probe() for batch in batches or self.batches]
        return Probe(probes[0].window, probes[0].scores, tuple(probe.proof for probe in probes))

    def add_architecture(
        self,
        kind: str = "private",
        batches: Sequence[int] = (1,),
        *,
        listed: Sequence[Feature] | None = None,
        verifiers: Sequence[str] = (),
    ) -> int:
        """Add the circuits of a model, and return the architecture's number.

        Args:
            listed: Other features than the model's.
            verifiers: Verifiers that there are already; otherwise the circuits' own are deployed.
        """
        found = [self.proofs.artifact(kind, batch) for batch in batches]
        features = bytes(self.proofs.listed(kind) if listed is None else listed)
        shape = (features, found[0].manifest.outputs, found[0].model_hash is not None)
        placed = verifiers or [self.put(each.verifier().bytecode) for each in found]
        self.admin("addArchitecture", *shape, batches, placed)
        return self.run(self.hub.architecture_count())

    def model_call(self, kind: str = "private", architecture: int = 1, **changes: Any) -> bytes:
        """Return the call that adds a model, with some of its arguments changed."""
        found = self.proofs.artifact(kind)
        arguments = {
            "modelHash": found.model_hash or 0,
            "architectureId": architecture,
            "artifactHash": bytes.fromhex(found.artifact_hash),
            "scoreUnit": found.manifest.score_unit,
        }
        probe = changes.pop("probe", None) or self.probe(kind)
        return hub_interface().encode_call("addModel", *(arguments | changes).values(), astuple(probe))

    def add_model(self, kind: str, architecture: int = 1, **changes: Any) -> int:
        """Add other weights of the same architecture, or a model of another one, and return its number."""
        assert self.send(self.model_call(kind, architecture, **changes), DEPLOYER)
        return self.run(self.hub.model_count())

    def propose(self, name: str, model_number: int, compared: int = 0, disagreements: int = 0) -> None:
        self.admin("proposeModel", self.feed_id(name), model_number, compared, disagreements)

    def activate(self, name: str, model_number: int) -> None:
        """Make another model judge a feed from now on."""
        self.propose(name, model_number)
        self.admin("activateModel", self.feed_id(name))

    def verifies(self, verifier: str, proof: bytes, instances: Sequence[int]) -> bool:
        """Return whether a verifier itself returns true. A revert counts as false."""
        data = VERIFY + abi_encode(["bytes", "uint256[]"], [proof, list(instances)])
        try:
            answer = self.run(self.rpc.call(verifier, data, sender=self.address(OUTSIDER)))
        except ContractRejected:
            return False
        return bool(answer == (1).to_bytes(32))

    # --- submissions -------------------------------------------------------------------------------------------

    def sign(self, calldata: Calldata, *accounts: int, hub: str | None = None) -> Calldata:
        """Return the submission with each row signed as it stands, by these accounts."""
        signatures = []
        for row, account in zip(calldata.rows, accounts, strict=True):
            digest = report_digest(
                self.chain.chain_id, hub or self.hub.address, cast(Report, calldata), row, Signature().readings
            )
            key = self.chain.accounts[account].key
            signed = Account.unsafe_sign_hash(digest, key)
            vs = signed.s | ((signed.v - 27) << 255)
            signatures.append(Signature(r=signed.r.to_bytes(32), vs=vs.to_bytes(32)))
        return replace(calldata, signatures=tuple(signatures))

    def window(
        self, name: str, answer: int, after: int, *, listed: Sequence[Feature] | None = None, **seen: Any
    ) -> Window:
        """Return what a model sees of an answer: the default model, unless its features are given."""
        return self.windows({name: answer}, (name,), after, listed or self.proofs.listed(), **seen)[0]

    def windows(
        self,
        answers: Mapping[str, int],
        due: Sequence[str],
        after: int,
        listed: Sequence[Feature],
        *,
        spreads: Mapping[str, int] | None = None,
        counts: Mapping[str, int] | None = None,
    ) -> list[Window]:
        """Return what a model sees of each feed that is due, given the medians of all feeds of a report."""
        by_id = {self.feed_id(name): answer for name, answer in answers.items()}
        found = []
        for name in due:
            state = self.state(name)
            terms = {peer: self.run(self.hub.feed_config(peer)) for peer in state.peers if peer in by_id}
            found.append(
                encoding.features(
                    state,
                    answers[name],
                    self.start + after,
                    listed,
                    tolerance=self.terms(name).tolerance,
                    spread=(spreads or {}).get(name, 0),
                    count=(counts or {}).get(name, 1),
                    peers=[PeerAnswer(each.kind, each.sigma, by_id[peer]) for peer, each in terms.items()],
                )
            )
        return found

    def seen(self, name: str, answer: int, after: int = 600) -> tuple[Sighting, ...]:
        """Return one answer, observed by as many reporters as the feed needs."""
        accounts = COMMITTEE[:3] if name.startswith(TRIO) else (REPORTER,)
        return tuple(Sighting(answer, after, account) for account in accounts)

    def honest(self, name: str, *sightings: Sighting, kind: str = "private", model_number: int = 1) -> Calldata:
        """Return a submission as the pipeline would make it."""
        return self.together({name: sightings}, kind=kind, model_number=model_number)

    def draft(self, reports: Reports, *, due: Collection[str] | None = None, model_number: int = 1) -> Calldata:
        """Return what reporters sign together, ascending, without signatures, scores and proof.

        A reporter without a sighting of a feed has no answer for it. The rows are in the order of the accounts.
        """
        names = ascending(reports)
        sightings = [each for found in reports.values() for each in found]
        (after,) = {each.after for each in sightings}
        accounts = sorted({each.account for each in sightings})
        answers = {(name, each.account): each.answer for name, found in reports.items() for each in found}
        states = self.run(self.hub.feed_states([self.feed_id(name) for name in names]))
        number = states[0].committee
        empty = Calldata(
            model_number=model_number,
            committee=number,
            epoch=self.run(self.hub.committee(number)).epoch,
            observed_at=self.start + after,
            feed_ids=tuple(self.feed_id(name) for name in names),
            round_ids=tuple(
                state.round_id + 1 if due is None or name in due else 0
                for name, state in zip(names, states, strict=True)
            ),
            signatures=(Signature(),) * len(accounts),
            answers=b"",
            medians=b"",
            scores=b"",
            proof=b"",
        )
        return empty.with_rows(*([answers.get((name, account), NO_ANSWER) for name in names] for account in accounts))

    def together(
        self,
        reports: Reports,
        *,
        due: Collection[str] | None = None,
        kind: str = "private",
        model_number: int = 1,
        batch: int | None = None,
        listed: Sequence[Feature] | None = None,
    ) -> Calldata:
        """Return one submission for several feeds, proven by the circuit that the hub will choose or by another one.

        Args:
            reports: What each reporter saw of each feed, all at one time.
            due: The feeds that are judged; None: all. The others are listed as peers.
            kind: The model that proves it.
            listed: Other features than the model's own, where the hub has another list for it.
        """
        draft = self.draft(reports, due=due, model_number=model_number)
        names = ascending(reports)
        judged = [name for name in names if due is None or name in due]
        if batch is None:
            batch = next(size for size in self.batches if size >= len(judged))
        columns = {name: [each[at] for each in draft.rows] for at, name in enumerate(names)}
        there = {name: [each for each in column if each != NO_ANSWER] for name, column in columns.items()}
        medians = {name: sorted(found)[len(found) // 2] for name, found in there.items()}
        windows = self.windows(
            medians,
            judged,
            draft.observed_at - self.start,
            listed or self.proofs.listed(kind),
            spreads={name: self.spread(name, min(found), max(found)) for name, found in there.items()},
            counts={name: len(found) for name, found in there.items()},
        )
        scores = [score for window in windows for score in self.proofs.scores(window, kind)]
        proof = self.proofs.prove(*windows, kind=kind, batch=batch)
        accounts = sorted({each.account for found in reports.values() for each in found})
        return replace(self.sign(draft, *accounts), scores=packed(*scores), proof=proof)

    def spread(self, name: str, lowest: int, highest: int) -> int:
        terms = self.terms(name)
        return encoding.spread(terms.kind, terms.sigma, lowest, highest)

    def refusal(self, attack: Calldata | bytes, account: int = OUTSIDER, call: SubmitCall = SUBMIT) -> str | None:
        """Return the custom error that a submission or another call reverts with; None if it would succeed."""
        data = attack if isinstance(attack, bytes) else encode(attack, call)
        decode, sender = hub_interface().decode_error, self.address(account)
        try:
            self.run(self.rpc.call(self.hub.address, data, sender=sender, decode=decode))
        except ContractRejected as error:
            return error.name or str(error)
        return None

    def refuses(self, attack: Calldata | bytes, error: str, account: int = OUTSIDER, call: SubmitCall = SUBMIT) -> None:
        """Assert that a call reverts with this custom error, and that a transaction with it writes nothing."""
        data = attack if isinstance(attack, bytes) else encode(attack, call)
        assert self.refusal(data, account) == error
        self.fails(data, account)

    def fails(self, data: bytes, account: int = OUTSIDER, gas: int = GAS) -> None:
        """Assert that a transaction reverts, and changes no contract."""
        receipt = self.receipt(data, account, gas=gas)
        assert receipt["status"] == "0x0"
        assert self.changed(receipt) == set()

    def accepts(self, submission: Calldata, account: int = OUTSIDER, call: SubmitCall = SUBMIT) -> bool:
        """Send a submission and return whether the hub takes it. The feed's state tells if it was accepted or held."""
        return self.send(encode(submission, call), account)

    def insists(self, name: str, answer: int, after: int, reports: int = 3, step: int = CONFIRM_DELAY) -> None:
        """Report an answer so many times, and let as much time pass on the chain as between the observations."""
        for report in range(reports):
            if report:
                self.later(step)
            assert self.accepts(self.honest(name, *self.seen(name, answer, after + step * report)))


def terms_of(name: str) -> HubFeedConfig:
    """Return the terms of `trio` and of `level`; those of `solo` for all other names."""
    absolute = name == "level"
    return HubFeedConfig(
        description=f"{name} / USD",
        kind=Kind.ABSOLUTE if absolute else Kind.RELATIVE,
        decimals=8,
        confirmations=2,
        max_repeats=0,
        heartbeat=HEARTBEAT,
        max_age=HEARTBEAT,
        max_skew=SKEW,
        confirm_delay=CONFIRM_DELAY,
        tolerance=3_000,
        max_spread=2_000 if name == TRIO else 0,
        sigma=LEVEL_SIGMA if absolute else SIGMA_PPM,
        committee=0,
    )


def in_order(config: HubFeedConfig) -> tuple[Any, ...]:
    """Return a feed's terms in the order of the contract's struct."""
    entry = next(each for each in hub_interface().abi if each.get("name") == "addFeed")
    names = (part["name"] for part in entry["inputs"][0]["components"])
    return tuple(getattr(config, re.sub("([A-Z])", r"_\1", name).lower()) for name in names)


def ascending(names: Iterable[str]) -> tuple[str, ...]:
    """Sort feeds by their ids, the order in which the hub takes them."""
    return tuple(sorted(names, key=lambda name: feed_id_of(f"{name} / USD")))


def pairs(count: int) -> list[str]:
    """Return the names of feeds that are like `solo`."""
    return [f"pair{index:02}" for index in range(count)]
