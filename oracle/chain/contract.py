"""Views of contracts: calls that read and send nothing."""

from __future__ import annotations

from typing import Any

from oracle.chain.abi.interface import Interface
from oracle.chain.rpc import BlockTag, Rpc
from oracle.core.errors import AnswerNotBelieved, DeploymentError


async def read(
    rpc: Rpc, interface: Interface, address: str, function: str, *arguments: Any, block: BlockTag = "latest"
) -> Any:
    """Call a view of any contract.

    Raises:
        ContractRejected: It reverted, with the decoded reason.
        DeploymentError: There is no such contract at the address.
        ChainUnavailable: No answer.
    """
    data = interface.encode_call(function, *arguments)

    def doubt(answer: bytes) -> str:
        try:
            interface.decode_output(function, answer)
        except ValueError:
            return f"{address} answers {'nothing' if not answer else 'something else'} to {function}"
        return ""

    try:
        answer = await rpc.call(address, data, block=block, decode=interface.decode_error, doubt=doubt)
    except AnswerNotBelieved:
        what = (
            "there is no contract" if not await rpc.code(address) else f"the contract has no {function}, or another one"
        )
        raise DeploymentError(
            f"{address} on chain {await rpc.chain_id()}: {what}; check the address and the deployment file"
        ) from None
    return interface.decode_output(function, answer)
