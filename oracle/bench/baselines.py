"""Baselines: what a detector costs without ezkl, beside the project's proofs of the same weights.

`onchain-*` is a contract that evaluates the model itself: no proof, and no secret. `groth16-*` is a circuit that was
written by hand for this one form of model, with a ceremony of its own. Its proofs take turns with ezkl's, on the same
windows, and the model holds every second one.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from oracle.bench import groth16
from oracle.bench.cases import BASELINES, BESIDE_BASELINES, CIRCUITS
from oracle.bench.circuits import MeasuredCircuit, build_detector
from oracle.bench.detectors import detector
from oracle.bench.memory import megabytes
from oracle.bench.models import compared_detector
from oracle.bench.rivals import GROTH16, ONCHAIN, OnchainRival, is_held, network_weights
from oracle.bench.transactions import CALLER, PLENTY, bare_call, compiled_text, first_sender, send, transaction_gas
from oracle.bench.windows import recorded_windows
from oracle.chain.abi.interface import Interface
from oracle.chain.local.anvil import Anvil, load_anvil_config
from oracle.chain.rpc import Rpc
from oracle.chain.tx.sender import Sender
from oracle.core import encoding
from oracle.core.encoding import Feature
from oracle.core.errors import Fatal, ToolMissing
from oracle.detectors.interface import Detector
from oracle.proving.engine.child import EngineProcess

Echo = Callable[[str], None]

_SINCE = dt.date(2008, 9, 1)
SIGMA = 1_000
"""Moves are in thousandths of it."""

_ONCHAIN_WINDOWS = 6
_PROOF_WORDS = 8
"""A Groth16 proof has two points of two words, and one of four."""


def mixed_windows(model: Detector, count: int) -> list[list[int]]:
    """Return recorded windows of the autumn of 2008: as recorded, with a spike, as recorded, and so on.

    A spike takes the move's place, and is the smallest of whole sigmas that the model holds. Recorded windows that the
    model holds are left out.

    Raises:
        Fatal: The recorded windows are too few.
    """
    found: list[list[int]] = []
    at = model.features.index(Feature.MOVE)
    for window in recorded_windows(model.features, 2 * count, _SINCE):
        if len(found) == count:
            break
        held = len(found) % 2 == 1
        moves = range(SIGMA, encoding.CLIP, SIGMA) if held else [window[at]]
        tried = ([*window[:at], move, *window[at + 1 :]] for move in moves)
        found += [each for each in tried if is_held(model, each) == held][:1]
    if len(found) < count:
        raise Fatal(f"model {model.name} judges too many of the recorded windows otherwise than expected")
    return found


async def run(cases: Sequence[str], repeat: int, work: Path, echo: Echo) -> dict[str, Any]:
    """Measure some of the cases `BASELINES`, and return the reports by case.

    A baseline whose tools can't be had is reported as "missing", with the reason.

    Args:
        cases: The cases to measure, at least one.
        repeat: Proofs of each circuit, after one that warms up.
        work: The folder of the circuits; one that is there from another case is used.
        echo: Takes lines for people.

    Raises:
        Fatal: A verdict is not the model's, or a step failed.
    """
    found: dict[str, Any] = {}
    with Anvil(load_anvil_config(port=0)) as chain:
        async with Rpc(chain.rpc_url, chain.chain_id) as rpc:
            payer = await first_sender(rpc)
            for case in cases:
                model = detector(BASELINES[case])
                if case.startswith("onchain-"):
                    echo(f"gas of {case}")
                    windows = mixed_windows(model, _ONCHAIN_WINDOWS)
                    found[case] = await onchain(chain, payer, ONCHAIN[BASELINES[case]], model, windows)
                    continue
                try:
                    await asyncio.to_thread(groth16.install, echo)
                except ToolMissing as error:
                    echo(f"{case} is not measured: {error}")
                    found[case] = {"missing": str(error)}
                else:
                    found[case] = await _groth16(case, chain, payer, repeat, work, echo)
    return found


async def onchain(
    chain: Anvil, payer: Sender, rival: OnchainRival, model: Detector, windows: Sequence[Sequence[int]]
) -> dict[str, Any]:
    """Deploy the contract that evaluates a model itself, and measure its check of some windows.

    Raises:
        Fatal: Its verdict on one is not the model's.
    """
    text = rival.text(model)
    abi, bytecode, runtime_bytes = await asyncio.to_thread(compiled_text, text, rival.contract)
    interface = Interface(abi)
    arguments = rival.constructor(model)
    deployed = await send(payer, None, bytecode + (interface.encode_constructor(*arguments) if arguments else b""))
    address = str(deployed.contract_address)
    executed, spent = [], []
    for window in windows:
        call = interface.encode_call("held", *rival.call(model, window))
        verdict = int.from_bytes(await payer.rpc.call(address, call), "big")
        if verdict != is_held(model, window):
            raise Fatal(f"{rival.contract} says {verdict} of the window {list(window)}; model {model.name} does not")
        executed.append(executed_gas(chain, address, call))
        spent.append(transaction_gas(chain, address, call))
    return {
        "gas": round(statistics.median(executed)),
        "gas_of": "the check alone, as it would be in a hub that evaluates the model itself: no transaction",
        "executed": round(statistics.median(executed)),
        "transaction_gas": round(statistics.median(spent)),
        "contract_bytes": runtime_bytes,
        "weights": network_weights(model),
        "windows": len(windows),
    }


def executed_gas(chain: Anvil, to: str, data: bytes) -> int:
    """Return the gas that a call's instructions use: neither the transaction nor its bytes count."""
    call = {"from": chain.accounts[CALLER].address, "to": to, "data": "0x" + data.hex(), "gas": hex(PLENTY)}
    without = {"disableStack": True, "disableMemory": True, "disableStorage": True}
    steps = chain.rpc("debug_traceCall", call, "latest", without, timeout=120.0)["structLogs"]
    last = steps[-1]
    return int(steps[0]["gas"] - last["gas"] + last["gasCost"])


async def _groth16(case: str, chain: Anvil, payer: Sender, repeat: int, work: Path, echo: Echo) -> dict[str, Any]:
    """Prove in turns with ezkl, verify on the chain, and attack the circuit."""
    turns, name = repeat + 1, BASELINES[case]
    model = detector(name)
    circuit = await asyncio.to_thread(groth16.build, GROTH16[name], model, echo)
    compared = await asyncio.to_thread(compared_detector, name, turns)
    subject = dataclasses.replace(compared, turns=mixed_windows(model, turns))
    others: dict[str, MeasuredCircuit] = {}
    for other in BESIDE_BASELINES[name]:
        echo(f"set-up of {other}, beside {case}")
        others[other] = await asyncio.to_thread(build_detector, subject, CIRCUITS[other], turns, work / other)
    proofs, seconds, calls = await asyncio.to_thread(_in_turns, case, circuit, others, model, subject.turns, echo)
    echo(f"gas of {case}")
    interface = Interface(circuit.abi)
    calldata = interface.encode_call("verifyProof", *proofs[-1].arguments)
    deployed = await send(payer, None, circuit.bytecode)
    measured = await _verified(chain, payer, str(deployed.contract_address), calldata)
    beside = {}
    for other, of in others.items():
        address = str((await send(payer, None, of.verifier.bytecode)).contract_address)
        beside[other] = _seconds(seconds[other]) | await _verified(chain, payer, address, calls[other])
        beside[other]["groth16_over_prove"] = _ratio(seconds[case], seconds[other])
    return {
        **_seconds(seconds[case]),
        "witness_s": round(statistics.median(proof.seconds["witness"] for proof in proofs), 4),
        "verify_s": round(statistics.median(proof.seconds["verify"] for proof in proofs), 4),
        **measured,
        "gas_of": "a transaction to snarkjs's verifier alone: no feed, no signatures, no storage",
        "proof_bytes": 32 * _PROOF_WORDS,
        "instances": len(proofs[-1].published),
        "rss_mb": megabytes(proofs[-1].peak_bytes),
        "verifier_bytes": circuit.runtime_bytes,
        "held": sum(proof.held for proof in proofs),
        "tools": groth16.tool_versions(),
        **circuit.facts,
        "beside": beside,
    }


def _in_turns(
    case: str,
    circuit: groth16.Groth16Circuit,
    others: Mapping[str, MeasuredCircuit],
    model: Detector,
    windows: Sequence[Sequence[float]],
    echo: Echo,
) -> tuple[list[groth16.Groth16Proof], dict[str, list[float]], dict[str, bytes]]:
    """Make a proof of each circuit, then the next of each; the first turn warms up and does not count.

    Returns:
        The Groth16 proofs, the seconds of each case's proofs, and ezkl's calldata of the last turn.

    Raises:
        Fatal: A proof does not verify or has another verdict than the model, or a wrong verdict could be proven.
    """
    proofs: list[groth16.Groth16Proof] = []
    secrets = GROTH16[BASELINES[case]].secrets(model)
    seconds: dict[str, list[float]] = {each: [] for each in (case, *others)}
    calls: dict[str, bytes] = {}
    with contextlib.ExitStack() as stack:
        prover = stack.enter_context(groth16.Groth16Prover(circuit))
        engines = {other: stack.enter_context(EngineProcess()) for other in others}
        for turn, window in enumerate(windows):
            echo(f"proofs beside {case}, round {turn} of {len(windows) - 1}" + ("" if turn else " (warm-up)"))
            values = [int(value) for value in window]
            proof = prover.prove(secrets, values)
            if not proof.verified or proof.held != is_held(model, values):
                raise Fatal(f"{case}: the proof of {values} does not verify, or its verdict is not the model's")
            lie = prover.prove(secrets, values, {groth16.HELD_AT: int(not proof.held)})
            if lie.verified:
                raise Fatal(f"{case}: a wrong verdict on {values} was proven, so the circuit is wrong")
            if turn:
                proofs.append(proof)
                seconds[case].append(proof.seconds["prove"])
            for other, of in others.items():
                given = list(of.inputs[turn])
                assert of.outputs is not None
                expected = of.outputs([int(value) for value in given])
                made = engines[other].call("prove", inputs=given, outputs=expected, **dict[str, Any](of.files))
                if not made.get("verified"):
                    raise Fatal(f"{other}: a proof of {given} does not verify, or is of other scores than {expected}")
                elements = [int(element, 16) for element in made["instances"]]
                calls[other] = bare_call(of.verifier.abi, bytes.fromhex(made["proof"]), elements)
                if turn:
                    seconds[other].append(made["seconds"]["prove"])
    return proofs, seconds, calls


def _ratio(over: Sequence[float], under: Sequence[float]) -> float:
    return round(statistics.median(a / b for a, b in zip(over, under, strict=True)), 2)


def _seconds(taken: Sequence[float]) -> dict[str, Any]:
    return {"prove_s": round(statistics.median(taken), 4), "prove_s_all": [round(each, 4) for each in taken]}


async def _verified(chain: Anvil, payer: Sender, verifier: str, calldata: bytes) -> dict[str, int]:
    """Verify a proof in a transaction, and return its gas, and the part of it that instructions use.

    Raises:
        Fatal: The verifier refuses the proof.
    """
    if int.from_bytes(await payer.rpc.call(verifier, calldata), "big") != 1:
        raise Fatal(f"the verifier at {verifier} refuses a proof that its prover accepts")
    return {"gas": transaction_gas(chain, verifier, calldata), "executed": executed_gas(chain, verifier, calldata)}


COLUMNS = ("prove", "gas of the check alone", "gas as a transaction")


def rows(report: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Return the baselines' rows, each with its case: what was measured, and ezkl's proofs of the same run."""
    found = []
    for case, of in report["baselines"].items():
        if "missing" in of:
            found.append((case, "not measured", "–", "–"))
        elif "transaction_gas" in of:
            found.append((case, "–", f"{of['executed']:,}", f"{of['transaction_gas']:,}"))
        else:
            found += [
                (name, f"{each['prove_s']:.3f} s", f"{each['executed']:,}", f"{each['gas']:,}")
                for name, each in {case: of, **of.get("beside", {})}.items()
            ]
    return found


def table(report: Mapping[str, Any]) -> Table:
    """Return the baselines by case, for people."""
    found = Table(box=None, pad_edge=False, header_style="bold", title="beside the proof", title_justify="left")
    found.add_column("case")
    for column in COLUMNS:
        found.add_column(column, justify="right")
    for row in rows(report):
        found.add_row(*row)
    return found
