"""`oracle model deploy` and `oracle model verify-deployed`: imported models whose inferences a contract verifies.

`SplitVerifier` verifies the chain of proofs of one inference. It has no owner and no setter, its views show all storage
that its code reads, and its immutables are in its code. So code and views are all of it, however it was created.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oracle.app.regeneration import regenerated
from oracle.chain import compiled
from oracle.chain.abi.interface import Interface
from oracle.chain.contract import read
from oracle.chain.deploy.create2 import Creation, create
from oracle.chain.rpc import BlockTag, Rpc
from oracle.chain.tx.sender import Sender
from oracle.core.errors import ArtifactError, DataError, InsecureSetup
from oracle.core.formats import keccak, to_hex
from oracle.proving import split
from oracle.proving.artifact.verifier import CompiledVerifier
from oracle.proving.split import ArtifactChain
from oracle.proving.srs.files import SrsOrigin

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

__all__ = ["ModelContract", "ModelContractReport", "deploy_model", "verify_deployed_model"]

Progress = Callable[[str], None]

_HINTS = {
    "NotAContract": "there is no contract at the verifier of segment {index}",
    "WrongCode": "the verifier of segment {index} has code of another hash than the segment's",
    "InvalidClip": "the bound {bound} is not one of the circuit's integers",
}


@dataclass(frozen=True)
class ModelContract:
    """A model on a chain.

    Attributes:
        address: The address of its `SplitVerifier`.
        verifiers: The addresses of its segments' verifiers, in order.
    """

    address: str
    verifiers: tuple[str, ...]


@dataclass(frozen=True)
class ModelContractReport:
    """The comparison of a model on a chain with the model's public files.

    Attributes:
        address: The contract's address.
        segments: How many segments the model has.
        problems: Each difference; empty if the contract verifies inferences of this model and of no other.
        notes: What the reader has to know.
    """

    address: str
    segments: int
    problems: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """True if the contract is the model's."""
        return not self.problems


@cache
def split_interface() -> Interface:
    """Return the contract's interface."""
    return Interface(compiled.load("SplitVerifier").abi, _HINTS)


async def deploy_model(
    path: Path, rpc: Rpc, account: LocalAccount, progress: Progress = lambda line: None, *, poll_s: float = 0.25
) -> ModelContract:
    """Deploy the verifiers of a model's segments and the contract that verifies their chain, or find them.

    All addresses follow from code and arguments, so that nothing is deployed twice, and anyone can compute them.

    Args:
        path: The model's artifact, split or not; its public files will do.
        account: The key that pays; it gets no rights.
        progress: Called with each step.

    Raises:
        DataError: There is no such artifact.
        ArtifactError: A verifier does not follow from its circuit.
        InsecureSetup: A segment is keyed with a local reference string, and the chain is not local.
        ContractRejected: The contract refuses the segments.
    """
    chain = await asyncio.to_thread(_load, path)
    made = [await asyncio.to_thread(regenerated, each, progress) for each in chain.artifacts]
    if told := await asyncio.to_thread(lambda: list(split.chain_problems(chain))):
        raise ArtifactError(f"{chain.path} is refused: {'; '.join(told)}")
    codes = []
    for artifact, again in zip(chain.artifacts, made, strict=True):
        if not again.ok or again.code is None:
            raise ArtifactError(f"{artifact.path} is refused: {'; '.join(again.problems)}")
        if again.srs_origin is not SrsOrigin.PUBLIC_CEREMONY and not await rpc.is_local():
            raise InsecureSetup(
                f"{artifact.path} is keyed with a local reference string, whose maker can forge proofs: on a chain "
                "that is not local build the model with --srs public-ceremony"
            )
        codes.append(again.code)
    sender = Sender(rpc, account, poll_s=poll_s)
    verifiers = []
    for at, code in enumerate(codes, 1):
        created = await create(rpc, sender, Creation("verifier", code.bytecode))
        which = f"verifier of segment {at} of {len(codes)}" if len(codes) > 1 else "verifier"
        progress(f"{which}: {created.address}")
        verifiers.append(created.address)
    segments = [
        (address, artifact.model_hash is not None, code.code_hash, artifact.model_hash or 0)
        for address, artifact, code in zip(verifiers, chain.artifacts, codes, strict=True)
    ]
    arguments = split_interface().encode_constructor(segments, chain.features, chain.outputs, chain.clip)
    contract = compiled.load("SplitVerifier")
    wanted = Creation(contract.name, contract.bytecode, arguments)
    created = await create(rpc, sender, wanted, split_interface().decode_error)
    return ModelContract(created.address, tuple(verifiers))


async def verify_deployed_model(
    path: Path, rpc: Rpc, address: str, block: BlockTag = "latest", progress: Progress = lambda line: None
) -> ModelContractReport:
    """Compare a model's contract with the model's public files; nothing that either says is believed.

    Args:
        path: The model's artifact, split or not; its public files will do.
        address: The contract's address, checksummed.
        block: The block at which code and storage are read.
        progress: Called with each step.

    Raises:
        DataError: There is no such artifact.
        ChainUnavailable: No answer.
    """
    chain = await asyncio.to_thread(_load, path)
    made = [await asyncio.to_thread(regenerated, each, progress) for each in chain.artifacts]
    problems = [each for again in made for each in again.problems]
    problems += await asyncio.to_thread(lambda: list(split.chain_problems(chain)))
    notes = [each for again in made for each in again.notes]
    code = await rpc.code(address, block)
    if not compiled.load("SplitVerifier").matches(code, address):
        found = compiled.other_code(code)
        problems.append(f"{address} is not this release's SplitVerifier: it has {found}")
        return ModelContractReport(address, len(made), tuple(problems), tuple(notes))

    async def view(name: str, *arguments: Any) -> Any:
        return await read(rpc, split_interface(), address, name, *arguments, block=block)

    for name, what, wanted in (
        ("inputCount", "integers of a window", chain.features),
        ("outputCount", "integers that it publishes", chain.outputs),
        ("clip", "bound of a window's integers", chain.clip),
        ("segmentCount", "segments", len(made)),
    ):
        if (count := await view(name)) != wanted:
            problems.append(f"{what}: {count} in the contract, {wanted} in the model")
    codes = [each.code for each in made]
    for at in range(min(await view("segmentCount"), len(made))):
        there = await view("segment", at)
        problems += _differences(at, there, chain, codes)
        problems += _code_differences(at, await rpc.code(there["verifier"], block), codes, there)
    for at, again in enumerate(made):
        notes.append(f"segment {at + 1}: {again.tied}")
        if again.srs_origin is not SrsOrigin.PUBLIC_CEREMONY:
            text = f"segment {at + 1}: it is keyed with a local reference string: whoever made it can forge proofs"
            (notes if await rpc.is_local() else problems).append(text)
    return ModelContractReport(address, len(made), tuple(problems), tuple(notes))


def _differences(
    at: int, there: dict[str, Any], chain: ArtifactChain, codes: Sequence[CompiledVerifier | None]
) -> Iterator[str]:
    """Yield how a segment of the contract differs from the model's."""
    where, artifact, code = f"segment {at + 1}", chain.artifacts[at], codes[at]
    if code is not None and there["codeHash"] != code.code_hash:
        other = _position(there["codeHash"], codes)
        which = f"it is the one of segment {other + 1}" if other is not None else "it is none of this model's"
        yield f"{where}: the verifier's code has the hash {to_hex(there['codeHash'])}, not what follows: {which}"
    binds = artifact.model_hash is not None
    if (there["bindsModel"], there["modelHash"]) != (binds, artifact.model_hash or 0):
        found = f"{there['modelHash']:#066x}" if there["bindsModel"] else "none"
        wanted = f"{artifact.model_hash:#066x}" if artifact.model_hash is not None else "none"
        yield f"{where}: hash of its weights: {found} in the contract, {wanted} in the model"


def _code_differences(
    at: int, code: bytes, codes: Sequence[CompiledVerifier | None], there: dict[str, Any]
) -> Iterator[str]:
    """Yield how the code at a verifier's address differs from the hash that the contract compares at each call."""
    if keccak(code) != there["codeHash"]:
        yield f"segment {at + 1}: the code at {there['verifier']} is not what the contract pinned: it accepts no proof"
    wanted = codes[at]
    if wanted is not None and there["codeHash"] == wanted.code_hash and code != wanted.runtime:
        yield f"segment {at + 1}: the code at {there['verifier']} is not the verifier that follows from its key"


def _position(code_hash: bytes, codes: Sequence[CompiledVerifier | None]) -> int | None:
    return next((at for at, each in enumerate(codes) if each is not None and each.code_hash == code_hash), None)


def _load(path: Path) -> ArtifactChain:
    try:
        return split.load_chain(path, prover=False)
    except ArtifactError as error:
        raise DataError(str(error)) from error
