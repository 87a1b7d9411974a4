"""The interface of a transport, which takes requests to one chain through one endpoint or several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from oracle.chain.transport.reverts import ErrorDecoder
from oracle.core.errors import ChainUnavailable

Doubt: TypeAlias = Callable[[Any], str]
"""Returns what is wrong with a result, so that another endpoint should be asked; empty if nothing is."""


class NodeError(ChainUnavailable):
    """The node answered with an error that is not a revert.

    Attributes:
        said: The node's own message.
    """

    def __init__(self, message: str, said: str) -> None:
        super().__init__(message)
        self.said = said


@dataclass(frozen=True, slots=True)
class EndpointState:
    """The state in which an endpoint was found.

    Attributes:
        name: Its URL without what may be secret in it.
        problem: What is wrong with it; empty if nothing is.
        head: Number of its latest block; None if it does not say.
        in_use: True if requests go to this endpoint now.
    """

    name: str
    problem: str
    head: int | None
    in_use: bool


class Transport(Protocol):
    """Takes requests to one chain."""

    @property
    def name(self) -> str:
        """A name for messages, without secrets."""

    async def chain_id(self) -> int:
        """Return the chain's id, once it was compared with the expected one. Raises as `Rpc.chain_id`."""

    async def request(
        self, method: str, params: list[Any], decode: ErrorDecoder | None = None, doubt: Doubt | None = None
    ) -> Any:
        """Make one JSON-RPC request and return its raw result. Raises as `Rpc.request`."""

    async def states(self) -> Sequence[EndpointState]:
        """Return the state of each endpoint, looked at now."""

    async def close(self) -> None:
        """Close all connections. The transport may be used again."""
