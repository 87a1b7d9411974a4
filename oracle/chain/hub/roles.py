"""The holders of a hub's roles, and who is about to hold one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from oracle.chain.hub.interface import hub_interface
from oracle.chain.hub.reader import Hub
from oracle.chain.rpc import BlockTag
from oracle.core.errors import ChainUnavailable
from oracle.core.formats import NOBODY, keccak, to_hex

ADMIN_ROLE = bytes(32)
"""The role of the admin, as OpenZeppelin's AccessControl numbers it."""

GUARDIAN_ROLE = keccak(b"GUARDIAN_ROLE")
"""The role of guardians, as the hub numbers it."""


@dataclass(frozen=True, slots=True)
class HubRoles:
    """The roles of a hub.

    Attributes:
        admin: The admin's address; None: there is none any more.
        next_admin: The address to which the role is being handed over; None: to nobody.
        accepts_from: The time from which that address may accept, unix seconds; None likewise.
        handover_delay: Seconds between the two steps of a handover.
        change_delay: Seconds from the proposal of a change to its activation.
        guardians: Holders of the guardian's role, sorted.
        others: Holders of any other role, each with the role's 32 bytes in hex; no function of the hub asks for these.
    """

    admin: str | None
    next_admin: str | None
    accepts_from: int | None
    handover_delay: int
    change_delay: int
    guardians: tuple[str, ...]
    others: tuple[tuple[str, str], ...]


async def hub_roles(hub: Hub, first_block: int = 0, block: BlockTag | None = None) -> HubRoles:
    """Read who holds which role: from the hub's events, and each confirmed by the hub itself.

    Args:
        hub: The hub.
        first_block: A block that is not after the hub's deployment.
        block: The block whose state is read; None: the latest.

    Raises:
        ChainUnavailable: No answer, or the node's logs contradict the hub.
    """
    at = block if isinstance(block, int) else (await hub.rpc.block(block or "latest")).number
    interface = hub_interface()
    granted: set[tuple[bytes, str]] = set()
    topics = [[interface.topic("RoleGranted"), interface.topic("RoleRevoked")]]
    for log in await hub.rpc.logs(hub.address, first_block, at, topics):
        decoded = interface.decode_log(log)
        assert decoded is not None  # the logs are of these two events
        name, values = decoded
        (granted.add if name == "RoleGranted" else granted.discard)((values["role"], values["account"]))
    for role, account in granted:
        if not await hub.read("hasRole", role, account, block=at):
            raise ChainUnavailable(
                f"{hub.rpc.name}: its logs say that {account} has role {to_hex(role)} at {hub.address}, and the hub "
                "says that it has not: a log is missing; ask another node"
            )
    guardians = [account for role, account in granted if role == GUARDIAN_ROLE]
    others = [(account, to_hex(role)) for role, account in granted if role not in (GUARDIAN_ROLE, ADMIN_ROLE)]
    return await _roles(hub, at, guardians, others)


async def named_roles(hub: Hub, block: int, named: Iterable[str]) -> HubRoles:
    """Read who holds which role without the hub's logs: of guardians, only those among the accounts that are named.

    Args:
        hub: The hub.
        block: The block whose state is read.
        named: Accounts that may be guardians, beside the admin.
    """
    asked = dict.fromkeys([*named, await hub.read("defaultAdmin", block=block)])
    guardians = [each for each in asked if await hub.read("hasRole", GUARDIAN_ROLE, each, block=block)]
    return await _roles(hub, block, guardians, ())


async def _roles(hub: Hub, block: int, guardians: Iterable[str], others: Iterable[tuple[str, str]]) -> HubRoles:
    """Return the roles, with what the hub tells of its admin and its delays."""
    admin: str = await hub.read("defaultAdmin", block=block)
    pending = await hub.read("pendingDefaultAdmin", block=block)
    next_admin, accepts_from = pending["newAdmin"], pending["schedule"]
    return HubRoles(
        admin=None if admin == NOBODY else admin,
        next_admin=next_admin if accepts_from else None,
        accepts_from=accepts_from or None,
        handover_delay=await hub.read("defaultAdminDelay", block=block),
        change_delay=await hub.read("changeDelay", block=block),
        guardians=tuple(sorted(guardians)),
        others=tuple(sorted(others)),
    )
