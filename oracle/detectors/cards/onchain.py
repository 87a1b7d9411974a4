"""Proven cards on a chain: `ModelCard.sol` counts verdicts from batches that it verifies itself.

The contract has no owner and no parameters. Where a chain has the usual deployment proxy, its address follows from its
code, so that all cards of a chain are in one place, and publishing needs no file that remembers where.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from oracle.chain import compiled
from oracle.chain.abi.interface import Interface
from oracle.chain.contract import read
from oracle.chain.deploy import PUBLIC_CEREMONY, code_problems, srs_origin
from oracle.chain.hub import Hub
from oracle.chain.keys.signer import AnyKey
from oracle.chain.rpc import Rpc
from oracle.chain.transport.answers import Receipt
from oracle.chain.tx.sender import Sender
from oracle.core.errors import ContractRejected, DeploymentError, InsecureSetup
from oracle.core.formats import checksum_address, from_hex, keccak, to_hex
from oracle.detectors.cards.card import CardModel, ProvenCard, Summary

PROXY = "0x4e59b44847b379578588920cA78FbF26c0B4956C"
"""The deterministic deployment proxy: given a salt and creation code, it deploys by CREATE2."""

_SALT = bytes(32)

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


def contract_address() -> str:
    """Return the contract's address on every chain that has the deployment proxy."""
    code_hash = keccak(compiled.load("ModelCard").bytecode)
    return checksum_address(to_hex(keccak(b"\xff" + from_hex(PROXY) + _SALT + code_hash)[12:]))


async def publish(
    card: ProvenCard,
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
        rpc: The chain.
        hub: Address of the hub that has the card's model.
        account: The key that pays; it needs no rights.
        contract: The contract's address; None: `contract_address`, where it is deployed if it is not there yet.
        progress: Called with each transaction.
        deadline_s: Seconds until a transaction must be confirmed.
        poll_s: Seconds between two looks at the chain.

    Raises:
        DeploymentError: The hub has no such model, the contract is missing, or the counts are not the card's.
        InsecureSetup: The verifier's reference string is a local one, and the chain is not.
        ContractRejected: The contract refuses a batch; the message says why.
        TransactionPending: A transaction is not confirmed yet: run again, and it goes on.
        ChainUnavailable: No endpoint answers: run again, and it goes on.
    """
    publisher = _Publisher(rpc, Sender(rpc, account, poll_s=poll_s), progress, deadline_s)
    number = await _model_number(Hub(rpc, hub), card.model)
    address = contract or await publisher.contract()
    await require_contract(rpc, address)
    benchmark = card.benchmark
    root, batches = benchmark.root, benchmark.batches
    arguments = (hub, number, benchmark.batch, root, batches)
    card_id: bytes = await read(rpc, card_interface(), address, "cardIdOf", *arguments)
    if await _card(rpc, address, card_id) is None:
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
    found = await _card(rpc, address, card_id)
    assert found is not None
    counts = (found.faults, found.caught, found.normals, found.false_holds)
    if not found.complete or counts != _counts(card.summary):
        raise DeploymentError(
            f"the contract at {address} has counted {counts} on {found.counted} of {batches} batches, the card says "
            f"{_counts(card.summary)}"
        )
    return Publication(address, found, tuple(gas))


async def show(rpc: Rpc, contract: str, from_block: int = 0, root: str | None = None) -> list[Published]:
    """Return the cards of a contract, as the chain has them.

    Args:
        rpc: The chain.
        contract: The contract's address.
        from_block: The first block to look at.
        root: Return the cards of this benchmark only: 0x and hexadecimal digits.

    Raises:
        DeploymentError: There is no contract of this release at the address.
    """
    await require_contract(rpc, contract)
    topic = [[card_interface().topic("CardOpened")]]
    found = []
    for log in await rpc.logs(contract, from_block, await rpc.block_number(), topic):
        decoded = card_interface().decode_log(log)
        card = None if decoded is None else await _card(rpc, contract, decoded[1]["cardId"])
        if card is not None and (root is None or card.root == root.lower()):
            found.append(card)
    return found


async def require_contract(rpc: Rpc, address: str) -> None:
    """Raise an error if the code at an address is not this release's ModelCard.

    Raises:
        DeploymentError: It is not.
    """
    if not compiled.load("ModelCard").matches(await rpc.code(address), address):
        raise DeploymentError(f"the code at {address} on chain {await rpc.chain_id()} is not this release's ModelCard")


class _Publisher:
    """The sender of one publication's transactions."""

    def __init__(self, rpc: Rpc, sender: Sender, progress: Callable[[str], None], deadline_s: float) -> None:
        self.rpc = rpc
        self.sender = sender
        self.progress = progress
        self.deadline_s = deadline_s

    async def contract(self) -> str:
        """Return the contract's address; deploy the contract if it is not there yet."""
        address = contract_address()
        if not await self.rpc.code(address):
            if not await self.rpc.code(PROXY):
                raise DeploymentError(
                    f"chain {await self.rpc.chain_id()} has no deployment proxy at {PROXY}: deploy ModelCard.sol in "
                    "another way, and name its address with --contract"
                )
            await self._send("contract", PROXY, _SALT + compiled.load("ModelCard").bytecode)
        return address

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
    """Return the hub's number of the card's model in the card's circuit."""
    found = []
    for number in range(1, await hub.model_count() + 1):
        pinned = await hub.model(number)
        architecture = await hub.architecture(pinned.architecture_id)
        if pinned.model_hash != (model.model_hash or 0) or model.batch not in architecture.batch_sizes:
            continue
        at = architecture.batch_sizes.index(model.batch)
        if architecture.code_hashes[at].hex() == model.verifier_code_hash.removeprefix("0x"):
            found.append((number, architecture.verifiers[at]))
    if not found:
        name = "no hash" if model.model_hash is None else f"hash {model.model_hash:#066x}"
        raise DeploymentError(
            f"the hub at {hub.address} has no model of {name} with the card's circuit for {model.batch} windows "
            f"(verifier code {model.verifier_code_hash}): deploy it with that batch size"
        )
    number, verifier = found[0]
    if srs_origin(await hub.rpc.code(verifier)) != PUBLIC_CEREMONY and not await hub.rpc.is_local():
        raise InsecureSetup(
            f"the verifier at {verifier} is keyed with a local reference string, whose maker can forge proofs: a card "
            "by it shows nothing on a chain that is not local"
        )
    return number


async def _card(rpc: Rpc, contract: str, card_id: bytes) -> Published | None:
    """Return a card; None if it was never opened."""
    try:
        found = await read(rpc, card_interface(), contract, "card", card_id)
    except ContractRejected as error:
        if error.name == "UnknownCard":
            return None
        raise
    notes = await code_problems(rpc, found["hub"])
    if srs_origin(await rpc.code(found["verifier"])) != PUBLIC_CEREMONY:
        notes.append("the verifier is keyed with a local reference string: whoever made it can forge proofs")
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
        notes=tuple(notes),
    )


def _counts(summary: Summary) -> tuple[int, int, int, int]:
    return summary.faults, summary.caught, summary.normals, summary.false_holds
