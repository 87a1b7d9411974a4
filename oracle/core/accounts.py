"""eth-account's class of accounts, imported at its first use."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

# eth_account is slow to import, most of it for kinds of keys that nobody has here, and most commands sign nothing.
if TYPE_CHECKING:
    from eth_account import Account

__all__ = ["account_class"]


@cache
def account_class() -> type[Account]:
    """Return `eth_account.Account`, which makes, encrypts and decrypts accounts, and says who signed."""
    from eth_account import Account  # slow to import: see above

    return Account
