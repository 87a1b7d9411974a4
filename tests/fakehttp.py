"""A stand-in for the session of `oracle.core.http`: it answers without a connection."""

from __future__ import annotations

import json as jsons
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Reply:
    """An answer: the part of aiohttp's `ClientResponse` that the package reads."""

    status: int = 200
    body: bytes = b""
    reason: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def content(self) -> Reply:
        return self

    async def iter_any(self) -> AsyncIterator[bytes]:
        if self.body:
            yield self.body

    def close(self) -> None:
        pass


class FakeSession:
    """A session that answers each request with what `answer` returns for its body, or raises it."""

    def __init__(self, answer: Callable[[bytes], Reply | Exception]) -> None:
        self._answer = answer

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        pass

    @asynccontextmanager
    async def request(
        self, method: str, url: str, *, data: bytes = b"", json: Any = None, **options: Any
    ) -> AsyncIterator[Reply]:
        assert options["allow_redirects"] is False
        reply = self._answer(data if json is None else jsons.dumps(json).encode())
        if isinstance(reply, Exception):
            raise reply
        yield reply

    async def close(self) -> None: ...

    def get(self, url: str, **options: Any) -> Any:
        return self.request("GET", url, **options)

    def post(self, url: str, **options: Any) -> Any:
        return self.request("POST", url, **options)
