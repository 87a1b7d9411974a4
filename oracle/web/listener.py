"""A listener that takes connections for an aiohttp application, with limits on their number and their time.

A client that connects has not shown yet who it is. Connections that send nothing, or a byte now and then (slow-loris),
or never finish their TLS handshake are therefore bounded before a request arrives: this process has reports to make,
and it needs its file descriptors for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from oracle.core.errors import ConfigError
from oracle.web.rates import client_at
from oracle.web.tls import Certificate

log = structlog.get_logger(__name__)

LOGGED_EACH_S = 60.0
_BACKLOG = 64
_NO_DESCRIPTORS_S = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a listener.

    Attributes:
        connections: How many may be open; further ones are closed immediately.
        head_s: Seconds for a TLS handshake, and again for the head of the first request.
        request_s: Seconds from the beginning of one request to the beginning of the next, the answer included.
        idle_s: Seconds for which a connection is kept after an answer; None: as long as `head_s`.
        per_address: How many may be open from one address, or one IPv6 network, so that one client can't have them all;
            None: any number.
    """

    connections: int = 64
    head_s: float = 10.0
    request_s: float = 30.0
    idle_s: float | None = None
    per_address: int | None = None


@contextlib.asynccontextmanager
async def listening(
    application: web.Application,
    listen: tuple[str, int],
    section: str,
    *,
    certificate: Certificate | None = None,
    limits: Limits | None = None,
) -> AsyncIterator[int]:
    """Serve an application while the context is open; the context's value is the port.

    Args:
        listen: Host and port; port 0 takes any free one.
        section: The section of the configuration that messages name.
        certificate: None: plain HTTP.
        limits: None: the default ones.

    Raises:
        ConfigError: The address can't be bound.
    """
    door = _Door(limits or Limits(), certificate, section)
    application.middlewares.append(door.request_begins)
    runner = web.AppRunner(
        application,
        access_log=None,
        logger=_request_log(section),
        handle_signals=False,
        auto_decompress=False,  # `read_request` unpacks, up to a limit
        keepalive_timeout=door.limits.head_s if door.limits.idle_s is None else door.limits.idle_s,
        lingering_time=min(2.0, door.limits.head_s),
    )
    await runner.setup()
    assert runner.server is not None
    try:
        bound = await _bind(*listen, section)
        at_work = [asyncio.create_task(door.take(each, runner.server), name=f"{section}-listener") for each in bound]
        at_work.append(asyncio.create_task(door.sweep(runner.server), name=f"{section}-listener"))
        try:
            yield int(bound[0].getsockname()[1])
        finally:
            for task in at_work:
                task.cancel()
            await asyncio.gather(*at_work, return_exceptions=True)
            for each in bound:
                each.close()
            await door.close()
    finally:
        await runner.cleanup()


def _request_log(section: str) -> logging.Logger:
    """Return what aiohttp logs with."""
    logger = logging.Logger(f"{__name__}.{section}", logging.WARNING)
    logger.addHandler(_RequestFailures(section))
    return logger


class _RequestFailures(logging.Handler):
    """Logs what aiohttp says of requests that failed, each kind once in a while: anybody can send what is not HTTP."""

    def __init__(self, section: str) -> None:
        super().__init__()
        self._section = section
        self._kinds: dict[str, tuple[int, float]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        error = record.exc_info[1] if record.exc_info else None
        kind = "" if isinstance(error, HttpProcessingError) else type(error).__name__
        times, told_at = self._kinds.get(kind, (0, float("-inf")))
        now = time.monotonic()
        if now - told_at < LOGGED_EACH_S:
            self._kinds[kind] = (times + 1, told_at)
            return
        self._kinds[kind] = (0, now)
        if not kind:
            log.warning("a request is not HTTP", listener=self._section, times=times + 1)
        else:
            log.error("a request failed", listener=self._section, times=times + 1, exc_info=record.exc_info)


def _why(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            "another program listens there, maybe another daemon (`oracle status` names it); stop it, or choose another"
        )
    # asyncio puts the address into the text once more.
    return (os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror) or str(error)


async def _bind(host: str, port: int, section: str) -> list[socket.socket]:
    """Return a socket for each of the host's addresses; with port 0, for the first one only."""
    bound: list[socket.socket] = []
    try:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, address in dict.fromkeys((each[0], each[4]) for each in found[: 1 if port == 0 else None]):
            bound.append(socket.create_server(address[:2], family=family, backlog=_BACKLOG))
            bound[-1].setblocking(False)
    except OSError as error:
        for each in bound:
            each.close()
        raise ConfigError(f"[{section}] listen: {host}:{port} can't be bound: {_why(error)}") from None
    return bound


class _Door:
    """Lets connections in, and ends those that take too long."""

    def __init__(self, limits: Limits, certificate: Certificate | None, section: str) -> None:
        self.limits = limits
        self._certificate = certificate
        self._section = section
        self._entering: dict[asyncio.Task[None], str] = {}
        self._until: dict[asyncio.BaseProtocol, float] = {}
        self._refused = 0
        self._told_at = float("-inf")

    async def take(self, bound: socket.socket, server: web.Server) -> None:
        """Take connections until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(bound)
            except OSError as error:
                # No descriptors are left for now, or the client has gone already.
                log.warning("can't take a connection", listener=self._section, reason=error.strerror or str(error))
                await asyncio.sleep(_NO_DESCRIPTORS_S)
                continue
            if not self._has_room(address[0], server):
                connection.close()
                self._refuse()
                continue
            entering = asyncio.create_task(self._enter(connection, server))
            self._entering[entering] = address[0]
            entering.add_done_callback(self._entering.pop)

    def _has_room(self, address: str, server: web.Server) -> bool:
        """Return whether one more connection may be open, from this address."""
        if len(self._entering) + len(server.connections) >= self.limits.connections:
            return False
        if self.limits.per_address is None:
            return True
        names = [each.transport.get_extra_info("peername") for each in server.connections if each.transport]
        clients = [client_at(each) for each in (*(name[0] for name in names if name), *self._entering.values())]
        return clients.count(client_at(address)) < self.limits.per_address

    async def close(self) -> None:
        """End the connections that are still entering."""
        for each in list(self._entering):
            each.cancel()
        await asyncio.gather(*self._entering, return_exceptions=True)

    async def _enter(self, connection: socket.socket, server: web.Server) -> None:
        loop = asyncio.get_running_loop()
        try:
            if self._certificate is None:
                await loop.connect_accepted_socket(server, connection)
            else:
                await loop.connect_accepted_socket(
                    server,
                    connection,
                    ssl=self._certificate.context,
                    ssl_handshake_timeout=self.limits.head_s,
                    ssl_shutdown_timeout=self.limits.head_s,
                )
        except OSError as error:  # all TLS errors and timeouts are OSErrors
            log.debug("connection ended before it began", listener=self._section, reason=type(error).__name__)
            connection.close()
            return
        except BaseException:
            connection.close()
            raise

    @web.middleware
    async def request_begins(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Start the clock of a request, whose head has arrived."""
        self._until[request.protocol] = asyncio.get_running_loop().time() + self.limits.request_s
        return await handler(request)

    async def sweep(self, server: web.Server) -> None:
        """End connections that take too long, until cancelled.

        aiohttp ends connections without a request by itself, but not those whose client does not read the answer.
        """
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self.limits.head_s / 10)
            now = loop.time()
            # This also forgets connections that have ended: there may have been many.
            self._until = {each: self._until.get(each, now + self.limits.head_s) for each in server.connections}
            for each in server.connections:
                if self._until[each] <= now and each.transport is not None:
                    each.transport.abort()

    def _refuse(self) -> None:
        self._refused += 1
        now = asyncio.get_running_loop().time()
        if now - self._told_at >= LOGGED_EACH_S:
            log.warning(
                "connections refused", listener=self._section, times=self._refused, at_once=self.limits.connections
            )
            self._told_at, self._refused = now, 0
