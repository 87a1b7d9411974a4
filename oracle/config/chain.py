"""The table [chain]: the chain that is reported to."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from oracle.core.settings import ConfigPath, DecimalNumber, EndpointsConfig, Seconds, check_url, wrong

__all__ = ["ChainConfig"]


def _ws_url(value: str) -> str:
    if not value.startswith(("ws://", "wss://")):
        raise wrong("is not a websocket URL; write it as wss://host/path")
    try:
        check_url(f"http{value.removeprefix('ws')}")
    except PydanticCustomError:
        raise wrong("is not a valid URL; write it as wss://host/path") from None
    return value


WsUrl = Annotated[str, AfterValidator(_ws_url)]


class ChainConfig(EndpointsConfig):
    """The chain that is reported to.

    Attributes:
        ws_url: A websocket that announces new blocks. None: the chain is asked at intervals.
        rpc_timeout_s: Seconds that one request to one endpoint may take.
        deployment: The deployment file that `oracle deploy` writes and everything else reads.
        confirmations: Blocks, the transaction's own included, after which a transaction counts as final.
        tx_deadline_s: Seconds to wait for a transaction.
        replace_after_s: Seconds after which a transaction that is not mined is replaced by one that pays more.
        max_fee_gwei: The most that a unit of gas may cost. Nothing is sent while it costs more.
        max_priority_fee_gwei: The part of that fee that may go to whoever builds the block.
        max_tx_cost_ether: The most that one transaction may cost. None: what its gas costs at `max_fee_gwei`.
    """

    ws_url: WsUrl | None = Field(None, repr=False)
    rpc_timeout_s: Seconds = 15.0
    deployment: ConfigPath
    confirmations: Annotated[int, Field(ge=1, le=1_000)] = 1
    tx_deadline_s: Seconds = 120.0
    replace_after_s: Seconds = 45.0
    max_fee_gwei: Annotated[DecimalNumber, Field(gt=0, le=10**9)] = Decimal(1_000)
    max_priority_fee_gwei: Annotated[DecimalNumber, Field(gt=0, le=10**9)] = Decimal(50)
    max_tx_cost_ether: Annotated[DecimalNumber, Field(gt=0, le=10**9)] | None = None
