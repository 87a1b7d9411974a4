"""Private claims with real proofs: what holds, what is refused, and attempts to have something else believed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from eth_account import Account

from oracle.chain.anvil import Anvil
from oracle.chain.rpc import Rpc
from oracle.chain.solc import compile_standard
from oracle.claims import AtMost, Between, ClaimProof, Commitment, Equals, ModelSpec, OneOf, ZkmlClient, attest, demo
from oracle.claims.onchain import Registry
from oracle.claims.statement import OUTPUTS, subject_limbs
from oracle.cli import oracle
from oracle.encoding import FIELD_MODULUS
from oracle.errors import ContractRejected, DataError, OracleError
from oracle.proving.artifact import CIRCUIT, PK, SETTINGS, SRS, VK
from oracle.proving.child import EngineProcess
from oracle.proving.verifier import SOLC_VERSION

SUBJECT = "0x" + "ab" * 20
OTHER = "0x" + "cd" * 20
FAR = (1 << 40) - 1


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZkmlClient]:
    folder = tmp_path_factory.mktemp("claims")
    compiler = lambda request: compile_standard(request, SOLC_VERSION, use_cache=False)  # noqa: E731
    with ZkmlClient(folder, compiler=compiler) as made:
        made.register_model(ModelSpec.packaged("credit"))
        yield made


@pytest.fixture(scope="module")
def inputs(client: ZkmlClient) -> dict[str, object]:
    return demo.example(client.registered("credit"), 0.62, 0.73)


@pytest.fixture(scope="module")
def claim(client: ZkmlClient, inputs: dict[str, object]) -> ClaimProof:
    steps: list[str] = []
    made = client.generate_inference_proof(
        "credit", inputs, Between(0.6, 0.75), SUBJECT, expires_at=FAR, progress=steps.append
    )
    assert steps == ["commit", "prove", "proven"]
    return made


def test_a_claim_that_holds(client: ZkmlClient, claim: ClaimProof, tmp_path: Path) -> None:
    claim.save(tmp_path / "claim.json")
    assert ClaimProof.load(tmp_path / "claim.json") == claim
    assert client.verify_inference_proof(claim)


def test_another_salt_another_commitment(client: ZkmlClient, inputs: dict[str, object], claim: ClaimProof) -> None:
    # Without a salt whoever guesses the data is sure of it: the commitment is a function of the data alone.
    unsalted = client.commit("credit", inputs, (0, 0, 0)).value
    guessed = client.commit("credit", dict(inputs), (0, 0, 0)).value
    assert guessed == unsalted
    # With one, the same guess says nothing.
    assert client.commit("credit", inputs).value not in (claim.commitment, unsalted)
    assert "salt" not in repr(Commitment((1,), (2, 3, 4), 5))


def test_what_does_not_hold_is_refused_and_cant_be_proven(client: ZkmlClient, inputs: dict[str, object]) -> None:
    with pytest.raises(DataError, match="output is outside the range") as refused:
        client.generate_inference_proof("credit", inputs, Between(0.8, 0.9), SUBJECT)
    model = client.registered("credit")
    score = model.circuit.score(model.spec.encode(inputs))
    assert str(score) not in str(refused.value)
    # Past the client: the engine proves what the circuit computes, which is that the score is not in the range.
    lo, hi = model.spec.bounds(Between(0.8, 0.9), model.circuit.score_unit, model.circuit.limit)
    made = client.commit("credit", inputs)
    statement = [lo, hi, FAR, *subject_limbs(SUBJECT)]
    files = {"circuit": CIRCUIT, "settings": SETTINGS, "vk": VK, "pk": PK, "srs": SRS}
    paths = {key: model.artifact.file(name) for key, name in files.items()}
    with EngineProcess(threads=2) as engine:
        forged = engine.call("prove", **paths, inputs=[[*made.features, *made.salt], statement])
        (hashed,) = engine.call("poseidon", vectors=[statement])
    assert forged["outputs"][-2:] == [0, 1] and len(forged["outputs"]) == OUTPUTS
    told = ClaimProof(
        "credit", model.model_id, model.model_hash, made.value, lo, hi, model.circuit.score_unit, SUBJECT, FAR,
        int(hashed, 16), bytes.fromhex(forged["proof"]),
    )  # fmt: skip
    assert not client.verify_inference_proof(told)


@pytest.mark.attack
def test_nothing_can_be_changed(client: ZkmlClient, claim: ClaimProof) -> None:
    altered = bytearray(claim.proof)
    altered[100] ^= 1
    changes = [
        {"subject": OTHER},
        {"lo": claim.lo + 1},
        {"hi": claim.hi - 1},
        {"expires_at": FAR - 1},
        {"commitment": claim.commitment ^ 1},
        {"statement_hash": claim.statement_hash ^ 1},
        {"proof": bytes(altered)},
        {"proof": claim.proof + b"\0"},
        {"proof": claim.proof[:-32]},
        {"model_hash": claim.model_hash ^ 1},
        {"model_id": claim.model_id ^ 1},
        {"unit": claim.unit * 2},
        {"lo": claim.hi, "hi": claim.lo},
        # Beyond the field's half, where an order would mean nothing.
        {"hi": FIELD_MODULUS // 2 + 1},
        {"lo": claim.lo - FIELD_MODULUS},
        {"expires_at": 1},
    ]
    for change in changes:
        assert not client.verify_inference_proof(replace(claim, **change)), change  # type: ignore[arg-type]


def test_bad_inputs(client: ZkmlClient, inputs: dict[str, object]) -> None:
    def refuses(match: str, given: dict[str, object]) -> None:
        with pytest.raises(DataError, match=match):
            client.generate_inference_proof("credit", given, AtMost(0.9), SUBJECT)

    refuses("lack age_in_years", {key: value for key, value in inputs.items() if key != "age_in_years"})
    refuses("unknown wealth", {**inputs, "wealth": 1})
    refuses("outside the trained range", {**inputs, "age_in_years": 3})
    refuses("not a finite number", {**inputs, "age_in_years": float("nan")})
    refuses("none of", {**inputs, "credit_history": "excellent"})
    for bad in (lambda: Between(2, 1), lambda: Between(1, 1), lambda: Between(float("nan"), 1), lambda: OneOf((1, 3))):
        with pytest.raises(DataError):
            bad()
    for subject in ("", "0x12", "0x" + "00" * 20):
        with pytest.raises(DataError, match="not an address"):
            client.generate_inference_proof("credit", inputs, AtMost(0.9), subject)
    with pytest.raises(DataError, match="no classes"):
        client.generate_inference_proof("credit", inputs, Equals(1), SUBJECT)
    with pytest.raises(DataError, match="is registered"):
        client.commit("debit", inputs)


@pytest.mark.parametrize(
    ("text", "bounds", "says"),
    [
        (None, ["--at-least", "0.6"], r"inputs\.json can't be read: No such file"),
        ("age = 3", ["--at-least", "0.6"], r"inputs\.json is not JSON: write a value for each feature"),
        ("[1]", ["--at-least", "0.6"], "is no JSON object of inputs by name"),
        ("{}", [], "state --at-least, --at-most, or both"),
        ("{}", ["--at-least", "0.7", "--at-most", "0.6"], r"the bounds 0\.7 and 0\.6 are reversed"),
    ],
)
def test_what_the_command_can_do_nothing_with(tmp_path: Path, text: str | None, bounds: list[str], says: str) -> None:
    if text is not None:
        (tmp_path / "inputs.json").write_text(text)
    arguments = ["claim", "prove", str(tmp_path / "inputs.json"), "--subject", SUBJECT, *bounds]
    done = CliRunner().invoke(oracle, [*arguments, "--folder", str(tmp_path / "claims")])
    assert isinstance(done.exception, OracleError), done.output
    assert re.search(says, str(done.exception))
    assert not (tmp_path / "claim.json").exists()


def test_files_that_are_none(claim: ClaimProof, tmp_path: Path) -> None:
    whole = json.dumps(claim.document())
    path = tmp_path / "claim.json"
    for text in ("", whole[:-40], "[]", "{}", whole.replace("claim-v1", "claim-v0"), whole.replace(SUBJECT, "nobody")):
        path.write_text(text)
        with pytest.raises(DataError, match=r"no claim|not an address"):
            ClaimProof.load(path)


async def test_quantised_and_float_agree_but_for_the_guard_band() -> None:
    for name in ("identity", "credit", "fair-play"):
        card = ModelSpec.packaged(name).card
        assert card["guard_band"] <= 0.02
        assert abs(card["accuracy_float"] - card["accuracy_quantised"]) <= 0.005


async def test_four_cases_on_a_chain(client: ZkmlClient, anvil: Callable[..., Anvil]) -> None:
    chain = anvil()
    admin, issuer, subject, other = (Account.from_key(each.key) for each in chain.accounts[:4])
    lines: list[str] = []
    async with Rpc(chain.rpc_url) as rpc:
        assert await demo.run(client, rpc, admin, issuer, subject, lines.append) == [True, False, True, False]
        assert sum("output is outside the range" in line for line in lines) == 2
        address = lines[0].split()[1]
        registry = Registry(rpc, address, subject, poll_s=0.05)
        model, now = client.registered("credit"), (await rpc.block()).timestamp
        inputs = demo.example(model, 0.62, 0.73)
        claim = await client.prove("credit", inputs, Between(0.55, 0.8), subject.address, expires_at=now + 900)

        def signed(by: object, subject: str = subject.address, registry: str = address) -> ClaimProof:
            given = attest(
                by, chain_id=chain.chain_id, registry=registry, model_id=model.model_id, subject=subject,
                commitment=claim.commitment, expires_at=now + 900,
            )  # type: ignore[arg-type]  # fmt: skip
            return replace(claim, subject=subject, attestation=given)

        with pytest.raises(DataError, match="no issuer"):
            await registry.submit(claim)
        # A commitment that nobody trusted signed; a signature for another registry; another's proof as one's own.
        for refused, by in (
            (signed(other), registry),
            (signed(issuer, registry=OTHER), registry),
            (signed(issuer), Registry(rpc, address, other)),
            (signed(issuer, other.address), Registry(rpc, address, other)),
            (replace(signed(issuer), hi=claim.hi + 1), registry),
            (replace(signed(issuer), hi=1 << 126), registry),
        ):
            with pytest.raises(ContractRejected):
                await by.submit(refused)
            assert not await registry.is_valid(refused)
        await registry.submit(signed(issuer))
        assert await registry.is_valid(claim)
        with pytest.raises(ContractRejected, match="recorded already"):
            await registry.submit(signed(issuer))
        await Registry(rpc, address, issuer).revoke(claim.commitment)
        assert not await registry.is_valid(claim)
