"""Tests of claims about some of several outputs and about changes, with real proofs, on a chain, and attacked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from eth_account import Account

from oracle.chain.abi.interface import Interface
from oracle.chain.contract import read
from oracle.chain.deploy.create2 import Creation, create
from oracle.chain.local.anvil import Anvil
from oracle.chain.local.solc import compile_standard, standard_input
from oracle.chain.rpc import Rpc
from oracle.chain.tx.call import Call, send_call
from oracle.chain.tx.sender import Sender
from oracle.claims import (
    AtLeast,
    Between,
    ChangeBetween,
    ClaimBound,
    ClaimProof,
    ClaimTerms,
    Constraints,
    Earlier,
    ModelSpec,
    ZkmlClient,
    attest,
)
from oracle.claims.client import ClaimNotMet
from oracle.claims.onchain import Registry, problem, registry_interface, solidity_terms
from oracle.cli import oracle
from oracle.core.encoding import FIELD_MODULUS
from oracle.core.errors import ContractRejected, DataError
from oracle.proving.artifact import CIRCUIT, PK, SETTINGS, SRS, VK
from oracle.proving.engine.child import EngineProcess
from tests import circuits
from tests.claim_models import several

FAR = (1 << 40) - 1
NAME = "several"
BEFORE = {"x0": 0.25, "x1": 0.3, "x2": 0.45}
NOW = {"x0": 0.3, "x1": 0.3, "x2": 0.4}
SALT, SALT_BEFORE = (1, 2, 3), (4, 5, 6)
EARLIER = Earlier(BEFORE, SALT_BEFORE)


@dataclass
class Market:
    """A chain with a registry, the model, its issuer, and an insurer who renews."""

    chain: Anvil
    client: ZkmlClient
    registry: str = ""
    issued: int = 0
    consumers: dict[str, Any] = field(default_factory=dict)

    @property
    def accounts(self) -> list[Any]:
        """Return the accounts: admin, issuer, subject, and somebody else."""
        return [Account.from_key(each.key) for each in self.chain.accounts[:4]]

    @property
    def subject(self) -> str:
        return str(self.accounts[2].address)

    def run(self, work: Callable[[Rpc], Any]) -> Any:
        """Run a coroutine and return its result."""

        async def connected() -> Any:
            async with Rpc(self.chain.rpc_url) as rpc:
                return await work(rpc)

        return asyncio.run(connected())

    def attested(self, claim: ClaimProof, issued_at: int, **changes: Any) -> ClaimProof:
        """Return the claim with the issuer's signature."""
        told: dict[str, Any] = {"subject": claim.subject, "commitment": claim.commitment, "model_id": claim.model_id}
        place: dict[str, Any] = {"chain_id": self.chain.chain_id, "registry": self.registry}
        signed = attest(self.accounts[1], expires_at=FAR, issued_at=issued_at, **place, **(told | changes))
        return replace(claim, attestation=signed)

    def submit(self, claim: ClaimProof, by: int = 2) -> None:
        self.run(lambda rpc: Registry(rpc, self.registry, self.accounts[by], poll_s=0.02).submit(claim))

    def refuses(self, claim: ClaimProof, error: str, by: int = 2) -> None:
        with pytest.raises(ContractRejected) as refused:
            self.submit(claim, by)
        assert refused.value.name == error, refused.value

    def read(self, function: str, *arguments: Any) -> Any:
        return self.run(lambda rpc: read(rpc, registry_interface(), self.registry, function, *arguments))


@pytest.fixture(scope="module")
def client() -> Iterator[ZkmlClient]:
    with ZkmlClient(circuits.folder()) as made:
        made.register_model(several(NAME, changes=True))
        yield made


@pytest.fixture(scope="module")
def market(client: ZkmlClient, anvil: Callable[..., Anvil]) -> Market:
    made = Market(anvil(), client)
    admin, issuer, *_ = made.accounts

    async def opened(rpc: Rpc) -> tuple[str, int]:
        registry = await Registry.deploy(rpc, admin, 0, poll_s=0.02)
        await registry.propose(client.registered(NAME))
        await registry.trust(issuer.address, client.registered(NAME))
        return registry.address, (await rpc.block()).timestamp

    made.registry, made.issued = made.run(opened)
    return made


def outputs(client: ZkmlClient, inputs: dict[str, float]) -> list[float]:
    model = client.registered(NAME)
    return [each / model.circuit.score_unit for each in model.circuit.scores(model.spec.encode(inputs))]


@pytest.fixture(scope="module")
def first(market: Market) -> ClaimProof:
    """Return a claim about the second output on the earlier data, which is recorded."""
    value = outputs(market.client, BEFORE)[1]
    claim = market.client.generate_inference_proof(
        NAME, BEFORE, {"b": Between(value - 0.1, value + 0.2)}, market.subject, salt=SALT_BEFORE, expires_at=FAR
    )
    claim = market.attested(claim, market.issued)
    market.submit(claim)
    return claim


@pytest.fixture(scope="module")
def changed(market: Market, first: ClaimProof) -> ClaimProof:
    """Return a claim about the change of the second output since then, not submitted."""
    told = {"b": ChangeBetween(-0.5, 0.5)}
    return market.client.generate_inference_proof(
        NAME, NOW, told, market.subject, salt=SALT, earlier=EARLIER, expires_at=FAR
    )


def test_one_output_of_three(market: Market, first: ClaimProof) -> None:
    assert market.client.verify_inference_proof(first)
    assert market.run(lambda rpc: problem(rpc, market.registry, first)) is None
    model, _, _, _ = solidity_terms(first)
    (bound,) = first.terms.bounds
    assert bound.output == 1 and first.terms.changes == ()

    def covers(output: int, lo: int, hi: int) -> bool:
        return bool(market.read("covers", market.subject, (model, [(output, lo, hi)], [], 0), solidity_terms(first)))

    assert covers(1, bound.lo, bound.hi) and covers(1, bound.lo - 9, bound.hi + 9)
    assert not covers(1, bound.lo + 1, bound.hi)
    limit = market.client.registered(NAME).circuit.limit
    # The widest bounds of another output are true, and not claimed.
    assert not covers(0, -limit, limit) and not covers(2, -limit, limit)


@pytest.mark.attack
def test_both_data_run_through_the_same_weights(client: ZkmlClient) -> None:
    """The hash of the weights has each of them once: no copy for the earlier data, which could be another model."""
    model = client.registered(NAME)
    weights = [int(each) for array in model.circuit.circuit.constants.values() for each in np.ravel(array)]
    assert len(weights) == 12
    with EngineProcess(threads=1) as engine:
        (found,) = engine.call("poseidon", vectors=[weights])
    assert int(found, 16) == model.model_hash


def test_nothing_of_the_others_is_published(market: Market, first: ClaimProof, changed: ClaimProof) -> None:
    """Instances are all that a proof shows: the same ones, whatever the outputs that no bound is stated for."""
    circuit = market.client.registered(NAME).circuit
    limit = circuit.limit
    for claim in (first, changed):
        instances = claim.instances(circuit.shape)
        assert len(instances) == 4 + circuit.outputs
        named = {(0, each.output) for each in claim.terms.bounds} | {(3, each.output) for each in claim.terms.changes}
        for at in set(range(6)) - {offset + output for offset, output in named}:
            assert instances[4 + at] == FIELD_MODULUS - 2 * limit - 1
            assert instances[4 + 6 + at] == 2 * limit + 1
        scores = {
            abs(each) for inputs in (NOW, BEFORE) for each in circuit.scores(several(changes=True).encode(inputs))
        }
        text = json.dumps(claim.document())
        assert not any(str(each) in text for each in scores)
        assert not any(str(each) in text for each in (*SALT_BEFORE, *NOW.values()) if isinstance(each, float))


def test_claims_that_do_not_hold_are_refused(client: ZkmlClient, market: Market) -> None:
    value, change = outputs(client, NOW), outputs(client, NOW)[1] - outputs(client, BEFORE)[1]
    assert abs(change) > 0.01
    refused: list[tuple[Constraints, Earlier | None]] = [
        ({"a": Between(value[0] - 1, value[0] + 1), "c": AtLeast(value[2] + 0.01)}, None),
        ({"b": ChangeBetween(-abs(change) / 2, abs(change) / 2)}, EARLIER),
        ({"b": (Between(value[1] - 1, value[1] + 1), ChangeBetween(change + 0.01, 5))}, EARLIER),
    ]
    for told, earlier in refused:
        with pytest.raises(ClaimNotMet):
            client.prepare(NAME, NOW, told, market.subject, earlier=earlier)


def forged(client: ZkmlClient, vectors: list[list[int]]) -> dict[str, Any]:
    """Prove without the client, which refuses what does not hold."""
    artifact = client.registered(NAME).artifact
    files = {"circuit": CIRCUIT, "settings": SETTINGS, "vk": VK, "pk": PK, "srs": SRS}
    paths: dict[str, Any] = {key: artifact.file(file) for key, file in files.items()}
    with EngineProcess(threads=2) as engine:
        return dict(engine.call("prove", **paths, inputs=vectors, outputs=None))


@pytest.mark.attack
def test_another_change_cant_be_proven(market: Market, first: ClaimProof, changed: ClaimProof) -> None:
    """A prover with an engine of its own says that the output has hardly changed, and takes earlier data that fit."""
    client = market.client
    model = client.registered(NAME)
    change = outputs(client, NOW)[1] - outputs(client, BEFORE)[1]
    unit, shape = model.circuit.score_unit, model.circuit.shape
    most = int(abs(change) * unit / 2)
    terms = ClaimTerms((), (ClaimBound(1, -most, most),), first.commitment)
    statement = list(shape.statement(terms, FAR, market.subject))
    now, before = client.commit(NAME, NOW, SALT), client.commit(NAME, BEFORE, SALT_BEFORE)
    data, earlier = [*now.features, *now.salt], [*before.features, *before.salt]
    # The circuit says no.
    made = forged(client, [data, earlier, statement])
    assert made["outputs"][-1] == 0
    honest = replace(
        changed, terms=terms, statement_hash=int(made["instances"][2], 16), proof=bytes.fromhex(made["proof"])
    )
    market.refuses(market.attested(honest, market.issued + 1), "ProofRejected")
    # It says yes of other earlier data: those of now. Then their hash is another than the one on record.
    made = forged(client, [data, data, statement])
    assert made["outputs"][-1] == 1
    told = replace(honest, statement_hash=int(made["instances"][2], 16), proof=bytes.fromhex(made["proof"]))
    assert not client.verify_inference_proof(told)
    market.refuses(market.attested(told, market.issued + 1), "ProofRejected")
    # The data that they are of were never recorded, and if they were, it would be no change since the first claim.
    of_now = replace(told, terms=replace(terms, earlier=now.value))
    assert client.verify_inference_proof(of_now)
    market.refuses(market.attested(of_now, market.issued + 1), "UnknownEarlier")


@pytest.mark.attack
def test_a_change_since_what_was_never_claimed(market: Market, first: ClaimProof, changed: ClaimProof) -> None:
    good = market.attested(changed, market.issued + 1)
    # The old data again, whose attestation is still valid; data of the same time; an issuer's time of one's own.
    market.refuses(market.attested(changed, market.issued), "NotLater")
    market.refuses(market.attested(changed, market.issued - 1), "NotLater")
    signed = market.attested(changed, market.issued).attestation
    assert signed is not None
    market.refuses(replace(changed, attestation=replace(signed, issued_at=market.issued + 1)), "UntrustedIssuer")
    # Another commitment, somebody else's, none, and a claim without the change.
    for earlier, error in ((first.commitment ^ 1, "UnknownEarlier"), (0, "InvalidTerms")):
        market.refuses(replace(good, terms=replace(changed.terms, earlier=earlier)), error)
    other = replace(changed, subject=market.accounts[3].address)
    market.refuses(market.attested(other, market.issued + 1), "UnknownEarlier", by=3)
    bound = changed.terms.changes[0]
    for terms, error in (
        (replace(changed.terms, changes=(replace(bound, output=0),)), "ProofRejected"),
        (replace(changed.terms, changes=(replace(bound, hi=bound.hi - 1),)), "ProofRejected"),
        (replace(changed.terms, bounds=(bound,)), "ProofRejected"),
        (ClaimTerms((bound,)), "ProofRejected"),
    ):
        assert not market.client.verify_inference_proof(replace(good, terms=terms))
        market.refuses(replace(good, terms=terms), error)
    # Nor is it one of the earlier data: the two inputs can't change places.
    swapped = replace(good, commitment=first.commitment, terms=replace(changed.terms, earlier=changed.commitment))
    assert not market.client.verify_inference_proof(swapped)


def test_an_insurer_renews(market: Market, first: ClaimProof, changed: ClaimProof, project_root: Path) -> None:
    """From the first claim to the renewal: a contract decides, and learns neither output."""
    file = "contracts/examples/ClaimConsumers.sol"
    sources = (file, "contracts/src/interfaces/IClaimRegistry.sol")
    request = standard_input({name: (project_root / name).read_text() for name in sources})
    code = compile_standard(request, "0.8.30")["contracts"][file]["RenewingInsurer"]
    interface = Interface(code["abi"])
    (bound,) = first.terms.bounds
    (change,) = changed.terms.changes
    required = (first.model_id.to_bytes(32, "big"), 1, bound.lo, bound.hi)
    arguments = interface.encode_constructor(market.registry, required, change.hi, 86_400)
    subject = market.accounts[2]

    async def insured(rpc: Rpc) -> list[int]:
        made = await create(
            rpc,
            Sender(rpc, subject, poll_s=0.02),
            Creation("insurer", bytes.fromhex(code["evm"]["bytecode"]["object"]), arguments),
        )

        async def call(function: str) -> None:
            call = Call(function, made.address, interface.encode_call(function), interface)
            await send_call(rpc, subject, call)

        async def accepted() -> int:
            return int(await read(rpc, interface, made.address, "accepted", subject.address))

        await call("accept")
        found = [await accepted()]
        with pytest.raises(ContractRejected, match="NoClaim"):
            await call("renew")
        own = Registry(rpc, market.registry, subject, poll_s=0.02)
        await own.submit(market.attested(changed, market.issued + 1))
        assert await own.is_valid(changed)
        await call("renew")
        return [*found, await accepted()]

    assert market.run(insured) == [first.commitment, changed.commitment]
    # The issuer of the earlier data revokes them: the change is none any more.
    market.run(lambda rpc: Registry(rpc, market.registry, market.accounts[1], poll_s=0.02).revoke(first.commitment))
    why = market.run(lambda rpc: problem(rpc, market.registry, changed))
    assert why == f"the issuer of the earlier data, {market.accounts[1].address}, has revoked them"


def test_by_command(market: Market, tmp_path: Path, client: ZkmlClient, changed: ClaimProof) -> None:
    """A claim about two outputs and a change, and what is refused before anything is built."""
    spec: ModelSpec = several(NAME, changes=True)
    spec.save(tmp_path)
    for name, inputs, salt in (("now", NOW, SALT), ("before", BEFORE, SALT_BEFORE)):
        (tmp_path / f"{name}.json").write_text(json.dumps({**inputs, "salt": salt}))
    value = outputs(client, NOW)
    terms = {"outputs": {"a": {"at_least": value[0] - 1}, "b": {"change": [-0.5, 0.5]}}}
    (tmp_path / "terms.json").write_text(json.dumps(terms))
    out = tmp_path / "claim.json"
    fixed = ("--model", str(tmp_path / f"{NAME}.json"), "--folder", str(circuits.folder()), "--subject", market.subject)

    def prove(*options: str, code: int = 0) -> str:
        done = CliRunner().invoke(
            oracle, ["claim", "prove", str(tmp_path / "now.json"), *fixed, "--out", str(out), *options]
        )
        if code:
            assert isinstance(done.exception, DataError) and done.exception.exit_code == code
            return str(done.exception)
        assert done.exit_code == 0, (done.output, done.exception)
        return done.output

    before = ("--earlier", str(tmp_path / "before.json"))
    assert "state constraints by output" in prove("--at-least", "0", code=2)
    assert "no output 'd'" in prove("--output", "d", "--at-least", "0", code=2)
    assert "which have to be given" in prove("--output", "b", "--change", "-1", "1", code=2)
    assert "goes with no other option" in prove("--terms", str(tmp_path / "terms.json"), "--at-least", "0", code=2)
    prove("--terms", str(tmp_path / "terms.json"), *before)
    claim = ClaimProof.load(out)
    assert [each.output for each in claim.terms.bounds] == [0] and [each.output for each in claim.terms.changes] == [1]
    assert claim.terms.earlier == changed.terms.earlier and client.verify_inference_proof(claim)
    shown = CliRunner().invoke(oracle, ["claim", "show", str(out)]).output
    assert "output 0 " in shown and "change of 1 " in shown
    edited = json.loads(out.read_text())
    edited["terms"]["bounds"][0]["lo"] = "0"
    out.write_text(json.dumps(edited))
    with pytest.raises(DataError, match="is not a valid claim"):
        ClaimProof.load(out)
