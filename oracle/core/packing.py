"""Compressed bodies of HTTP, unpacked piece by piece: never more than a limit, however small they came."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterable
from typing import Protocol

import brotli

__all__ = ["ACCEPTED", "PackedTooLarge", "PackedWrong", "Unpacker", "unpacked", "unpacker"]

ACCEPTED = "gzip, deflate"
"""The encodings that requests ask for. Brotli is read, too, from servers that ask nobody."""

_GZIP, _ZLIB, _RAW = 31, 15, -15
"""The forms of zlib's data, as zlib counts them."""

_MOST_MEMBERS = 64


class PackedTooLarge(Exception):
    """There is more than the limit in it."""


class PackedWrong(Exception):
    """The bytes are not what their encoding says. The message says what they are instead."""


async def unpacked(pieces: AsyncIterable[bytes], encoding: str, most: int) -> bytes:
    """Return a body, unpacked.

    Args:
        pieces: The body, as it comes.
        encoding: The header Content-Encoding; empty if there is none.
        most: The most bytes, as they come and unpacked.

    Raises:
        PackedTooLarge: There are more. Reading stops at once.
        PackedWrong: It is compressed in a way that can't be read.
    """
    unpack = unpacker(encoding)
    body, came = bytearray(), 0
    async for piece in pieces:
        came += len(piece)
        body += piece if unpack is None else unpack.feed(piece, most - len(body))
        if max(came, len(body)) > most:
            raise PackedTooLarge
    if unpack is not None:
        unpack.end()
    return bytes(body)


class Unpacker(Protocol):
    """Unpacks one body."""

    def feed(self, data: bytes, most: int) -> bytes:
        """Return what more bytes unpack to.

        Args:
            data: The next bytes of the body.
            most: The most bytes that they may unpack to.

        Raises:
            PackedTooLarge: They unpack to more.
            PackedWrong: They are not in this encoding.
        """

    def end(self) -> None:
        """Take note of the end of the body. Raises `PackedWrong` if more has to come."""


def unpacker(encoding: str) -> Unpacker | None:
    """Return what unpacks a body; None if it is not packed.

    Args:
        encoding: The header Content-Encoding; empty if there is none.

    Raises:
        PackedWrong: Nothing here unpacks it.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return None
    if name in ("gzip", "x-gzip", "deflate"):
        return _Zlib(name.removeprefix("x-"))
    if name == "br":
        return _Brotli()
    if "," in name:
        # Each layer would multiply what a small body unpacks to.
        raise PackedWrong("compressed several times over")
    raise PackedWrong(f"compressed as {name[:20]!r}, which is not read here")


class _Zlib:
    """Unpacks gzip, and both things that are called deflate: with zlib's header and without."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._held = b""
        self._unpack = zlib.decompressobj(_GZIP) if name == "gzip" else None
        self._begun = False
        self._members = 1

    def feed(self, data: bytes, most: int) -> bytes:
        """See `Unpacker.feed`."""
        if self._unpack is None:
            self._held += data
            if len(self._held) < 2:
                return b""
            data, self._held = self._held, b""
            self._unpack = zlib.decompressobj(_ZLIB if _has_zlib_header(data) else _RAW)
        found = bytearray()
        while data:
            self._begun = True
            if self._unpack.eof:
                # gzip may have several members. Each costs time, though it may be empty.
                if self._name != "gzip" or self._members == _MOST_MEMBERS:
                    raise PackedWrong(f"{self._name} with something behind its end")
                self._unpack, self._members = zlib.decompressobj(_GZIP), self._members + 1
            try:
                found += self._unpack.decompress(data, most - len(found) + 1)
            except zlib.error:
                raise PackedWrong(f"no {self._name}, though it says so") from None
            if len(found) > most:
                raise PackedTooLarge
            data = self._unpack.unconsumed_tail or self._unpack.unused_data
        return bytes(found)

    def end(self) -> None:
        """See `Unpacker.end`."""
        if self._held or (self._begun and self._unpack is not None and not self._unpack.eof):
            raise PackedWrong(f"{self._name} that is cut off")


class _Brotli:
    """Unpacks Brotli."""

    def __init__(self) -> None:
        self._unpack = brotli.Decompressor()
        self._begun = False

    def feed(self, data: bytes, most: int) -> bytes:
        """See `Unpacker.feed`."""
        found = bytearray()
        if self._begun and data and self._unpack.is_finished():
            raise PackedWrong("Brotli with something behind its end")
        self._begun = self._begun or bool(data)
        try:
            found += self._unpack.process(data, output_buffer_limit=most + 1)
            while len(found) <= most and not self._unpack.can_accept_more_data():
                found += self._unpack.process(b"", output_buffer_limit=most + 1 - len(found))
        except brotli.error:
            raise PackedWrong("no Brotli, though it says so") from None
        if len(found) > most:
            raise PackedTooLarge
        return bytes(found)

    def end(self) -> None:
        """See `Unpacker.end`."""
        if self._begun and not self._unpack.is_finished():
            raise PackedWrong("Brotli that is cut off")


def _has_zlib_header(data: bytes) -> bool:
    return data[0] & 15 == 8 and int.from_bytes(data[:2]) % 31 == 0
