"""Ports of this machine that a process keeps for servers that it is going to start."""

from __future__ import annotations

import random
import socket

__all__ = ["reserve", "reserved_port"]

_PORTS = range(20_000, 32_000)
"""Ports that no system hands out for connections, so that a server finds its own again when it is restarted."""


def reserve(host: str = "127.0.0.1") -> socket.socket:
    """Return a socket with a port on which nothing listens, and which no other process gets until it is closed.

    The socket is bound and does not listen: whoever connects is refused, and whoever looks for a free port finds
    another one. A server that is told the port can listen on it, as often as it is started again.

    Args:
        host: The address of this machine.
    """
    chance = random.SystemRandom()
    while True:
        kept = socket.socket()
        try:
            kept.bind((host, chance.choice(_PORTS)))
        except OSError:
            kept.close()  # it is somebody else's
            continue
        # From now on, servers can share the port, as they set this, too, and as this socket does not listen.
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return kept


def reserved_port(host: str = "127.0.0.1") -> int:
    """Return a port that is reserved as by `reserve`, until this process ends."""
    kept = reserve(host)
    port = int(kept.getsockname()[1])
    kept.detach()
    return port
