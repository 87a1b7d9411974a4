"""Takes connections for an application: so many at once, each of which has to say what it wants within a deadline.

Whoever connects has not shown yet who it is. So what can be held by connections that say nothing, or a byte now and
then (slow-loris), or never finish their TLS handshake, is bounded before a request is there: this process has reports
to make, and its descriptors are needed for that.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from oracle.core.errors import ConfigError

log = structlog.get_logger(__name__)

LOGGED_EACH_S = 60.0
_BACKLOG = 64
_NO_DESCRIPTORS_S = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What connections may take.

    Attributes:
        connections: At once; further ones are closed at once.
        head_s: Seconds for a TLS handshake, and again for the head of the first request.
        request_s: Seconds from the beginning of one request to that of the next one, its answer included.
    """

    connections: int = 64
    head_s: float = 10.0
    request_s: float = 30.0


class Certificate:
    """A TLS server's certificate and key. Files may be replaced while it is in use: see `reload`.

    Args:
        certificate: PEM file, with the chain.
        key: PEM file, not encrypted.
        section: Of the configuration, for errors.

    Raises:
        ConfigError: They can't be read, others may read the key, or they do not belong together.
    """

    def __init__(self, certificate: Path, key: Path, section: str) -> None:
        self._certificate = certificate
        self._key = key
        self._section = section
        self.context = self._read()

    def reload(self) -> None:
        """Take over what is in the files now, for new connections; with an error, all stays as it is.

        Raises:
            ConfigError: As at the beginning.
        """
        self.context = self._read()

    def _read(self) -> ssl.SSLContext:
        for name, path in (("tls_certificate", self._certificate), ("tls_key", self._key)):
            try:
                path.read_bytes()
            except OSError as error:
                raise self._wrong(name, path, f"can't be read: {error.strerror or error}") from None
        if self._key.stat().st_mode & 0o007:
            raise self._wrong("tls_key", self._key, f"everybody may use it; run `chmod 640 {self._key}`")

        def password() -> str:
            raise self._wrong("tls_key", self._key, "is encrypted, and nobody is there to ask; store it without")

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self._certificate, self._key, password)
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                raise self._wrong("tls_key", self._key, f"is not the key of {self._certificate}") from None
            raise self._wrong("tls_certificate", self._certificate, "it, or the key, is no PEM file") from None
        return context

    def _wrong(self, name: str, path: Path, what: str) -> ConfigError:
        return ConfigError(f"[{self._section}] {name} {path}: {what}")


@contextlib.asynccontextmanager
async def listening(
    application: web.Application,
    listen: tuple[str, int],
    section: str,
    *,
    certificate: Certificate | None = None,
    limits: Limits | None = None,
) -> AsyncIterator[int]:
    """Answers for an application while the context is open; gives the port.

    Args:
        listen: Host and port; 0 is any that is free.
        section: Of the configuration, for messages.
        certificate: Without it, there is no TLS.

    Raises:
        ConfigError: The address can't be bound.
    """
    door = _Door(limits or Limits(), certificate, section)
    application.middlewares.append(door.request_begins)
    runner = web.AppRunner(
        application,
        access_log=None,
        handle_signals=False,
        keepalive_timeout=door.limits.head_s,
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


async def _bind(host: str, port: int, section: str) -> list[socket.socket]:
    """A socket for each of the host's addresses; with port 0, for the first."""
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
        raise ConfigError(f"[{section}] listen: {host}:{port} can't be bound: {error.strerror or error}") from None
    return bound


class _Door:
    """Lets connections in, and ends those that take too long."""

    def __init__(self, limits: Limits, certificate: Certificate | None, section: str) -> None:
        self.limits = limits
        self._certificate = certificate
        self._section = section
        self._entering: set[asyncio.Task[None]] = set()
        self._until: dict[asyncio.BaseProtocol, float] = {}
        self._refused = 0
        self._told_at = float("-inf")

    async def take(self, bound: socket.socket, server: web.Server) -> None:
        """Take connections until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(bound)
            except OSError as error:
                # No descriptors are left, for now; or whoever connected has gone already.
                log.warning("can't take a connection", listener=self._section, reason=error.strerror or str(error))
                await asyncio.sleep(_NO_DESCRIPTORS_S)
                continue
            if len(self._entering) + len(server.connections) >= self.limits.connections:
                connection.close()
                self._refuse()
                continue
            entering = asyncio.create_task(self._enter(connection, server))
            self._entering.add(entering)
            entering.add_done_callback(self._entering.discard)

    async def close(self) -> None:
        """Leave alone whoever is not in yet."""
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
        except OSError as error:  # which all of TLS's errors and timeouts are
            log.debug("connection ended before it began", listener=self._section, reason=type(error).__name__)
            connection.close()
            return
        except BaseException:
            connection.close()
            raise

    @web.middleware
    async def request_begins(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The head of a request is there."""
        self._until[request.protocol] = asyncio.get_running_loop().time() + self.limits.request_s
        return await handler(request)

    async def sweep(self, server: web.Server) -> None:
        """End connections that take too long, until it is cancelled.

        Those without a request aiohttp ends by itself; those whose client does not read the answer it does not.
        """
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self.limits.head_s / 10)
            now = loop.time()
            # What has ended is forgotten with this: there may have been many.
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
