"""Claims on a chain: deploying `ClaimRegistry`, proposing models, submitting claims, asking for them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from oracle.chain import compiled
from oracle.chain.contracts import Interface, read
from oracle.chain.deploy import PUBLIC_CEREMONY, srs_origin
from oracle.chain.rpc import Receipt, Rpc
from oracle.chain.submit import Sender
from oracle.claims.client import Registered
from oracle.claims.proof import ClaimProof
from oracle.errors import ContractRejected, DataError, DeploymentError, InsecureSetup

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

_HINTS = {
    "ModelExists": "the model was proposed before",
    "UnknownModel": "the registry has no model {modelId}",
    "ModelNotActive": "the model {modelId} is retired, or its delay is not over",
    "NotSubject": "the claim is of {subject}, and {caller} sent it",
    "InvalidBounds": "the bounds {lo} and {hi} are reversed, or beyond the model's limit",
    "Expired": "the claim or its attestation expired at {expiresAt}",
    "UntrustedIssuer": "{signer} signed the commitment, who is no issuer here, or the signature is of another claim",
    "Revoked": "the issuer {issuer} has revoked the commitment",
    "AlreadyRecorded": "the same claim is recorded already",
    "WrongProofLength": "the proof has {length} bytes instead of {expected}",
    "ProofRejected": "the verifier does not accept the proof of the statement that the contract wrote down",
}


@cache
def registry_interface() -> Interface:
    """The contract's."""
    return Interface(compiled.load("ClaimRegistry").abi, _HINTS)


class Registry:
    """A deployed registry, and an account that acts on it.

    Args:
        address: Of the contract.
        account: The admin's, an issuer's or a subject's.
    """

    def __init__(self, rpc: Rpc, address: str, account: LocalAccount, *, poll_s: float = 0.25) -> None:
        self.rpc = rpc
        self.address = address
        self._sender = Sender(rpc, account, poll_s=poll_s)

    @staticmethod
    async def deploy(rpc: Rpc, account: LocalAccount, delay: int, *, poll_s: float = 0.25) -> Registry:
        """Deploys one whose admin is the account.

        Args:
            delay: Seconds from a model's proposal to its first claim.
        """
        sender = Sender(rpc, account, poll_s=poll_s)
        arguments = registry_interface().encode_constructor(account.address, delay)
        receipt = await _send(sender, None, compiled.load("ClaimRegistry").bytecode + arguments, "the registry")
        assert receipt.contract_address is not None
        return Registry(rpc, receipt.contract_address, account, poll_s=poll_s)

    async def propose(self, model: Registered) -> Receipt:
        """Deploys a model's verifier and proposes the model; admin only.

        Raises:
            InsecureSetup: Its reference string is a local one, and the chain is not.
            DeploymentError: The registry names it in another way.
        """
        verifier = model.artifact.verifier()
        if srs_origin(verifier.runtime) != PUBLIC_CEREMONY and not await self.rpc.is_local():
            raise InsecureSetup(
                f"{model.spec.name} is keyed with a local reference string, whose maker can forge claims: on a chain "
                "that is not local take the public ceremony's"
            )
        deployed = await _send(self._sender, None, verifier.bytecode, "the verifier")
        receipt = await self._call(
            "proposeModel",
            deployed.contract_address,
            model.model_hash,
            model.artifact.manifest.proof_bytes,
            model.circuit.limit,
        )
        found = await self.read("model", model.model_id.to_bytes(32, "big"))
        if found["modelHash"] != model.model_hash:
            raise DeploymentError(f"the registry has another model as {model.model_id:#066x}")
        return receipt

    async def trust(self, issuer: str) -> Receipt:
        """Makes an address an issuer; admin only."""
        return await self._call("grantRole", await self.read("ISSUER_ROLE"), issuer)

    async def revoke(self, commitment: int) -> Receipt:
        """Revokes what rests on a commitment that this account signed."""
        return await self._call("revoke", commitment)

    async def submit(self, claim: ClaimProof) -> Receipt:
        """Submits a claim of this account's.

        Raises:
            DataError: No issuer has signed it.
            ContractRejected: The registry refuses it, and why. Nothing is recorded.
        """
        if claim.attestation is None:
            raise DataError("no issuer has signed the claim's commitment: have it attested first")
        told = (
            claim.model_id.to_bytes(32, "big"),
            claim.subject,
            claim.lo,
            claim.hi,
            claim.expires_at,
            claim.commitment,
        )
        attestation = (claim.attestation.expires_at, claim.attestation.signature)
        return await self._call("submitClaim", told, claim.statement_hash, attestation, claim.proof)

    async def is_valid(self, claim: ClaimProof) -> bool:
        """Whether the registry has a valid claim of this one's subject, model and bounds."""
        return bool(await self.read("isValid", claim.subject, claim.model_id.to_bytes(32, "big"), claim.lo, claim.hi))

    async def read(self, function: str, *arguments: Any) -> Any:
        """Calls a view."""
        return await read(self.rpc, registry_interface(), self.address, function, *arguments)

    async def _call(self, function: str, *arguments: Any) -> Receipt:
        data = registry_interface().encode_call(function, *arguments)
        return await _send(self._sender, self.address, data, function)


async def _send(sender: Sender, to: str | None, data: bytes, what: str) -> Receipt:
    transaction = await sender.sign(to, data, registry_interface().decode_error)
    await sender.broadcast(transaction)
    receipt = await sender.wait(transaction.tx_hash, 120.0)
    if not receipt.succeeded:
        raise ContractRejected(f"{what}: it reverted, with {receipt.gas_used:,} gas used")
    return receipt
