"""The manifest of a deployment: its statement, signed by the hub's admin (EIP-712), a key or a contract."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from oracle.audit.deployment.report import Difference
from oracle.audit.deployment.statement import DeploymentStatement
from oracle.audit.deployment.weaknesses import AccountKind, account_kind
from oracle.chain.abi.interface import Interface
from oracle.chain.deploy.file import Address, HexBytes
from oracle.chain.hub import Hub
from oracle.chain.keys.signer import AnyKey, as_key, recover_typed
from oracle.chain.keys.typed import DeploymentSummary, TypedData, digest_of, typed_deployment
from oracle.chain.rpc import BlockTag
from oracle.core.documents import NotJson, parse_json, read_text
from oracle.core.errors import ContractRejected, DataError

_IS_VALID = bytes.fromhex("1626ba7e")
"""The answer of a contract to whom a signature is good (EIP-1271); also the selector of its question."""

_ERC1271 = Interface(
    (
        {
            "type": "function",
            "name": "isValidSignature",
            "stateMutability": "view",
            "inputs": [{"name": "hash", "type": "bytes32"}, {"name": "signature", "type": "bytes"}],
            "outputs": [{"name": "", "type": "bytes4"}],
        },
    )
)


class SignedManifest(BaseModel):
    """A statement with its signature.

    Attributes:
        signer: The account whose signature it is; None while it is not signed.
        signature: 65 bytes r, s, v; or whatever a contract takes (EIP-1271).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    statement: DeploymentStatement
    signer: Address | None = None
    signature: HexBytes | None = None


def read_manifest(path: Path) -> SignedManifest:
    """Read a manifest. Raises: DataError."""
    try:
        text = read_text(path)
        parse_json(text)  # pydantic's own parser takes the last of two keys
        return SignedManifest.model_validate_json(text)
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such manifest; make one with `oracle manifest make`") from None
    except NotJson as error:
        raise DataError(f"{path}: can't be read: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        told = first["msg"].removeprefix("Value error, ")
        raise DataError(f"{path}: is not a manifest of this release: {where}: {told}") from error


def write_manifest(path: Path, manifest: SignedManifest) -> None:
    """Write a manifest. Raises: DataError."""
    try:
        path.write_text(json.dumps(manifest.model_dump(mode="json"), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: can't be written: {error.strerror or error}") from error


def typed_statement(statement: DeploymentStatement) -> TypedData:
    """Return what the admin signs. The hash of the whole statement is in it; the rest is for the eyes of who signs."""
    return typed_deployment(
        statement.chain_id,
        statement.hub,
        DeploymentSummary(
            release=statement.release,
            block=statement.block,
            contracts=tuple(each.address for each in statement.contracts),
            code_hashes=tuple(each.code_hash for each in statement.contracts),
            guardians=statement.roles.guardians,
            change_delay=statement.roles.change_delay,
            content=statement.content_hash,
        ),
    )


async def sign_statement(statement: DeploymentStatement, key: AnyKey) -> SignedManifest:
    """Sign a statement.

    Raises:
        SignerUnavailable, SignerRefused: As `Key.sign_typed_data`.
    """
    signer = as_key(key)
    v, r, s = await signer.sign_typed_data(typed_statement(statement))
    return SignedManifest(statement=statement, signer=signer.address, signature=r + s + bytes([v]))


async def signature_differences(manifest: SignedManifest, hub: Hub, block: BlockTag) -> list[Difference]:
    """Return what is wrong with a manifest's signature: it has to be that of the hub's admin at a block.

    A key's signature is recovered here. A contract is asked (EIP-1271). An account that delegates to code (EIP-7702)
    has to sign with its key: its code may say yes to anything.
    """
    subject, statement = "manifest, signature", manifest.statement
    if manifest.signature is None or manifest.signer is None:
        return [Difference(subject, "the admin's", "none", "anybody may have written it")]
    chain_id = await hub.rpc.chain_id()
    if (statement.chain_id, statement.hub) != (chain_id, hub.address):
        found = f"hub {statement.hub} on chain {statement.chain_id}"
        return [
            Difference("manifest", f"of hub {hub.address} on chain {chain_id}", found, "it is of another deployment")
        ]
    admin: str = await hub.read("defaultAdmin", block=block)
    if manifest.signer != admin:
        meaning = "whoever signed it is not the hub's admin at this block: nobody, or an admin before"
        return [Difference(subject, f"of the admin {admin}", f"of {manifest.signer}", meaning)]
    typed = typed_statement(statement)
    kind = account_kind(await hub.rpc.code(admin, block))
    if kind is not AccountKind.CONTRACT:
        try:
            found = recover_typed(typed, manifest.signature)
        except ValueError as error:
            found = str(error)
        if found == admin:
            return []
        return [Difference(subject, f"of {admin}", found, "the statement was changed, or somebody else signed it")]
    data = _ERC1271.encode_call("isValidSignature", digest_of(typed), manifest.signature)
    try:
        answer = await hub.rpc.call(admin, data, block=block)
    except ContractRejected as error:
        return [Difference(subject, f"good to {admin}", f"refused: {error}", "the admin's contract did not sign this")]
    if answer[:4] == _IS_VALID and len(answer) == 32:
        return []
    return [Difference(subject, f"good to {admin}", "refused", "the admin's contract did not sign this")]
