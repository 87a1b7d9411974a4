"""The policy of a sender: when a transaction is final, sent again, or replaced, and what it may cost."""

from __future__ import annotations

from dataclasses import dataclass, field

from oracle.chain.tx.fees import GWEI, FeePolicy
from oracle.config import ChainConfig
from oracle.core.money import WEI


@dataclass(frozen=True, slots=True)
class SendPolicy:
    """The rules by which transactions are cared for. Times in seconds.

    Attributes:
        confirmations: Blocks, the transaction's own included, after which it counts as final.
        poll_s: Time between two looks for a receipt.
        replace_after_s: Time after which a transaction that could be mined, and is not, is replaced.
        resend_s: Time after which it is sent again, in case the node has forgotten it; doubled each time.
        resend_last_s: The longest time between two such attempts.
        fees: The limits of what may be paid.
    """

    confirmations: int = 1
    poll_s: float = 0.25
    replace_after_s: float = 45.0
    resend_s: float = 5.0
    resend_last_s: float = 60.0
    fees: FeePolicy = field(default_factory=FeePolicy)


def send_policy(chain: ChainConfig) -> SendPolicy:
    """Return how transactions are followed, and what they may cost."""
    cost = chain.max_tx_cost_ether
    return SendPolicy(
        confirmations=chain.confirmations,
        replace_after_s=chain.replace_after_s,
        fees=FeePolicy(
            max_fee=int(chain.max_fee_gwei * GWEI),
            max_priority_fee=int(chain.max_priority_fee_gwei * GWEI),
            max_cost=None if cost is None else int(cost * WEI),
        ),
    )
