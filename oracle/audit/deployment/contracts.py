"""The contracts of a deployment one by one: the code at an address, and the creation that put it there.

Creation code can leave any storage behind, whatever code it returns. So a contract whose code reads storage is known by
its creation: creation code and arguments, shown by its address (CREATE2) or by the transaction that created it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from oracle.audit.deployment.report import DeploymentDraft
from oracle.audit.deployment.statement import StatedContract
from oracle.chain.abi.interface import Interface
from oracle.chain.compiled import Compiled, other_code
from oracle.chain.deploy.create2 import NO_SALT, create2_address
from oracle.chain.deploy.immutables import expected_immutables
from oracle.chain.deploy.origin import Origin, find_origin
from oracle.chain.rpc import Rpc
from oracle.core.errors import ChainUnavailable, DeploymentError
from oracle.core.formats import keccak, to_hex

STORING = frozenset({"ZkOracle", "ZkFeedRegistry", "ModelCard", "ClaimRegistry", "SplitVerifier"})
"""The contracts whose code reads storage of their own. A library reads that of the contract that calls it."""

_ANY_STORAGE = "such creation code may have left anything in the contract's storage, whatever its code says"


@dataclass(frozen=True, slots=True)
class Hint:
    """A way in which a contract may have been created, as somebody says. Nothing of it is believed.

    Attributes:
        arguments: The constructor's arguments, encoded.
        salt: The salt of its address.
        tx_hash: The transaction that created it.
    """

    arguments: bytes | None = None
    salt: bytes | None = None
    tx_hash: bytes | None = None


class ContractChecks:
    """Checks the contracts of one deployment at one block.

    Args:
        contracts: This release's contracts, by name.
        block: The block at which code is read.

    Attributes:
        found: What is stated of each contract that was checked, by address.
        has_foreign_code: True once a contract had other code than this release's.
    """

    def __init__(
        self, rpc: Rpc, contracts: Mapping[str, Compiled], chain_id: int, block: int, draft: DeploymentDraft
    ) -> None:
        self.rpc = rpc
        self.contracts = contracts
        self.chain_id = chain_id
        self.block = block
        self.draft = draft
        self.found: dict[str, StatedContract] = {}
        self.has_foreign_code = False

    def recognise(self, code: bytes) -> str | None:
        """Return the name of the contract whose code this is; None if it is none of this release's."""
        for name, contract in self.contracts.items():
            try:
                linked = contract.link(contract.libraries_in(code)) if contract.runtime_links else contract
            except DeploymentError:
                continue
            if linked.matches(code):
                return name
        return None

    async def check(
        self, name: str, address: str, hints: Sequence[Hint] = (), linked: Compiled | None = None
    ) -> Mapping[str, object] | None:
        """Check a contract: its code, its immutables and its creation.

        Args:
            name: The contract's name.
            hints: Ways in which it may have been created, the likeliest first.
            linked: The contract linked with its libraries, if it has any.

        Returns:
            The constructor's arguments, by name; None if nothing shows them.
        """
        contract = linked or self.contracts[name]
        subject = f"{name} {address}"
        code = await self.rpc.code(address, self.block)
        if not contract.matches(code, address):
            self.draft.differs(
                subject,
                f"the {name} of this release",
                other_code(code),
                "it does not do what this release's does: trust none of it",
            )
            self.found[address] = _stated(name, address, code)
            self.has_foreign_code = True
            return None
        interface = Interface(contract.abi)
        raw = await self._creation(subject, contract, address, code, hints)
        arguments: Mapping[str, object] | None = None
        if raw is not None:
            try:
                arguments = interface.decode_constructor(raw)
            except ValueError:
                self.draft.differs(
                    subject,
                    "arguments of its constructor",
                    to_hex(raw),
                    "its creation code was followed by other bytes",
                )
        if arguments is not None:
            self._immutables(subject, contract, address, code, arguments)
        return arguments

    def check_made(self, name: str, address: str, code: bytes, salt: bytes, arguments: Mapping[str, object]) -> None:
        """Check a contract that another one of this release made: its address is known to follow.

        Args:
            code: The code at its address.
            salt: The salt of its address.
            arguments: What its constructor was told, by name.
        """
        contract = self.contracts[name]
        subject = f"{name} {address}"
        self.found[address] = _stated(name, address, code).model_copy(
            update={"creation": "factory", "creation_code_hash": keccak(contract.bytecode), "salt": salt}
        )
        if not contract.matches(code, address):
            found = "other code" if code else "no code"
            self.draft.differs(
                subject, f"the {name} of this release", found, "it was never made, or the chain is unsound"
            )
            return
        self._immutables(subject, contract, address, code, arguments)
        self.draft.checked.append(f"{subject}: code and immutables; its address follows from its terms")

    async def _creation(
        self, subject: str, contract: Compiled, address: str, code: bytes, hints: Sequence[Hint]
    ) -> bytes | None:
        """Return the arguments with which a contract was created, and keep what is stated of it."""
        tried = list(hints) if contract.takes_arguments else [*hints, Hint(b"", NO_SALT)]
        for hint in tried:
            if hint.arguments is None:
                continue
            salt = NO_SALT if hint.salt is None else hint.salt
            if create2_address(salt, contract.bytecode + hint.arguments) == address:
                self._keep(contract, address, code, "create2", hint.arguments, salt)
                self.draft.checked.append(f"{subject}: code and immutables; its address follows from its creation")
                return hint.arguments
        named = next((each.tx_hash for each in hints if each.tx_hash is not None), None)
        is_storing = contract.name in STORING
        origin = await self._origin(address, named) if is_storing or named else Origin("unknown")
        if origin.init_code is None or (not is_storing and not origin.init_code.startswith(contract.bytecode)):
            self._keep(contract, address, code, "unknown", None, None)
            if is_storing:
                self.draft.is_unchecked(f"{subject}, creation", origin.why)
                return None
            # Its code is this release's but for immutables, which are compared, and nothing else decides what it does.
            self.draft.checked.append(f"{subject}: code; it reads no storage of its own, so its creation can't matter")
            return next((each.arguments for each in tried if each.arguments is not None), None)
        where = "" if origin.tx_hash is None else f" in transaction {to_hex(origin.tx_hash)}"
        if not origin.init_code.startswith(contract.bytecode):
            self._keep(contract, address, code, "unknown", None, None)
            self.draft.differs(
                f"{subject}, creation code",
                f"this release's ({to_hex(keccak(contract.bytecode))})",
                f"other creation code{where}",
                _ANY_STORAGE,
            )
            return None
        arguments = origin.init_code[len(contract.bytecode) :]
        self._keep(contract, address, code, origin.way, arguments, origin.salt)
        self.draft.checked.append(f"{subject}: code, immutables and creation code{where}")
        return arguments

    async def _origin(self, address: str, named: bytes | None) -> Origin:
        """Find how a contract was created. A node that can't tell makes it unknown, and ends no check."""
        try:
            return await find_origin(self.rpc, address, self.block, named)
        except ChainUnavailable as error:
            return Origin("unknown", why=str(error))

    def _immutables(
        self, subject: str, contract: Compiled, address: str, code: bytes, arguments: Mapping[str, object]
    ) -> None:
        """Compare the immutables in code with those that follow from the constructor's arguments."""
        found = contract.immutables_in(code)
        wanted = expected_immutables(contract.name, arguments, address, self.chain_id, self.contracts)
        for name, value in found.items():
            if name not in wanted:
                self.draft.is_unchecked(f"{subject}, immutable {name}", "this release does not know how it follows")
            elif wanted[name] != value:
                self.draft.differs(
                    f"{subject}, immutable {name}",
                    to_hex(wanted[name]),
                    to_hex(value),
                    "its code was not made by this constructor from these arguments",
                )

    def _keep(
        self,
        contract: Compiled,
        address: str,
        code: bytes,
        way: str,
        arguments: bytes | None,
        salt: bytes | None,
    ) -> None:
        self.found[address] = StatedContract.model_validate(
            {
                "contract": contract.name,
                "address": address,
                "creation": way,
                "creation_code_hash": keccak(contract.bytecode) if arguments is not None else None,
                "arguments": arguments,
                "salt": salt,
                "code_hash": keccak(code),
            }
        )


def _stated(name: str, address: str, code: bytes) -> StatedContract:
    return StatedContract(
        contract=name,
        address=address,
        creation="unknown",
        creation_code_hash=None,
        arguments=None,
        salt=None,
        code_hash=keccak(code),
    )
