"""Addresses to listen on, for the tables of what serves."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import AfterValidator

from oracle.core.settings import wrong

__all__ = ["ListenAddress", "host_and_port", "is_local"]


def _address_to_listen_on(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not colon or not host.strip("[]") or not port.isdecimal() or int(port) > 65_535:
        raise wrong(f"{value!r} is not an address to listen on; write it as 127.0.0.1:9464 (port 0: any free one)")
    return value


ListenAddress = Annotated[str, AfterValidator(_address_to_listen_on)]


def host_and_port(listen: str | None) -> tuple[str, int] | None:
    """Return host and port of an address to listen on; None if there is no address."""
    if listen is None:
        return None
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


def is_local(listen: str | None) -> bool:
    """Return whether only this machine can reach an address to listen on."""
    address = host_and_port(listen)
    host = "" if address is None else address[0]
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
