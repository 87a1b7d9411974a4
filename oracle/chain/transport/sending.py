"""The words of nodes about a signed transaction, and their meaning.

No standard says how this is worded. `tests/nodes/sending.json` has the words of each node that we know.
"""

from __future__ import annotations

import re

from oracle.chain.transport.answers import Sent
from oracle.chain.transport.patterns import NO_FUNDS, words
from oracle.core.errors import PayerEmpty, TransactionRejected

__all__ = ["read_sent"]

_KNOWN = words(r"""
    already.?known
    known transaction
    already (?:imported|exists)
    already in (?:the )?(?:pool|mempool|cache)
    duplicate_transaction
""")

_UNDERPRICED = words(r"""
    replacement
    replac(?:e|ing) existing
    replace.by.fee
    allowed to replace
    same nonce
    with nonce already
""")

_NONCE_USED = words(r"""
    nonce (?:is )?too low
    nonce_too_low
    oldnonce
    nonce has already been used
""")

_FEE_TOO_LOW = words(r"""
    underpriced
    less than block base fee
    fee ?(?:cap )?(?:is )?too ?low
    gas ?price (?:is )?(?:too low|.*below)
    below (?:the |configured )?minim
    minim(?:al|um) gas price
    insufficient_tx_fee
""")

_FOR_GOOD = words(r"""
    gas ?limit
    intrinsic gas
    invalid (?:sender|signature|transaction type)
    chain.?id
    rlp
    failed to decode
    initcode
    oversized
    type not supported|not supported transaction type
    tip above fee cap|higher than max fee
    senderiscontract|not an eoa
    unprotected
""")

_SEQUENCE = re.compile(r"invalid nonce; got (\d+), expected (\d+)")
"""The words of chains of the Cosmos kind for a nonce that is too low, or too high."""


def read_sent(said: str, name: str) -> Sent | None:
    """Return the meaning of a node's refusal to take a transaction; None if it may take it later.

    Args:
        said: Its words.
        name: The endpoint, for messages.

    Raises:
        PayerEmpty: The account has too little.
        TransactionRejected: No node will ever take it.
    """
    heard = said.lower()
    # Words about a replacement have words of the others in them.
    if _UNDERPRICED.search(heard):
        return Sent.UNDERPRICED
    if _KNOWN.search(heard):
        return Sent.KNOWN
    sequence = _SEQUENCE.search(heard)
    if _NONCE_USED.search(heard) or (sequence is not None and int(sequence[1]) < int(sequence[2])):
        return Sent.NONCE_USED
    if NO_FUNDS.search(heard):
        raise PayerEmpty(f"{name} refuses the transaction: {said}")
    if _FEE_TOO_LOW.search(heard):
        return Sent.FEE_TOO_LOW
    if _FOR_GOOD.search(heard):
        raise TransactionRejected(f"{name} refuses the transaction: {said}")
    return None
