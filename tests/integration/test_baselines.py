"""Tests of the baselines: the contract's verdicts and the circuit's are the model's, and no other can be proven.

The circuit's tests run only where its tools are installed, which `oracle bench --cases 'groth16-*'` does.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from oracle.bench import baselines, groth16, rivals
from oracle.bench.detectors import detector
from oracle.bench.transactions import first_sender, send
from oracle.chain.abi.interface import Interface
from oracle.chain.local.anvil import Anvil
from oracle.chain.rpc import Rpc
from oracle.core.encoding import CLIP, FIELD_MODULUS, feature_range
from oracle.core.errors import Fatal, ToolMissing
from oracle.detectors.interface import Detector
from oracle.detectors.kinds.polynomial import PolynomialModel
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


NAMES = sorted(rivals.ONCHAIN)


def held(model: Detector, windows: Sequence[Sequence[int]]) -> list[bool]:
    return [max(scores) > 0 for scores in model.score_many(windows).tolist()]


def random_windows(model: Detector, count: int, seed: int) -> list[list[int]]:
    """Return windows from the whole range of each feature, near and far; every second one is held."""
    rng = random.Random(seed)
    drawn = []
    for _ in range(60 * count):
        window = []
        for feature in model.features:
            (least, most), reach = feature_range(feature), 2 ** rng.randint(4, 15)
            window.append(rng.randint(max(least, -reach), min(most, max(reach, least))))
        drawn.append(window)
    verdicts = list(zip(drawn, held(model, drawn), strict=True))
    accepted, objected = ([window for window, found in verdicts if found is side] for side in (False, True))
    found = [window for pair in zip(accepted, objected, strict=False) for window in pair][:count]
    assert len(found) == count
    return found


def edges(model: Detector, count: int, seed: int) -> list[list[int]]:
    """Return windows in pairs: with the last move that the model accepts, and with the next one, which it holds."""
    found: list[list[int]] = []
    for window in random_windows(model, 4 * count, seed)[::2]:
        least, step = window[0], 256
        while step:
            moves = range(least, min(CLIP, least + 256 * step), step)
            verdicts = held(model, [[move, *window[1:]] for move in moves])
            if True not in verdicts[1:]:
                break
            least = moves[verdicts.index(True, 1) - 1]
            step = step // 256 if step > 1 else 0
        if not step and len(found) < 2 * count:
            found += [[least, *window[1:]], [least + 1, *window[1:]]]
    assert held(model, found) == [False, True] * (len(found) // 2)
    return found


@pytest.mark.parametrize("name", NAMES)
async def test_the_contracts_verdicts_are_the_models(
    anvil: Callable[..., Anvil], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, rival, chain = detector(name), rivals.ONCHAIN[name], anvil()
    windows = baselines.mixed_windows(model, 6)
    async with Rpc(chain.rpc_url, chain.chain_id) as rpc:
        payer = await first_sender(rpc)
        found = await baselines.onchain(chain, payer, rival, model, windows)
        assert found["gas"] == found["executed"] < 21_000 < found["transaction_gas"] < 45_000
        assert found["windows"] == len(windows)
        for others in (random_windows(model, 40, 1), edges(model, 6, 2)):
            assert len(others) >= 8
            assert (await baselines.onchain(chain, payer, rival, model, others))["windows"] == len(others)
        monkeypatch.setattr(baselines, "is_held", lambda model, window: False)
        with pytest.raises(Fatal, match=f"{rival.contract} says 1 of the window"):
            await baselines.onchain(chain, payer, rival, model, windows)


async def test_a_contract_says_what_the_model_says_on_the_limit(
    anvil: Callable[..., Anvil], even: tuple[QuadraticModel, list[list[int]]]
) -> None:
    chain = anvil()
    async with Rpc(chain.rpc_url, chain.chain_id) as rpc:
        found = await baselines.onchain(chain, await first_sender(rpc), rivals.ONCHAIN["quadratic"], *even)
    assert found["windows"] == 8


async def test_without_the_tools_the_other_figures_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(echo: groth16.Echo) -> None:
        raise ToolMissing("npm can't install snarkjs")

    monkeypatch.setattr(groth16, "install", missing)
    said: list[str] = []
    found = await baselines.run(["onchain-peers", "groth16-peers"], 1, tmp_path, said.append)
    assert found["onchain-peers"]["gas"] > 0
    assert found["groth16-peers"] == {"missing": "npm can't install snarkjs"}
    assert said[-1] == "groth16-peers is not measured: npm can't install snarkjs"


@dataclass(frozen=True)
class RunningRival:
    """A circuit with its warm prover, and the detector that it is compared with."""

    model: Detector
    rival: rivals.Groth16Rival
    circuit: groth16.Groth16Circuit
    prover: groth16.Groth16Prover

    @property
    def secrets(self) -> dict[str, Any]:
        return dict(self.rival.secrets(self.model))


@pytest.fixture(scope="module", params=sorted(rivals.GROTH16))
def running(request: pytest.FixtureRequest) -> Iterator[RunningRival]:
    model, rival = detector(request.param), rivals.GROTH16[request.param]
    circuit = groth16.build(rival, model, print)
    with groth16.Groth16Prover(circuit) as prover:
        yield RunningRival(model, rival, circuit, prover)


@with_tools
@pytest.mark.slow
def test_the_circuits_verdicts_are_the_models(running: RunningRival) -> None:
    windows = [
        *baselines.mixed_windows(running.model, 4), *random_windows(running.model, 8, 3), *edges(running.model, 2, 4)
    ]  # fmt: skip
    hashes = set()
    for window in windows:
        proof = running.prover.prove(running.secrets, window)
        assert proof.verified and proof.held == rivals.is_held(running.model, window), window
        assert proof.published[2:] == tuple(value % FIELD_MODULUS for value in window)
        hashes.add(proof.published[0])
    assert len(hashes) == 1


@with_tools
@pytest.mark.slow
def test_on_its_limit_a_circuit_accepts(even: tuple[QuadraticModel, list[list[int]]]) -> None:
    model, windows = even
    rival = rivals.GROTH16["quadratic"]
    with groth16.Groth16Prover(groth16.build(rival, model, print)) as prover:
        verdicts = [prover.prove(rival.secrets(model), window).held for window in windows]
    assert verdicts == [False, True] * 4


@with_tools
@pytest.mark.slow
def test_a_model_is_known_by_its_hash(running: RunningRival) -> None:
    """A model that holds nothing has another hash, and so has the same model with another salt."""
    window = baselines.mixed_windows(running.model, 2)[1]
    honest, secrets = running.prover.prove(running.secrets, window), running.secrets
    polynomial = isinstance(running.model, PolynomialModel)
    lenient = secrets | {"weights": list(secrets["weights"])}
    # The floor of the limit, which both outputs of the polynomial share.
    lenient["weights"][0 if polynomial else -3] = 2**48 - 1
    if polynomial:
        salted = running.prover.prove(secrets | {"salt": secrets["salt"] + 1}, window)
        assert salted.verified and salted.held and salted.published[0] != honest.published[0]
    proof = running.prover.prove(lenient, window)
    assert proof.verified and not proof.held and honest.held
    assert proof.published[0] != honest.published[0]
    lie = running.prover.prove(lenient, window, {1: honest.published[0]})
    assert lie.published[:2] == (honest.published[0], 0) and not lie.verified


@with_tools
@pytest.mark.slow
def test_two_floors_that_share_an_element_are_each_in_range() -> None:
    """floor + 2^48 · drift_floor stays what it is, and one of them leaves its range."""
    model, rival = detector("quadratic"), rivals.GROTH16["quadratic"]
    weights = rival.secrets(model)["weights"]
    window = baselines.mixed_windows(model, 1)[0]
    with groth16.Groth16Prover(groth16.build(rival, model, print)) as prover:
        shifted = [*weights[:-3], weights[-3] + 2**48, weights[-2] - 1, weights[-1]]
        with pytest.raises(Fatal, match="snarkjs makes no proof of window"):
            prover.prove({"weights": shifted}, window)
        # The prover is still there.
        assert prover.prove({"weights": weights}, window).verified


@with_tools
@pytest.mark.slow
@pytest.mark.attack
async def test_a_wrong_verdict_is_refused_by_snarkjs_and_by_the_contract(
    anvil: Callable[..., Anvil], running: RunningRival
) -> None:
    chain, interface = anvil(), Interface(running.circuit.abi)
    async with Rpc(chain.rpc_url, chain.chain_id) as rpc:
        payer = await first_sender(rpc)
        verifier = str((await send(payer, None, running.circuit.bytecode)).contract_address)

        async def accepts(*arguments: object) -> bool:
            return (
                int.from_bytes(await rpc.call(verifier, interface.encode_call("verifyProof", *arguments)), "big") == 1
            )

        for window in baselines.mixed_windows(running.model, 2):
            honest = running.prover.prove(running.secrets, window)
            assert await accepts(*honest.arguments)
            *points, published = honest.arguments
            for index in (0, groth16.HELD_AT - 1, 2, len(published) - 1):
                changed = list(published)
                changed[index] = 1 - changed[index] if index == groth16.HELD_AT - 1 else changed[index] + 1
                assert not await accepts(*points, changed), index
            lie = running.prover.prove(running.secrets, window, {groth16.HELD_AT: int(not honest.held)})
            assert lie.held != honest.held and not lie.verified
            assert not await accepts(*lie.arguments)
