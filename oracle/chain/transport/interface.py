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
        again: True if the same request may succeed in a moment.
    """

    def __init__(self, message: str, said: str, *, again: bool = False) -> None:
        super().__init__(message)
        self.said = said
        self.again = again


class TooMuchAsked(NodeError):
    """The node does not give that much at once: a range of blocks, a number of results, a size, a time.

    Attributes:
        sizes: The numbers of blocks that it names; one of them may be the most that it takes.
        suggested: The first and the last block of a range that it says would do; None if it does not say.
    """

    def __init__(
        self, message: str, said: str, *, sizes: Sequence[int] = (), suggested: tuple[int, int] | None = None
    ) -> None:
        super().__init__(message, said)
        self.sizes = sizes
        self.suggested = suggested


class HistoryMissing(NodeError):
    """The node no longer has the state or the blocks that are asked for."""


class MethodMissing(NodeError):
    """The node does not have the method, or does not let us use it."""


class BlockMissing(NodeError):
    """The node does not have the block, or not yet."""


class NullRound(BlockMissing):
    """The chain has no block of this number, and never will: nobody made one."""


class RateLimited(ChainUnavailable):
    """The endpoint limits the rate of requests.

    Attributes:
        pause: Seconds that it asks to wait; None if it does not say.
    """

    def __init__(self, message: str, pause: float | None = None) -> None:
        super().__init__(message)
        self.pause = pause


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

    def keep_open(self) -> None:
        """Keep connections for further requests until `close`, in one event loop."""

    async def close(self) -> None:
        """Close all connections. The transport may be used again."""
