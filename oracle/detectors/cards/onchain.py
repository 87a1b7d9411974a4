"""Proven cards on a chain: `ModelCard.sol` counts verdicts from batches that it verifies itself.

The contract has no owner and no parameters. Where a chain has the usual deployment proxy, its address follows from its
code, so that all cards of a chain are in one place, and publishing needs no file that remembers where.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeAlias

from oracle.chain import compiled
from oracle.chain.abi.interface import Interface
from oracle.chain.contract import read
from oracle.chain.deploy import code_problems
from oracle.chain.deploy.create2 import PROXY, Creation, create, has_proxy
from oracle.chain.deploy.known import require_created
from oracle.chain.hub import Hub
from oracle.chain.keys.signer import AnyKey
from oracle.chain.local import toolchain
from oracle.chain.local.solc import Solc
from oracle.chain.rpc import Rpc
from oracle.chain.transport.answers import Receipt
from oracle.chain.tx.sender import Sender
from oracle.core.encoding import feature_names
from oracle.core.errors import ArtifactError, ContractRejected, DeploymentError, InsecureSetup
from oracle.core.formats import from_hex, keccak, to_hex
from oracle.detectors.cards.card import CardModel, ProvenCard, Summary
from oracle.proving.artifact import Artifact, Regeneration, regenerate, with_code
from oracle.proving.srs.files import SrsOrigin

_Circuits: TypeAlias = Callable[[bytes], Sequence[Artifact]]
"""Gives the artifacts whose verifiers are said to have code of this hash."""

_HINTS = {
    "EmptyBenchmark": "a benchmark has a batch at least",
    "CardExists": "card {cardId} was opened before",
    "NoSuchCircuit": "the model has no circuit for just {batchSize} windows on this hub",
    "VerifierChanged": "the code at the address {verifier} is not the verifier that the hub recorded: take another hub",
    "UnknownCard": "card {cardId} was never opened",
    "BatchOutOfRange": "batch {index} of a benchmark of {batches}",
    "BatchAlreadyCounted": "batch {index} is counted already",
    "NotInBenchmark": "batch {index} is not that of the card's benchmark",
    "MalformedBatch": "batch {index} does not fit the model's circuit",
    "ScoreOutOfRange": "the score {score} is outside the circuit's integers",
    "ProofRejected": "the verifier does not accept the proof of the statement that the contract wrote down",
}


@dataclass(frozen=True, slots=True)
class Published:
    """A card as the chain has it; the fields are those of `IModelCard.Card`.

    Attributes:
        model_hash: 0 if the verifier's key has the weights.
        problems: What is wrong: its figures say nothing then.
        notes: What the reader has to know to use it.
    """

    card_id: str
    hub: str
    model_number: int
    batch_size: int
    verifier: str
    model_hash: int
    root: str
    batches: int
    counted: int
    faults: int
    caught: int
    normals: int
    false_holds: int
    complete: bool
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Publication:
    """The result of publishing.

    Attributes:
        contract: Address of the contract.
        card: The card as the chain has it now.
        gas: Gas of each batch that was sent now, in order.
    """

    contract: str
    card: Published
    gas: tuple[int, ...]


@cache
def card_interface() -> Interface:
    """Return the contract's interface."""
    return Interface(compiled.load("ModelCard").abi, _HINTS)


def _creation() -> Creation:
    """Return the contract's creation: it takes no arguments, and is the same for everybody."""
    contract = compiled.load("ModelCard")
    return Creation(contract.name, contract.bytecode)


def contract_address() -> str:
    """Return the contract's address on every chain that has the deployment proxy."""
    return _creation().address


async def publish(
    card: ProvenCard,
    circuit: Artifact,
    rpc: Rpc,
    hub: str,
    account: AnyKey,
    *,
    contract: str | None = None,
    progress: Callable[[str], None] = lambda line: None,
    deadline_s: float = 120.0,
    poll_s: float = 0.25,
) -> Publication:
    """Have the contract count a card's batches. A batch that it has counted already is not sent again.

    Args:
        card: A verified card; the contract refuses what is false in it.
        circuit: The card's circuit; the files for strangers will do.
        rpc: The chain.
        hub: Address of the hub that has the card's model.
        account: The key that pays; it needs no rights.
        contract: The contract's address; None: `contract_address`, where it is deployed if it is not there yet.
        progress: Called with each transaction.
        deadline_s: Seconds until a transaction must be confirmed.
        poll_s: Seconds between two looks at the chain.

    Raises:
        DeploymentError: The hub has no such model, the contract is missing, or the counts are not the card's.
        ArtifactError: The circuit's verifier does not follow from it.
        InsecureSetup: The verifier's reference string is a local one, and the chain is not.
        ContractRejected: The contract refuses a batch; the message says why.
        TransactionPending: A transaction is not confirmed yet: run again, and it goes on.
        ChainUnavailable: No endpoint answers: run again, and it goes on.
    """
    publisher = _Publisher(rpc, Sender(rpc, account, poll_s=poll_s), progress, deadline_s)
    again = await _regenerated(circuit)
    if not again.ok:
        raise ArtifactError(f"{circuit.path} is refused: {'; '.join(again.problems)}")
    if again.srs_origin is not SrsOrigin.PUBLIC_CEREMONY and not await rpc.is_local():
        raise InsecureSetup(
            f"{circuit.path} is keyed with a local reference string, whose maker can forge proofs: a card by it shows "
            "nothing on a chain that is not local"
        )
    number = await _model_number(Hub(rpc, hub), card.model)
    address = contract or await publisher.contract()
    await require_contract(rpc, address)
    benchmark = card.benchmark
    root, batches = benchmark.root, benchmark.batches
    arguments = (hub, number, benchmark.batch, root, batches)
    card_id: bytes = await read(rpc, card_interface(), address, "cardIdOf", *arguments)
    if await _stored(rpc, address, card_id) is None:
        await publisher.call("card", address, "open", *arguments, unless="CardExists")
    tree = benchmark.tree()
    gas = []
    for index, batch in enumerate(card.batches):
        if await read(rpc, card_interface(), address, "isCounted", card_id, index):
            continue
        windows, labels = benchmark.packed(index)
        scores = [score for row in batch.scores for score in row]
        call = (card_id, index, windows, labels, scores, tree.proof(index), batch.proof)
        receipt = await publisher.call(
            f"batch {index + 1} of {batches}", address, "submitBatch", *call, unless="BatchAlreadyCounted"
        )
        if receipt is not None:
            gas.append(receipt.gas_used)
    found = await _card(rpc, address, card_id, lambda code_hash: [circuit])
    assert found is not None
    counts = (found.faults, found.caught, found.normals, found.false_holds)
    if not found.complete or counts != _counts(card.summary):
        raise DeploymentError(
            f"the contract at {address} has counted {counts} on {found.counted} of {batches} batches, the card says "
            f"{_counts(card.summary)}"
        )
    return Publication(address, found, tuple(gas))


async def show(
    rpc: Rpc,
    contract: str,
    from_block: int = 0,
    root: str | None = None,
    circuits: Path | None = None,
    *,
    created_in: bytes | None = None,
) -> list[Published]:
    """Return the cards of a contract, as the chain has them, and what is known of their hubs and verifiers.

    Args:
        rpc: The chain.
        contract: The contract's address.
        from_block: The first block to look at.
        root: Return the cards of this benchmark only: 0x and hexadecimal digits.
        circuits: Folder with artifacts of the cards' circuits; the files for strangers will do. None: there are none.
        created_in: The transaction that created the contract, for a node without old states.

    Raises:
        DeploymentError: There is no contract of this release at the address, or nothing shows that it was created as
            one: its counts may have been there before its first card.
    """
    await require_contract(rpc, contract, created_in)
    named = None if circuits is None else partial(with_code, circuits)
    topic = [[card_interface().topic("CardOpened")]]
    found = []
    for log in await rpc.logs(contract, from_block, await rpc.block_number(), topic):
        decoded = card_interface().decode_log(log)
        card = None if decoded is None else await _card(rpc, contract, decoded[1]["cardId"], named)
        if card is not None and (root is None or card.root == root.lower()):
            found.append(card)
    return found


async def require_contract(rpc: Rpc, address: str, created_in: bytes | None = None) -> None:
    """Check that the contract at an address is this release's ModelCard, and was created as one.

    Args:
        created_in: The transaction that created it, where somebody says so.

    Raises:
        DeploymentError: It is not, or nothing shows how it was created.
    """
    await require_created(rpc, address, compiled.load("ModelCard"), tx_hash=created_in)


class _Publisher:
    """The sender of one publication's transactions."""

    def __init__(self, rpc: Rpc, sender: Sender, progress: Callable[[str], None], deadline_s: float) -> None:
        self.rpc = rpc
        self.sender = sender
        self.progress = progress
        self.deadline_s = deadline_s

    async def contract(self) -> str:
        """Return the contract's address; deploy the contract if it is not there yet."""
        if not await has_proxy(self.rpc):
            raise DeploymentError(
                f"chain {await self.rpc.chain_id()} has no deployment proxy at {PROXY}: deploy ModelCard.sol in "
                "another way, and name its address with --contract"
            )
        made = await create(self.rpc, self.sender, _creation(), card_interface().decode_error, self.deadline_s)
        if made.tx_hash is not None:
            self.progress(f"contract: {made.address}")
        return made.address

    async def call(self, what: str, to: str, function: str, *arguments: Any, unless: str) -> Receipt | None:
        """Send a call, and return its receipt; None if the error `unless` says that somebody else's came first."""
        try:
            return await self._send(what, to, card_interface().encode_call(function, *arguments))
        except ContractRejected as error:
            if error.name != unless:
                raise ContractRejected(f"{what}: {error}", error.name) from error
            self.progress(f"{what}: there already")
            return None

    async def _send(self, what: str, to: str, data: bytes) -> Receipt:
        decode = card_interface().decode_error
        transaction = await self.sender.sign(to, data, decode)
        await self.sender.broadcast(transaction)
        receipt = await self.sender.wait(transaction.tx_hash, self.deadline_s)
        if not receipt.succeeded:
            # Somebody else's came first, in the same block: a call at that block fails with the reason.
            await self.rpc.call(to, data, sender=self.sender.address, block=receipt.block_number, decode=decode)
            raise ContractRejected(f"{what}: it reverted, with {receipt.gas_used:,} gas used; run again")
        self.progress(f"{what}: {receipt.gas_used:,} gas")
        return receipt


async def _model_number(hub: Hub, model: CardModel) -> int:
    """Return the hub's number of the card's model in the card's circuit.

    Raises:
        DeploymentError: The hub has no such model.
    """
    found = []
    for number in range(1, await hub.model_count() + 1):
        pinned = await hub.model(number)
        architecture = await hub.architecture(pinned.architecture_id)
        if pinned.model_hash != (model.model_hash or 0) or model.batch not in architecture.batch_sizes:
            continue
        at = architecture.batch_sizes.index(model.batch)
        if architecture.code_hashes[at].hex() == model.verifier_code_hash.removeprefix("0x"):
            found.append(number)
    if not found:
        name = "no hash" if model.model_hash is None else f"hash {model.model_hash:#066x}"
        raise DeploymentError(
            f"the hub at {hub.address} has no model of {name} with the card's circuit for {model.batch} windows "
            f"(verifier code {model.verifier_code_hash}): deploy it with that batch size"
        )
    return found[0]


async def _regenerated(circuit: Artifact) -> Regeneration:
    return await asyncio.to_thread(regenerate, circuit, Solc(), cache=toolchain.regenerated_dir())


async def _stored(rpc: Rpc, contract: str, card_id: bytes) -> dict[str, Any] | None:
    """Return what the contract has of a card; None if it was never opened."""
    try:
        return dict(await read(rpc, card_interface(), contract, "card", card_id))
    except ContractRejected as error:
        if error.name == "UnknownCard":
            return None
        raise


async def _card(rpc: Rpc, contract: str, card_id: bytes, circuits: _Circuits | None) -> Published | None:
    """Return a card, with what is known of its hub and its verifier; None if it was never opened."""
    found = await _stored(rpc, contract, card_id)
    if found is None:
        return None
    problems, notes = await _doubts(rpc, found, circuits)
    return Published(
        card_id=to_hex(card_id),
        hub=found["hub"],
        model_number=found["modelNumber"],
        batch_size=found["batchSize"],
        verifier=found["verifier"],
        model_hash=found["modelHash"],
        root=to_hex(found["root"]),
        batches=found["batches"],
        counted=found["counted"],
        faults=found["faults"],
        caught=found["caught"],
        normals=found["normals"],
        false_holds=found["falseHolds"],
        complete=found["complete"],
        problems=tuple(problems),
        notes=tuple(notes),
    )


async def _doubts(rpc: Rpc, card: Mapping[str, Any], circuits: _Circuits | None) -> tuple[list[str], list[str]]:
    """Return what is wrong with a card on the chain, and what its reader has to know.

    The contract counted what the verifier accepted, of the model that the hub named. So a card is as good as its
    verifier, which has to follow from a circuit, and as the hub's word for how that circuit cuts its windows.
    """
    problems = await code_problems(rpc, card["hub"])
    code = await rpc.code(card["verifier"])
    named = [] if circuits is None else [each for each in circuits(keccak(code)) if _names(each, code, card)]
    if not named:
        untied = f"the verifier at {card['verifier']} is not tied to a circuit: "
        if circuits is None:
            return problems, [f"{untied}no artifacts were named (--artifacts)"]
        return [*problems, f"{untied}no artifact here is of its code and its model"], []
    # A folder may have a false artifact beside the right one.
    made = [(each, await _regenerated(each)) for each in named]
    circuit, again = next(((each, again) for each, again in made if again.ok), made[0])
    problems += again.problems
    if not again.problems and (again.code is None or again.code.runtime != code):
        problems.append(f"the code at {card['verifier']} is not the verifier that follows from its key")
    if again.ok:
        problems += await _misfits(rpc, card, circuit)
    notes = [f"verifier: {again.tied}", *again.notes] if again.ok else []
    if again.srs_origin is not SrsOrigin.PUBLIC_CEREMONY:
        text = "the verifier is keyed with a local reference string: whoever made it can forge proofs"
        (notes if await rpc.is_local() else problems).append(text)
    return problems, notes


def _names(circuit: Artifact, code: bytes, card: Mapping[str, Any]) -> bool:
    stated = from_hex(circuit.manifest.verifier_code_hash)
    return (stated, circuit.model_hash or 0) == (keccak(code), card["modelHash"])


async def _misfits(rpc: Rpc, card: Mapping[str, Any], circuit: Artifact) -> list[str]:
    """Return how a card's hub cuts the instances of a circuit in another way than the circuit does."""
    hub = Hub(rpc, card["hub"])
    architecture = await hub.architecture((await hub.model(card["modelNumber"])).architecture_id)
    manifest = circuit.manifest
    of_hub = (card["batchSize"], feature_names(architecture.features), architecture.outputs)
    of_circuit = (manifest.batch, manifest.features, manifest.outputs)
    if of_hub != of_circuit:
        return [f"the hub takes the circuit for {of_hub} (windows, features, outputs), and it is {of_circuit}"]
    return []


def _counts(summary: Summary) -> tuple[int, int, int, int]:
    return summary.faults, summary.caught, summary.normals, summary.false_holds
