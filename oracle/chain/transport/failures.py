"""Failures of one HTTP request to an endpoint, as `oracle.chain.transport.jsonrpc` raises them.

They are in a module of their own so that code that handles them does not have to import web3. None of them holds a text
of a library: these texts have the URL in them, which may hold an API key.
"""

from __future__ import annotations

from typing import Any


class RequestFailed(Exception):
    """An HTTP request brought no JSON-RPC answer."""


class Unreachable(RequestFailed):
    """There is no connection, or it broke. The message is the reason."""


class RefusedByStatus(RequestFailed):
    """The answer has another status than 2xx.

    Attributes:
        retry_after: Seconds that the endpoint asks to wait; None if it does not say.
        answer: The JSON in its body: nodes and providers put JSON-RPC errors there. None if there is none.
    """

    def __init__(self, status: int, retry_after: float | None = None, answer: Any = None) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.retry_after = retry_after
        self.answer = answer


class AnswerTooLarge(RequestFailed):
    """The answer is larger than `limit` bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"more than {limit:,} bytes")
        self.limit = limit


class NoJsonRpc(RequestFailed):
    """The answer is not JSON that is read. The message says why."""
