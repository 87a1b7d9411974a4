"""Addresses to listen on, for the tables of what serves."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import AfterValidator

from oracle.core.errors import ConfigError
from oracle.core.settings import wrong

__all__ = ["ListenAddress", "host_and_port", "is_local", "require_listen"]


def _problem(value: str) -> str | None:
    host, colon, port = value.rpartition(":")
    if not colon or not host.strip("[]") or not port.isdecimal() or int(port) > 65_535:
        return f"{value!r} is not an address to listen on; write it as 127.0.0.1:9464 (port 0: any free one)"
    return None


def _address_to_listen_on(value: str) -> str:
    problem = _problem(value)
    if problem is not None:
        raise wrong(problem)
    return value


def require_listen(value: str, where: str) -> tuple[str, int]:
    """Return host and port of an address to listen on that a person typed.

    Args:
        where: The name of the option, for the message.

    Raises:
        ConfigError: It is none.
    """
    problem = _problem(value)
    if problem is not None:
        raise ConfigError(f"{where}: {problem}")
    return _parts(value)


def _parts(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


ListenAddress = Annotated[str, AfterValidator(_address_to_listen_on)]


def host_and_port(listen: str | None) -> tuple[str, int] | None:
    """Return host and port of an address to listen on; None if there is no address."""
    return None if listen is None else _parts(listen)


def is_local(listen: str | None) -> bool:
    """Return whether only this machine can reach an address to listen on."""
    address = host_and_port(listen)
    host = "" if address is None else address[0]
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
