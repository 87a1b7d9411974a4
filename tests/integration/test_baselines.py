"""Tests of the baselines: the contract's verdicts and the circuit's are the model's, and no other can be proven.

The circuit's tests run only where its tools are installed, which `oracle bench --cases 'groth16-*'` does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oracle.bench import baselines, groth16
from oracle.bench.models import default_model
from oracle.bench.transactions import first_sender, send
from oracle.chain.abi.interface import Interface
from oracle.chain.local.anvil import Anvil
from oracle.chain.rpc import Rpc
from oracle.core.encoding import FIELD_MODULUS
from oracle.core.errors import Fatal, ToolMissing
from oracle.detectors.kinds.quadratic import QuadraticModel

with_tools = pytest.mark.skipif(not groth16.is_installed(), reason="run `oracle bench --cases 'groth16-*'` first")


@pytest.fixture(scope="module")
def even(project_root: Path) -> tuple[QuadraticModel, list[list[int]]]:
    """Return a model, and windows on its limits: the last that it accepts, the first that it holds, and so on."""
    table = json.loads((project_root / "tests/vectors/quadratic.json").read_text(encoding="utf-8"))["boundary"]
    past = tuple(int(weight) for weight in table["past"])
    floor, drift_past, drift_floor, scale = (int(table[name]) for name in ("floor", "driftPast", "driftFloor", "scale"))
    windows = []
    for ring, move, gap in list(zip(table["ring"], table["move"], table["gap"], strict=True))[-8:]:
        words = [(int(ring) >> (16 * age)) & 0xFFFF for age in range(len(past))]
        windows.append([int(move), *(word - 0x10000 if word >> 15 else word for word in words), int(gap)])
    return QuadraticModel("boundary", past, floor, drift_past, drift_floor, scale), windows


async def test_the_contracts_verdicts_are_the_models(
    anvil: Callable[..., Anvil], even: tuple[QuadraticModel, list[list[int]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, chain = default_model("score"), anvil()
    windows = baselines.mixed_windows(model, 6)
    async with Rpc(chain.rpc_url, chain.chain_id) as rpc:
        payer = await first_sender(rpc)
        found = await baselines.onchain(chain, payer, model, windows)
        assert found["gas"] == found["executed"] < 5_000 < 21_000 < found["transaction_gas"] < 30_000
        assert found["windows"] == len(windows)
        assert (await baselines.onchain(chain, payer, *even))["windows"] == 8
        monkeypatch.setattr(baselines, "is_held", lambda model, window: False)
        with pytest.raises(Fatal, match="OnchainQuadratic says 1 of the window"):
            await baselines.onchain(chain, payer, model, windows)


async def test_without_the_tools_the_other_figures_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(echo: groth16.Echo) -> None:
        raise ToolMissing("npm can't install snarkjs")

    monkeypatch.setattr(groth16, "install", missing)
    said: list[str] = []
    found = await baselines.run([baselines.ONCHAIN, baselines.GROTH16], 1, tmp_path, said.append)
    assert found[baselines.ONCHAIN]["gas"] > 0
    assert found[baselines.GROTH16] == {"missing": "npm can't install snarkjs"}
    assert said[-1] == "groth16-quadratic is not measured: npm can't install snarkjs"


@pytest.fixture(scope="module")
def circuit() -> groth16.Groth16Circuit:
    return groth16.build(default_model("score"), print)


@pytest.fixture(scope="module")
def prover(circuit: groth16.Groth16Circuit) -> Iterator[groth16.Groth16Prover]:
    with groth16.Groth16Prover(circuit) as running:
        yield running


@with_tools
@pytest.mark.slow
def test_the_circuits_verdicts_are_the_models(
    prover: groth16.Groth16Prover, even: tuple[QuadraticModel, list[list[int]]]
) -> None:
    model = default_model("score")
    hashes = set()
    for judge, windows in ((model, baselines.mixed_windows(model, 6)), even):
        verdicts = []
        for window in windows:
            proof = prover.prove(judge.weights(), window)
            assert proof.verified and proof.held == (max(judge.score_int(window)) > 0), window
            assert proof.published[2:] == tuple(value % FIELD_MODULUS for value in window)
            hashes.add(proof.published[0])
            verdicts.append(proof.held)
        assert verdicts == [False, True] * (len(windows) // 2)
    assert len(hashes) == 2


@with_tools
@pytest.mark.slow
def test_a_model_is_known_by_its_hash(prover: groth16.Groth16Prover) -> None:
    """A model that holds nothing has another hash, and so has one whose floors have the same sum in the field."""
    model = default_model("score")
    window = baselines.mixed_windows(model, 2)[1]
    honest, weights = prover.prove(model.weights(), window), list(model.weights())
    lenient = [*weights[:-3], 2**48 - 1, *weights[-2:]]
    proof = prover.prove(lenient, window)
    assert proof.verified and not proof.held and honest.held
    assert proof.published[0] != honest.published[0]
    lie = prover.prove(lenient, window, {1: honest.published[0]})
    assert lie.published[:2] == (honest.published[0], 0) and not lie.verified
    # floor + 2^48 · drift_floor stays what it is, and one of them leaves its range.
    shifted = [*weights[:-3], weights[-3] + 2**48, weights[-2] - 1, weights[-1]]
    with pytest.raises(Fatal, match="snarkjs makes no proof of window"):
        prover.prove(shifted, window)
    # The prover is still there.
    assert prover.prove(weights, window).verified


@with_tools
@pytest.mark.slow
@pytest.mark.attack
async def test_a_wrong_verdict_is_refused_by_snarkjs_and_by_the_contract(
    anvil: Callable[..., Anvil], circuit: groth16.Groth16Circuit, prover: groth16.Groth16Prover
) -> None:
    model, chain, interface = default_model("score"), anvil(), Interface(circuit.abi)
    async with Rpc(chain.rpc_url, chain.chain_id) as rpc:
        payer = await first_sender(rpc)
        verifier = str((await send(payer, None, circuit.bytecode)).contract_address)

        async def accepts(*arguments: object) -> bool:
            return (
                int.from_bytes(await rpc.call(verifier, interface.encode_call("verifyProof", *arguments)), "big") == 1
            )

        for window in baselines.mixed_windows(model, 2):
            honest = prover.prove(model.weights(), window)
            assert await accepts(*honest.arguments)
            *points, published = honest.arguments
            for index in (0, groth16.HELD_AT - 1, 2, len(published) - 1):
                changed = list(published)
                changed[index] = 1 - changed[index] if index == groth16.HELD_AT - 1 else changed[index] + 1
                assert not await accepts(*points, changed), index
            lie = prover.prove(model.weights(), window, {groth16.HELD_AT: int(not honest.held)})
            assert lie.held != honest.held and not lie.verified
            assert not await accepts(*lie.arguments)
