"""Claims on a chain: deploy `ClaimRegistry`, propose models, submit claims, and ask for them."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import TYPE_CHECKING, Any

from oracle.chain import compiled
from oracle.chain.abi.interface import Interface
from oracle.chain.contract import read
from oracle.chain.deploy.create2 import NO_SALT, Creation, create
from oracle.chain.deploy.known import require_created
from oracle.chain.local import toolchain
from oracle.chain.local.solc import Solc
from oracle.chain.rpc import Rpc
from oracle.chain.transport.answers import Receipt
from oracle.chain.tx.call import Call
from oracle.chain.tx.sender import Sender
from oracle.claims.circuit import digits_limit
from oracle.claims.client import Registered, registered_id
from oracle.claims.proof import ClaimProof
from oracle.claims.statement import ClaimShape
from oracle.core.errors import ArtifactError, ContractRejected, DataError, DeploymentError, InsecureSetup
from oracle.core.formats import to_hex
from oracle.proving.artifact import Artifact, Regeneration, regenerate
from oracle.proving.srs.files import SrsOrigin

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

_HINTS = {
    "AccessControlUnauthorizedAccount": "{account} is not the registry's admin",
    "ModelExists": "the model was proposed before",
    "NotAContract": "there is no contract at the verifier's address {verifier}: deploy the verifier first (an account "
    "that delegates to one is none)",
    "InvalidModel": "the model's hash, the length of its proofs or its limit is not valid",
    "InvalidDelay": "the delay of {delay} seconds is more than 30 days",
    "VerifierChanged": "the code at the verifier's address {verifier} is not what was proposed",
    "CannotSign": "{issuer} is a contract, or zero, and can sign nothing: name the address of the key that signs",
    "IssuerExists": "{issuer} was named for this model before: a removed issuer takes another key",
    "UnknownIssuer": "{issuer} is not an issuer of this model",
    "UnknownModel": "the registry has no model {modelId}",
    "ModelNotActive": "the model {modelId} is retired, or its delay is not over",
    "NotSubject": "the claim belongs to {subject}, and {caller} sent it",
    "InvalidBounds": "the bounds {lo} and {hi} are reversed, or beyond the model's limit",
    "InvalidTerms": "the claim says nothing, names an output that the model does not have, or a change since nothing",
    "UnknownEarlier": "the registry has no claim of this subject and model that rests on the earlier data "
    "{commitment}, or their issuer was removed or has revoked them",
    "NotLater": "the data were checked at {issuedAt}, and not later than the earlier ones, which were at "
    "{earlierIssuedAt}",
    "Expired": "the claim or its attestation expired at {expiresAt}",
    "UntrustedIssuer": "{signer} signed the commitment, who is not an issuer of this model here (or not yet), or the "
    "signature is of another claim",
    "Revoked": "the issuer {issuer} has revoked the commitment",
    "AlreadyRecorded": "the same claim is recorded already",
    "WrongProofLength": "the proof has {length} bytes instead of {expected}",
    "ProofRejected": "the verifier does not accept the proof of the statement that the contract wrote down",
}


@cache
def registry_interface() -> Interface:
    """Return the contract's ABI, with hints for its errors."""
    return Interface(compiled.load("ClaimRegistry").abi, _HINTS)


def call(registry: str, action: str, *arguments: Any) -> Call:
    """Return a call of the registry, to be signed with any key.

    Args:
        action: The function's name.
    """
    told = ", ".join(to_hex(each) if isinstance(each, bytes) else str(each) for each in arguments)
    return Call(
        f"{action}({told})", registry, registry_interface().encode_call(action, *arguments), registry_interface()
    )


async def require_registry(rpc: Rpc, address: str) -> None:
    """Check that the contract at an address is a registry, and was created as one, so that it holds only true claims.

    Raises:
        DeploymentError: It is none, or other creation code put it there, or nothing shows which.
    """
    await require_created(rpc, address, compiled.load("ClaimRegistry"))


async def require_tied(model: Registered) -> Regeneration:
    """Check that a model's verifier follows from its circuit: its code hash is part of the model's id.

    Raises:
        ArtifactError: Its key or its bytecode is another's.
    """
    artifact = model.artifact
    again = await _regenerated(artifact)
    if not again.ok:
        raise ArtifactError(
            f"{artifact.path} is refused: {'; '.join(again.problems)}. Delete the folder, build it again"
        )
    return again


async def _regenerated(artifact: Artifact) -> Regeneration:
    return await asyncio.to_thread(regenerate, artifact, Solc(), cache=toolchain.regenerated_dir())


def solidity_terms(claim: ClaimProof) -> tuple[Any, ...]:
    """Return what a claim says as the registry takes it."""
    bounds, changes = (
        [(each.output, each.lo, each.hi) for each in told] for told in (claim.terms.bounds, claim.terms.changes)
    )
    return claim.model_id.to_bytes(32, "big"), bounds, changes, claim.terms.earlier


async def problem(rpc: Rpc, registry: str, claim: ClaimProof) -> str | None:
    """Return why a registry has no valid claim with the same subject, model and bounds; None if it has one."""

    async def ask(function: str, *arguments: Any) -> Any:
        return await read(rpc, registry_interface(), registry, function, *arguments)

    model_id = claim.model_id.to_bytes(32, "big")
    told = (claim.subject, solidity_terms(claim))
    if await ask("isValid", *told):
        return None
    found = await ask("recorded", *told)
    if not found["expiresAt"]:
        return "it was never recorded"
    if (await ask("model", model_id))["isRetired"]:
        return "its model is retired"
    if await ask("isRevoked", found["issuer"], found["commitment"]):
        return f"its issuer {found['issuer']} has revoked it"
    if not await ask("isIssuer", model_id, found["issuer"]):
        return f"{found['issuer']} is no longer an issuer of its model"
    earlier = claim.terms.earlier
    if earlier:
        source = await ask("source", claim.subject, model_id, earlier)
        if await ask("isRevoked", source["issuer"], earlier):
            return f"the issuer of the earlier data, {source['issuer']}, has revoked them"
        if not await ask("isIssuer", model_id, source["issuer"]):
            return f"the issuer of the earlier data, {source['issuer']}, is no longer an issuer of its model"
        if found["commitment"] != earlier and found["issuedAt"] <= source["issuedAt"]:
            return f"the earlier data were checked again at {source['issuedAt']}, and not before its own"
    return f"it expired at {found['expiresAt']}"


async def model_problems(rpc: Rpc, registry: str, model_id: int, artifact: Artifact) -> list[str]:
    """Return in what a registry's model is not the one of a claim's circuit, or can't be relied on; empty if it can.

    The registry compares the code of a model's verifier with the model's id at each claim.

    Args:
        registry: Its address; see `require_registry`.
        model_id: The model's id.
        artifact: The circuit of the model's claims; its public files will do.
    """
    again = await _regenerated(artifact)
    if not again.ok or again.code is None:
        return [*again.problems] or ["its key was not made again"]
    manifest = artifact.manifest
    claim = (manifest.imported or {}).get("claim")
    shape = ClaimShape.from_document(claim)
    if shape is None:
        return [f"{artifact.path.name} is not the circuit of a claim"]
    try:
        found = await read(rpc, registry_interface(), registry, "model", model_id.to_bytes(32, "big"))
    except ContractRejected as error:
        if error.name != "UnknownModel":
            raise
        return [f"the registry has no model {model_id:#066x}"]
    problems = []
    if await rpc.code(found["verifier"]) != again.code.runtime:
        problems.append("its verifier's code is not what follows from the circuit's key")
    for what, there, follows in (
        ("hash of the weights", found["modelHash"], manifest.model_hash),
        ("length of proofs", found["proofBytes"], manifest.proof_bytes),
        ("limit of bounds", found["limit"], shape.limit),
        ("number of outputs", found["outputs"], shape.outputs),
        ("word on changes", found["changes"], shape.changes),
        ("id", model_id, registered_id(manifest.model_hash, again.code.code_hash, manifest.proof_bytes, shape)),
    ):
        if there != follows:
            problems.append(f"its {what} is another: {there} in the registry, {follows} in the circuit")
    if shape.limit > digits_limit(artifact):
        problems.append(f"its digits hold no difference to a bound of {shape.limit}: a prover could choose a side")
    if found["isRetired"]:
        problems.append("it is retired")
    if again.srs_origin is not SrsOrigin.PUBLIC_CEREMONY and not await rpc.is_local():
        problems.append("it is keyed with a local reference string: whoever made it can forge claims")
    return problems


class Registry:
    """A deployed registry, and an account that acts on it.

    Args:
        address: The contract's address.
        account: The account of the admin, an issuer or a subject.

    Attributes:
        rpc: The chain.
        address: The contract's address.
        actor: The account's address.
    """

    def __init__(self, rpc: Rpc, address: str, account: LocalAccount, *, poll_s: float = 0.25) -> None:
        self.rpc = rpc
        self.address = address
        self.actor = str(account.address)
        self._sender = Sender(rpc, account, poll_s=poll_s)

    @staticmethod
    async def deploy(
        rpc: Rpc,
        account: LocalAccount,
        delay: int,
        *,
        admin: str | None = None,
        salt: bytes = NO_SALT,
        poll_s: float = 0.25,
    ) -> Registry:
        """Deploy a registry at the address that follows from its code and these arguments, or find it there.

        Args:
            delay: Seconds from the proposal of a model or an issuer to the first claim that rests on it.
            admin: Address that administers models and issuers; None: the account's.
            salt: 32 bytes that tell registries of one admin and one delay apart.

        Raises:
            ContractRejected: The delay is too long.
        """
        sender = Sender(rpc, account, poll_s=poll_s)
        arguments = registry_interface().encode_constructor(admin or account.address, delay)
        contract = compiled.load("ClaimRegistry")
        wanted = Creation(contract.name, contract.bytecode, arguments, salt)
        made = await create(rpc, sender, wanted, registry_interface().decode_error)
        return Registry(rpc, made.address, account, poll_s=poll_s)

    async def verifier(self, model: Registered) -> str:
        """Deploy a model's verifier, which anyone may do, or find it, and return its address.

        Raises:
            ArtifactError: It does not follow from its circuit.
            InsecureSetup: Its reference string is a local one, but the chain is not local.
        """
        again = await require_tied(model)
        assert again.code is not None
        if again.srs_origin is not SrsOrigin.PUBLIC_CEREMONY and not await self.rpc.is_local():
            raise InsecureSetup(
                f"{model.spec.name} is keyed with a local reference string, whose maker can forge claims: on a chain "
                "that is not local take the public ceremony's (--srs public-ceremony)"
            )
        return (await create(self.rpc, self._sender, Creation("verifier", again.code.bytecode))).address

    async def propose(self, model: Registered) -> Receipt:
        """Deploy a model's verifier and propose the model; admin only.

        Raises:
            InsecureSetup: Its reference string is a local one, but the chain is not local.
            DeploymentError: The registry computes another id for the model.
        """
        receipt = await self._call("proposeModel", *proposal(model, await self.verifier(model)))
        found = await self.read("model", model.model_id.to_bytes(32, "big"))
        if found["modelHash"] != model.model_hash:
            raise DeploymentError(f"the registry has another model as {model.model_id:#066x}")
        return receipt

    async def trust(self, issuer: str, model: Registered) -> Receipt:
        """Make an address an issuer of a model; admin only."""
        return await self._call("addIssuer", model.model_id.to_bytes(32, "big"), issuer)

    async def revoke(self, commitment: int) -> Receipt:
        """Revoke all claims that rest on a commitment which this account signed."""
        return await self._call("revoke", commitment)

    async def submit(self, claim: ClaimProof) -> Receipt:
        """Submit a claim of this account.

        Raises:
            DataError: No issuer has signed its commitment.
            ContractRejected: The registry refuses it, for the reason in the message. Nothing is recorded.
        """
        if claim.attestation is None:
            raise DataError("no issuer has signed the claim's commitment: have it attested first")
        told = (claim.subject, solidity_terms(claim), claim.expires_at, claim.commitment)
        signed = claim.attestation
        attestation = (signed.issued_at, signed.expires_at, signed.signature)
        return await self._call("submitClaim", told, claim.statement_hash, attestation, claim.proof)

    async def is_valid(self, claim: ClaimProof) -> bool:
        """Return True if the registry has a valid claim with the same subject, model and bounds."""
        return bool(await self.read("isValid", claim.subject, solidity_terms(claim)))

    async def read(self, function: str, *arguments: Any) -> Any:
        """Call a view of the registry."""
        return await read(self.rpc, registry_interface(), self.address, function, *arguments)

    async def _call(self, function: str, *arguments: Any) -> Receipt:
        data = registry_interface().encode_call(function, *arguments)
        return await _send(self._sender, self.address, data, function)


def proposal(model: Registered, verifier: str) -> tuple[Any, ...]:
    """Return the arguments of `proposeModel`."""
    shape = model.circuit.shape
    form = (shape.limit, shape.outputs, shape.changes)
    return verifier, model.model_hash, model.artifact.manifest.proof_bytes, *form


async def _send(sender: Sender, to: str | None, data: bytes, what: str) -> Receipt:
    transaction = await sender.sign(to, data, registry_interface().decode_error)
    await sender.broadcast(transaction)
    receipt = await sender.wait(transaction.tx_hash, 120.0)
    if not receipt.succeeded:
        raise ContractRejected(f"{what}: it reverted, with {receipt.gas_used:,} gas used")
    return receipt
