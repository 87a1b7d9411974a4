"""Proofs of several circuits, made in turns, and verified on a chain."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from oracle.bench.circuits import MeasuredCircuit
from oracle.bench.memory import megabytes
from oracle.bench.transactions import bare_call, demo_consumer_gas, first_sender, send, verify
from oracle.chain.local.anvil import Anvil, load_anvil_config
from oracle.chain.rpc import Rpc
from oracle.core.errors import Fatal
from oracle.proving.engine.child import EngineProcess

Echo = Callable[[str], None]


@dataclass
class Proofs:
    """The proofs of one case, without the one that warmed up.

    Attributes:
        witness: Seconds of each witness.
        prove: Seconds of each proof.
        verify: Seconds of each verification.
        published: Inputs and outputs of each.
        proof: The last one.
        instances: The instances of the last one.
        peak_bytes: The most memory that the proving process took.
    """

    witness: list[float] = field(default_factory=list)
    prove: list[float] = field(default_factory=list)
    verify: list[float] = field(default_factory=list)
    published: list[tuple[tuple[float, ...], list[int]]] = field(default_factory=list)
    proof: bytes = b""
    instances: tuple[int, ...] = ()
    peak_bytes: int = 0

    def report(self) -> dict[str, Any]:
        """Return medians in seconds, and sizes in bytes and MB."""
        totals = [sum(steps) for steps in zip(self.witness, self.prove, self.verify, strict=True)]
        return {
            "prove_s": round(statistics.median(self.prove), 4),
            "witness_s": round(statistics.median(self.witness), 4),
            "verify_s": round(statistics.median(self.verify), 4),
            "total_s": round(statistics.median(totals), 4),
            "prove_s_all": [round(seconds, 4) for seconds in self.prove],
            "proof_bytes": len(self.proof),
            "instances": len(self.instances),
            "rss_mb": megabytes(self.peak_bytes),
        }


def prove_in_turns(circuits: Mapping[str, MeasuredCircuit], turns: int, echo: Echo) -> dict[str, Proofs]:
    """Make a proof of each case, then the next of each: a slower machine is slower for all of them.

    Args:
        circuits: Circuits, by case, each with inputs for every turn.
        turns: The number of proofs of each. The first one warms up and does not count.
        echo: Takes lines for people.

    Raises:
        Fatal: A proof does not verify, or its outputs are not the reference's.
    """
    found = {case: Proofs() for case in circuits}
    with contextlib.ExitStack() as stack:
        engines = {case: stack.enter_context(EngineProcess()) for case in circuits}
        for turn in range(turns):
            echo(f"proofs, round {turn} of {turns - 1}" + ("" if turn else " (warm-up)"))
            for case, circuit in circuits.items():
                given = list(circuit.inputs[turn])
                expected = None if circuit.outputs is None else circuit.outputs([int(value) for value in given])
                result = engines[case].call("prove", inputs=given, outputs=expected, **dict[str, Any](circuit.files))
                if not result.get("verified"):
                    raise Fatal(f"{case}: a proof of {given} does not verify, or is of other scores than {expected}")
                proofs = found[case]
                proofs.proof = bytes.fromhex(result["proof"])
                proofs.instances = tuple(int(element, 16) for element in result["instances"])
                if turn:
                    proofs.witness.append(result["seconds"]["witness"])
                    proofs.prove.append(result["seconds"]["prove"])
                    proofs.verify.append(result["seconds"]["verify"])
                    proofs.published.append((tuple(given), result["outputs"]))
        for case, engine in engines.items():
            found[case].peak_bytes = int(engine.call("peak_memory")["bytes"] or 0)
    return found


async def verified_on_chain(
    circuits: Mapping[str, MeasuredCircuit], proofs: Mapping[str, Proofs], consumers: Sequence[str] = ()
) -> dict[str, dict[str, Any]]:
    """Measure the gas of each case's verifier on a fresh chain.

    Args:
        circuits: Circuits, by case.
        proofs: Proofs, by case.
        consumers: Cases whose verifier is called by a consumer too, not only `verifyProof` by itself.
    """
    found: dict[str, dict[str, Any]] = {}
    with Anvil(load_anvil_config(port=0)) as chain:
        async with Rpc(chain.rpc_url, chain.chain_id) as rpc:
            payer = await first_sender(rpc)
            for case, circuit in circuits.items():
                proof, instances = proofs[case].proof, proofs[case].instances
                deployed = await send(payer, None, circuit.verifier.bytecode)
                assert deployed.contract_address is not None
                calldata = bare_call(circuit.verifier.abi, proof, instances)
                verified = await verify(payer, deployed.contract_address, calldata)
                whose = "ezkl's own, unhardened" if circuit.artifact is None else "the hardened"
                found[case] = {
                    "gas": verified.gas_used,
                    "gas_of": f"verifyProof of {whose} verifier: no feed, no signatures, no storage",
                    "verify_gas": verified.gas_used,
                }
                if case in consumers:
                    found[case]["consumer_gas"] = await demo_consumer_gas(
                        payer, deployed.contract_address, proof, instances
                    )
    return found
