"""The comparison of endpoints' answers to one question: the same content is the same answer, however it is written.

Clients write quantities with or without zeros in front, digits in either case, what is missing as null or not at all,
and have fields of their own.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from oracle.core.errors import ContractRejected, PayerEmpty, TransactionRejected

_QUANTITIES = frozenset({"eth_getTransactionCount", "eth_getBalance", "eth_getStorageAt"})
"""The methods whose result is a number."""

_ESSENTIAL: Mapping[str, tuple[str, ...]] = {
    "eth_getTransactionReceipt": (
        "transactionHash", "blockHash", "blockNumber", "status", "gasUsed", "effectiveGasPrice", "contractAddress",
        "logs",
    ),
    "eth_getBlockByNumber": ("number", "hash", "timestamp", "gasLimit", "baseFeePerGas"),
    "eth_getProof": ("address", "balance", "nonce", "codeHash", "storageHash"),
}  # fmt: skip
"""For the methods whose result is an object, its fields that every node has."""

_LOG = ("address", "topics", "data")
_SHORT = re.compile(r"0x[0-9a-f]{0,64}")


@dataclass(frozen=True, slots=True)
class Answered:
    """An endpoint's answer: a result, or why there can be none."""

    result: Any
    rejected: ContractRejected | PayerEmpty | TransactionRejected | None = None

    def value(self) -> Any:
        """Return the result, or raise the reason."""
        if self.rejected is not None:
            raise self.rejected
        return self.result

    def key(self, method: str) -> str:
        """Return a text that is equal for answers that mean the same."""
        if isinstance(self.rejected, ContractRejected):
            return f"reverts: {self.rejected.name} {self.rejected}"
        if self.rejected is not None:  # the message has the endpoint's name
            return f"refuses: {type(self.rejected).__name__}"
        try:
            return json.dumps(_essence(method, self.result), sort_keys=True).lower()
        except RecursionError:
            return "something that is nested too deep"

    def shown(self, method: str) -> str:
        """Return the answer for a message."""
        key = self.key(method)
        if len(key) <= 80:
            return key
        return f"{key[:40]}… ({len(key)} characters, {hashlib.sha256(key.encode()).hexdigest()[:8]})"


def _essence(method: str, result: Any) -> Any:
    """Reduce an answer to what every node has in the same way."""
    if method in _QUANTITIES:
        return _plain(result)
    fields = _ESSENTIAL.get(method)
    if fields is None or not isinstance(result, Mapping):
        return result
    return [_field(key, result.get(key)) for key in fields]


def _field(key: str, value: Any) -> Any:
    if key == "logs":
        return _logs(value)
    plain = _plain(value)
    # Where nothing was created, some have null, some nothing, some zero.
    return None if key == "contractAddress" and plain == "0x0" else plain


def _logs(found: Any) -> Any:
    return [
        [each.get(key) for key in _LOG] if isinstance(each, Mapping) else each
        for each in (found if isinstance(found, list) else [])
    ]


def _plain(value: Any) -> Any:
    """Return one form of a number, whichever form the node chose."""
    if isinstance(value, int) and not isinstance(value, bool):
        return hex(value)
    if isinstance(value, str) and _SHORT.fullmatch(value.lower()):
        return hex(int(value[2:] or "0", 16))
    return value
