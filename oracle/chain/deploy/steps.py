"""The steps of a deployment: transactions that are written to the deployment file before they are sent.

Each transaction is signed, written to the file, and only then sent. Whatever ends a run in between, the next one sends
the same bytes again, or finds them mined: nothing is deployed or added twice. The chain decides what is there; the file
says where to look.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from oracle.chain.deploy.create2 import PROXY, Creation, creation_call, has_proxy, require_creatable
from oracle.chain.deploy.file import FORMAT, DeployedContract, DeploymentFile, Step, read_file, write_file
from oracle.chain.hub import hub_interface
from oracle.chain.rpc import Rpc
from oracle.chain.transport.answers import Receipt
from oracle.chain.transport.reverts import ErrorDecoder, describe_revert
from oracle.chain.tx.sender import Sender
from oracle.core.errors import ChainUnavailable, ContractRejected, DeploymentError, StateMoved
from oracle.core.formats import from_hex, to_hex
from oracle.core.types import SignedTransaction

T = TypeVar("T")

Progress: TypeAlias = Callable[[str], None]
"""Called with one line for each step."""

_ATTEMPTS = 3


class Steps:
    """Sends a deployment's transactions from one key, and keeps its file.

    Args:
        path: The deployment file.
        deadline_s: Seconds to wait for each transaction.

    Attributes:
        file: The content of the deployment file, once it was opened.
        has_proxy: True if contracts are created through the deterministic deployment proxy; known once it was opened.
        created: The way in which each contract of this run came to its address.
    """

    file: DeploymentFile
    has_proxy: bool

    def __init__(self, rpc: Rpc, sender: Sender, path: Path, progress: Progress, deadline_s: float) -> None:
        self.rpc = rpc
        self.sender = sender
        self.path = path
        self.progress = progress
        self.deadline_s = deadline_s
        self.created: dict[str, DeployedContract] = {}

    async def open(self) -> None:
        """Read the deployment file if it is of this very chain; else begin an empty one, where that is safe.

        Raises:
            DeploymentError: The file is damaged, of another chain, or names contracts that are not there.
        """
        chain_id = await self.rpc.chain_id()
        self.file = DeploymentFile(format=FORMAT, chain_id=chain_id, deployment=None, steps={})
        self.has_proxy = await has_proxy(self.rpc)
        if not self.has_proxy:
            self.progress(
                f"chain {chain_id} has no deterministic deployment proxy at {PROXY}: contracts are created by plain "
                f"transactions, which {self.path} records; their addresses follow from nothing"
            )
        found = read_file(self.path)
        if found is None:
            return
        if found.chain_id != chain_id:
            raise DeploymentError(
                f"{self.path} is of chain {found.chain_id}, but {self.rpc.name} serves chain {chain_id}: "
                "name another deployment file, or correct the RPC URL"
            )
        for name, step in found.steps.items():
            if step.address is not None and not await self.rpc.code(step.address):
                if not await self.rpc.is_local():
                    raise DeploymentError(
                        f"{self.path}: there is no contract at {step.address} ({name}) on chain {chain_id}: "
                        "is the node in sync? If this is another chain of the same id, move the file away"
                    )
                self.progress("the local chain was reset: deploying anew")
                return
        self.file = found

    def place_of(self, name: str, creation: Creation) -> str | None:
        """Return the address that a contract has or will have: by the file, or by its creation; None: nobody knows."""
        step = self.file.steps.get(name)
        if step is not None and step.address is not None:
            return step.address
        return creation.address if self.has_proxy else None

    async def contract(self, name: str, creation: Creation, decode: ErrorDecoder | None = None) -> str:
        """Create a contract, unless it is there, and return its address.

        With the deterministic deployment proxy, its address follows from its creation, so that it is found without the
        file, too, whoever created it.

        Args:
            name: The step's name.
            decode: Decodes the constructor's custom errors.

        Raises:
            DeploymentError: Its code is too large for a chain.
            ContractRejected, TransactionPending, ChainUnavailable: As `once`.
        """

        async def find() -> str | None:
            step = self.file.steps.get(name)
            if step is not None:
                return step.address
            return creation.address if self.has_proxy and await self.rpc.code(creation.address) else None

        wanted = creation_call(creation, with_proxy=self.has_proxy)
        try:
            address = await self.once(name, wanted.to, wanted.data, find, makes=wanted.address)
        except ContractRejected:
            if (found := await find()) is None:
                await require_creatable(self.rpc, creation, self.sender.address, decode)
                raise
            address = found  # whoever was faster has created the same contract
        self.created[address] = self._made(name, address, creation)
        return address

    def _made(self, name: str, address: str, creation: Creation) -> DeployedContract:
        """Return how a contract came to its address. A step that made it keeps that: another run may plan otherwise."""
        step = self.file.steps.get(name)
        if step is not None and step.made is not None:
            return step.made
        follows = self.has_proxy and address == creation.address
        made = DeployedContract(
            contract=creation.contract,
            creation="create2" if follows else "transaction",
            salt=creation.salt if follows else None,
            arguments=creation.arguments,
            tx_hash=None if step is None else step.tx_hash,
        )
        if step is not None:
            self.save(steps={**self.file.steps, name: step.model_copy(update={"made": made})})
        return made

    async def once(
        self,
        name: str,
        to: str | None,
        data: bytes,
        find: Callable[[], Awaitable[T | None]],
        *,
        makes: str | None = None,
    ) -> T:
        """Send a transaction, unless its effect is there already.

        Args:
            name: The step's name, in the file and for progress.
            to: None creates a contract from `data`.
            makes: The address of the contract that a call of the proxy creates.
            find: Looks for the effect of the transaction; returns None if it is not there.

        Returns:
            What `find` found.

        Raises:
            ContractRejected: The contract refused; the message is the reason.
            TransactionPending: The transaction is not mined within the deadline.
            ChainUnavailable: No answer.
        """
        for _ in range(_ATTEMPTS):
            if (found := await find()) is not None:
                return found
            try:
                await self._transact(name, to, data, makes)
            except StateMoved as error:
                # Another transaction of this key took the nonce. The signed one can never be mined: forget it.
                self.progress(f"{name}: {error}; trying again")
                self.save(steps={key: step for key, step in self.file.steps.items() if key != name})
                continue
            if (found := await find()) is not None:
                return found
            # It is not sent again on the word of a node that lags behind.
            raise ChainUnavailable(f"{name}: mined, but {self.rpc.name} does not show it yet; run again")
        raise ChainUnavailable(f"{name}: other transactions of {self.sender.address} keep coming first; run again")

    async def _transact(self, name: str, to: str | None, data: bytes, makes: str | None) -> None:
        """Sign, write down, send, wait, write down."""
        step = self.file.steps.get(name)
        if step is not None and step.raw is not None and step.nonce > await self.rpc.nonce(self.sender.address):
            step = None  # its predecessors were never mined here: the chain was reset
        if step is None:
            self.progress(f"{name}: sending")
            signed = await self._signed(name, to, data)
            step = Step(
                tx_hash=signed.tx_hash,
                nonce=signed.nonce,
                raw=to_hex(signed.raw),
            )
            self.save(steps={**self.file.steps, name: step})
            self.progress(f"{name}: signed {to_hex(step.tx_hash)}")
        if step.raw is not None:
            raw = from_hex(step.raw)
            await self.sender.broadcast(SignedTransaction(step.tx_hash, raw, step.nonce))
            self.progress(f"{name}: sent")
        receipt = await self.sender.wait(step.tx_hash, self.deadline_s)
        if not receipt.succeeded:
            self.save(steps={key: each for key, each in self.file.steps.items() if key != name})
            raise await self._why_reverted(name, to, data, receipt)
        self.progress(f"{name}: mined in block {receipt.block_number}")
        address = receipt.contract_address or makes
        done = step.model_copy(update={"raw": None, "block": receipt.block_number, "address": address})
        self.save(steps={**self.file.steps, name: done})
        self.progress(f"{name}: done")

    async def _signed(self, name: str, to: str | None, data: bytes) -> SignedTransaction:
        """Simulate and sign a transaction. Tell the call that another account has to make, if that has the right."""
        try:
            return await self.sender.sign(to, data, hub_interface().decode_error)
        except ContractRejected as error:
            if error.name != "AccessControlUnauthorizedAccount":
                raise
            raise ContractRejected(
                f"{name}: {error}. Have the admin call {to} with this data, and no ether, then run this again: "
                f"{to_hex(data)}",
                error.name,
            ) from error

    async def _why_reverted(self, name: str, to: str | None, data: bytes, receipt: Receipt) -> ContractRejected:
        if to is not None:
            try:
                await self.rpc.call(
                    to,
                    data,
                    sender=self.sender.address,
                    block=receipt.block_number,
                    decode=hub_interface().decode_error,
                )
            except ContractRejected as error:
                return ContractRejected(f"{name}: {error}", error.name)
        return ContractRejected(f"{name}: {describe_revert(b'').message} ({receipt.gas_used:,} gas used)")

    def save(self, **changes: Any) -> None:
        """Change fields of the file's content, and write it."""
        self.file = self.file.model_copy(update=changes)
        write_file(self.path, self.file)
