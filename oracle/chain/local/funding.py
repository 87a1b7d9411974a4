"""Ether for accounts of a local chain. It is made from nothing, as Anvil lets everybody do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from oracle.chain.addresses import require_address
from oracle.chain.rpc import Rpc
from oracle.chain.transport.interface import MethodMissing
from oracle.core.errors import ConfigError
from oracle.core.money import WEI

__all__ = ["Funding", "amount", "fund", "funding"]

_USUAL = Decimal(100)
"""Ether that an account gets, unless another amount is named."""

_MOST = 10**9


@dataclass(frozen=True)
class Funding:
    """Ether for an account.

    Attributes:
        address: Checksummed address.
        wei: The amount.
    """

    address: str
    wei: int


def funding(text: str, where: str) -> Funding:
    """Return the account and the amount that a person means by ADDRESS or ADDRESS=ETHER.

    Args:
        where: The name of the option, for the message.

    Raises:
        ConfigError: It is neither.
    """
    address, equals, ether = text.partition("=")
    return Funding(require_address(address, where), amount(ether if equals else None, where))


def amount(text: str | None, where: str) -> int:
    """Return wei for an amount of ether; None: the usual amount. Raises: ConfigError."""
    try:
        ether = _USUAL if text is None else Decimal(text)
        wei = ether * WEI
        if not 0 < ether <= _MOST or wei != int(wei):
            raise InvalidOperation
    except InvalidOperation:
        raise ConfigError(
            f"{where}: {text!r} is no amount of ether: a number above 0, up to {_MOST:,}, with 18 decimals at most"
        ) from None
    return int(wei)


async def fund(rpc: Rpc, fundings: Sequence[Funding]) -> dict[str, int]:
    """Give accounts of a local chain ether, and return their balances in wei.

    Raises:
        ConfigError: The chain is not Anvil's.
        ChainUnavailable: No answer.
    """
    try:
        # Others are not asked: each refuses what it does not have in words of its own.
        if not (await rpc.client_version()).lower().startswith("anvil/"):
            raise MethodMissing("", "")
        for each in fundings:
            await rpc.request("anvil_addBalance", each.address, hex(each.wei))
    except MethodMissing as error:
        who = " and ".join(each.address for each in fundings)
        raise ConfigError(
            f"{rpc.name} is not a local chain of Anvil: nobody can make ether there, send {who} some"
        ) from error
    return {each.address: await rpc.balance(each.address) for each in fundings}
