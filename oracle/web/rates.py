"""The rates at which clients may ask, whom nobody knows yet."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

from aiolimiter import AsyncLimiter

__all__ = ["Rates", "client_at"]

_CLIENTS = 1_024
"""The most clients that are remembered, if nothing else is said."""


_IPV6_PREFIX = 64
"""The bits of an IPv6 address that stand for one client: whoever has an address has all others of such a network."""


def client_at(address: str | None) -> str:
    """Return the client that a connection's address stands for."""
    try:
        found = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return address or ""
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or ipaddress.ip_network((found, _IPV6_PREFIX), strict=False))


class Rates:
    """Counts requests, of each client and of all together."""

    def __init__(self, each: float, seconds: float, together: float | None = None, clients: int = _CLIENTS) -> None:
        """Begin with no request.

        Args:
            each: How many requests a client may make in so many seconds.
            seconds: These seconds.
            together: How many all clients may make in this time; None: any number.
            clients: The most clients that are remembered. Those that asked longest ago are forgotten first.
        """
        self._rate = each, seconds
        self._together = None if together is None else AsyncLimiter(together, seconds)
        self._most = clients
        self._each: OrderedDict[str, AsyncLimiter] = OrderedDict()

    async def allow(self, client: str) -> bool:
        """Count a request, unless it is one too many. Return whether it was counted."""
        mine = self._each.setdefault(client, AsyncLimiter(*self._rate))
        self._each.move_to_end(client)
        while len(self._each) > self._most:
            self._each.popitem(last=False)
        limits = [mine] if self._together is None else [mine, self._together]
        if not all(each.has_capacity() for each in limits):
            return False
        for each in limits:
            await each.acquire()  # at once: there is capacity
        return True
