"""Objects of messages from others, read strictly: bounded, with exactly the keys that are expected."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from oracle.core.documents import NotJson, parse_json
from oracle.core.errors import DataError
from oracle.core.formats import checksum_address, from_hex
from oracle.core.report import MAX_FEEDS

__all__ = ["UINT32_MAX", "MessageFields", "hash_of", "load_message", "number_of"]

T = TypeVar("T")

UINT32_MAX = 2**32 - 1

_HEX = re.compile(r"0x[0-9a-f]+\Z")


def load_message(what: str, body: bytes, most: int) -> Any:
    """Return what a body says in JSON.

    Args:
        what: What the body is called in messages.
        body: The body.
        most: The most bytes that it may have.

    Raises:
        DataError: It is larger, or not JSON.
    """
    if len(body) > most:
        raise DataError(f"{what} has more than {most:,} bytes")
    try:
        return parse_json(body)
    except NotJson as error:
        raise DataError(f"{what} can't be read: {error}") from None


class MessageFields:
    """An object of a message. All its methods raise `DataError`, which names the key."""

    def __init__(self, what: str, found: Any, names: Sequence[str]) -> None:
        """Read an object with exactly these keys.

        Args:
            what: What the object is called in messages.
            found: What was loaded.
            names: The keys.
        """
        if not isinstance(found, Mapping):
            raise DataError(f"{what} is not an object")
        missing = [name for name in names if name not in found]
        if missing or len(found) != len(names):
            said = f"{missing[0]!r} is missing" if missing else f"has other keys than {', '.join(names)}"
            raise DataError(f"{what}: {said}")
        self._what = what
        self._found = found

    def __getitem__(self, name: str) -> Any:
        """Return a value as it is."""
        return self._found[name]

    def wrong(self, name: str, problem: str) -> DataError:
        """Return the error about a key."""
        return DataError(f"{self._what}: {name!r} {problem}")

    def inner(self, name: str, names: Sequence[str]) -> MessageFields:
        """Return an object in this one, with exactly these keys."""
        return MessageFields(f"{self._what}: {name!r}", self[name], names)

    def text(self, name: str, most: int) -> str:
        """Return a text of at most so many characters."""
        found = self[name]
        if not isinstance(found, str) or len(found) > most:
            raise self.wrong(name, f"is not a text of at most {most} characters")
        return found

    def number(self, name: str, most: int = UINT32_MAX) -> int:
        """Return a whole number from 0 to `most`."""
        found = number_of(self[name], most)
        if found is None:
            raise self.wrong(name, f"is not a whole number from 0 to {most}")
        return found

    def data(self, name: str, size: int) -> bytes:
        """Return so many bytes, which are there in hexadecimal."""
        found = _data(self[name], size)
        if found is None:
            raise self.wrong(name, f"is not 0x and {2 * size} hexadecimal digits in lower case")
        return found

    def address(self, name: str) -> str:
        """Return an address, checksummed."""
        try:
            return checksum_address(self.text(name, 42))
        except ValueError:
            raise self.wrong(name, "is not an address: 0x and 40 hexadecimal digits") from None

    def each(self, name: str, read: Callable[[Any], T | None], kind: str) -> tuple[T, ...]:
        """Return a list with an entry for each feed of a report, at most.

        Args:
            name: The key.
            read: Returns an entry, or None if it is not of the kind.
            kind: What an entry is, for messages.
        """
        found = self[name]
        if not isinstance(found, list) or len(found) > MAX_FEEDS:
            raise self.wrong(name, f"is not a list of at most {MAX_FEEDS}")
        values = []
        for position, each in enumerate(found):
            value = read(each)
            if value is None:
                raise self.wrong(name, f"has something else than {kind} at {position}")
            values.append(value)
        return tuple(values)


def hash_of(found: Any) -> bytes | None:
    """Return the 32 bytes that a value says in hexadecimal; None if it does not."""
    return _data(found, 32)


def number_of(found: Any, most: int = UINT32_MAX) -> int | None:
    """Return the whole number from 0 to `most` that a value is; None if it is none."""
    whole = isinstance(found, int) and not isinstance(found, bool)
    return found if whole and 0 <= found <= most else None


# --- details -------------------------------------------------------------------------------------------------------


def _data(found: Any, size: int) -> bytes | None:
    plain = isinstance(found, str) and len(found) == 2 + 2 * size and _HEX.match(found)
    return from_hex(found) if plain else None
