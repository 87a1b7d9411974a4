"""The demonstration: four claims on a local chain, two of which hold; what the chain saw, and what stayed private."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from oracle.chain.rpc import Rpc
from oracle.claims.attestation import attest
from oracle.claims.client import Registered, ZkmlClient
from oracle.claims.constraints import Between
from oracle.claims.models import ModelSpec
from oracle.claims.onchain import Registry
from oracle.core.errors import DataError
from oracle.core.times import utc

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

CASES = (
    ("identity within [0.8, 1.0]", "identity", (0.94, 0.96), Between(0.8, 1.0)),
    ("identity against [0.6, 0.8] at 0.95", "identity", (0.94, 0.96), Between(0.6, 0.8)),
    ("credit within [0.6, 0.75]", "credit", (0.62, 0.73), Between(0.6, 0.75)),
    ("unknown applicant outside the range", "credit", (0.2, 0.5), Between(0.6, 0.75)),
)


def example(model: Registered, low: float, high: float) -> dict[str, Any]:
    """Return made-up inputs on which the model's output is within two values, the same each time.

    Raises:
        DataError: No such inputs were found.
    """
    draw = random.Random(1)
    for _ in itertools.repeat(None, 20_000):
        inputs: dict[str, Any] = {
            each.name: draw.choice(each.categories) if each.categories else round(draw.uniform(each.low, each.high))
            for each in model.spec.features
        }
        if low <= output(model, inputs) <= high:
            return inputs
    raise DataError(f"no inputs were found on which {model.spec.name} gives {low:g} to {high:g}")


def output(model: Registered, inputs: Mapping[str, Any]) -> float:
    """Return the model's output, which stays with the prover."""
    return model.spec.value(model.circuit.score(model.spec.encode(inputs)), model.circuit.score_unit)


async def run(
    client: ZkmlClient,
    rpc: Rpc,
    admin: LocalAccount,
    issuer: LocalAccount,
    subject: LocalAccount,
    tell: Callable[[str], None],
) -> list[bool]:
    """Run the four cases, and return which of them are valid on the chain.

    Args:
        tell: Called with each line of output.
    """
    registry = await Registry.deploy(rpc, admin, 0, poll_s=0.05)
    tell(f"registry {registry.address} on chain {await rpc.chain_id()}, issuer {issuer.address}")
    for name in ("identity", "credit"):
        model = await client.register(ModelSpec.packaged(name))
        await registry.propose(model)
        await registry.trust(issuer.address, model)
        tell(f"model {name}: hash {model.model_hash:#066x}, k = {model.artifact.manifest.k}")
    verdicts = []
    own = Registry(rpc, registry.address, subject, poll_s=0.05)
    now = (await rpc.block()).timestamp
    for title, name, (low, high), constraint in CASES:
        model = client.registered(name)
        inputs = example(model, low, high)
        commitment = client.commit(name, inputs)
        tell(f"\n{title}")
        tell(f"  private: {inputs}, output {output(model, inputs):.3f}")
        try:
            claim = await client.prove(
                name, inputs, constraint, subject.address, salt=commitment.salt, expires_at=now + 86_400
            )
        except DataError as error:
            tell(f"  refused: {error}; the chain saw nothing")
            verdicts.append(False)
            continue
        signature = attest(
            issuer,
            chain_id=await rpc.chain_id(),
            registry=registry.address,
            model_id=model.model_id,
            subject=subject.address,
            commitment=claim.commitment,
            expires_at=now + 86_400,
        )
        receipt = await own.submit(replace(claim, attestation=signature))
        verdicts.append(await own.is_valid(claim))
        tell(f"  the chain saw: commitment {claim.commitment:#066x}")
        (bound,) = claim.terms.bounds
        tell(f"    bounds {bound.lo} to {bound.hi} in 1/{claim.unit} before the Sigmoid, subject {claim.subject},")
        tell(f"    expiry {utc(claim.expires_at)}, {len(claim.proof):,} bytes of proof, {receipt.gas_used:,} gas")
        tell(f"  {'verified' if verdicts[-1] else 'not valid'}")
    return verdicts
