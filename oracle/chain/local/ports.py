"""Ports of this machine that a process keeps for servers that it is going to start."""

from __future__ import annotations

import random
import socket

__all__ = ["reserved_port", "reserved_ports"]

_PORTS = range(20_000, 32_000)
"""Ports that no system hands out for connections, so that a server finds its own again when it is restarted."""


def reserved_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """Return ports on which nothing listens, and which no other process gets while this one lives.

    Each has a socket that is bound and does not listen: whoever connects is refused, and whoever looks for a free port
    finds another one. A server that is told the port can listen on it, as often as it is started again.

    Args:
        count: How many.
        host: The address of this machine.
    """
    return [_reserve(host) for _ in range(count)]


def reserved_port(host: str = "127.0.0.1") -> int:
    """Return one such port."""
    return _reserve(host)


def _reserve(host: str) -> int:
    chance = random.SystemRandom()
    while True:
        port = chance.choice(_PORTS)
        with socket.socket() as kept:
            try:
                kept.bind((host, port))
            except OSError:
                continue  # somebody else's
            # From now on, servers can share the port, as they set this, too, and as this socket does not listen.
            kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            kept.detach()  # it stays open until this process ends
        return port
