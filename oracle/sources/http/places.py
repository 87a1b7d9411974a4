"""Places in a JSON document: those that a JSONPath may have meant, and the one where it leads nowhere."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import jsonpath

from oracle.sources.interface import is_plain_decimal
from oracle.sources.units import likely_unit

__all__ = ["Place", "excerpt", "likely_times", "likely_values", "only_place", "shown"]

MOST_PLACES = 5_000
"""The most values of a document that are looked at."""

MOST_TOLD = 4
"""The most places that are told."""

MOST_SHOWN = 400
"""The most characters of an excerpt."""

NEAR, FAR = Decimal("0.01"), Decimal("0.1")
"""A number that is this close to the others' value is likely the one that is meant; this close, perhaps."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_ISO = re.compile(r"[12][0-9]{3}-[01][0-9]-[0-3][0-9][T ][0-9:.,Z+ -]{5,}\Z")


@dataclass(frozen=True, slots=True)
class Place:
    """A number or a time in a document.

    Attributes:
        path: Its JSONPath, which matches nothing else.
        found: It, as it is in the document.
        likeness: How likely it is the one that is meant; more is likelier.
    """

    path: str
    found: Any
    likeness: float

    @property
    def is_string(self) -> bool:
        """True if it is in a JSON string."""
        return isinstance(self.found, str)


def likely_values(
    document: Any, sought: str, near: Decimal | None, now: int, *, only_near: bool = False
) -> list[Place]:
    """Return the numbers that a JSONPath may have meant, the likeliest first.

    Args:
        document: The document.
        sought: The JSONPath, which does not lead to a number.
        near: The value that other sources have; None: it is not known.
        now: The present, unix seconds: a time is no price.
        only_near: Return none that is far from `near`.
    """
    found: list[Place] = []
    is_near = only_near
    for keys, value in _leaves(document):
        number = _number(value)
        if number is None or likely_unit(number, now) is not None:
            continue
        closeness = 0.0
        if near:
            distance = abs(number - near) / abs(near)
            closeness = 2.0 if distance <= NEAR else 1.0 if distance <= FAR else 0.0
            if is_near and not closeness:
                continue
            if closeness and not is_near:
                found, is_near = [], True  # those that are not near were kept only as long as none is
        found.append(_place(keys, value, sought, closeness))
    return _best(found)


def likely_times(document: Any, sought: str, now: int) -> list[Place]:
    """Return the times of the last year that a JSONPath may have meant, the likeliest first. See `likely_values`."""
    found = []
    for keys, value in _leaves(document):
        number = _number(value)
        is_time = likely_unit(number, now) is not None if number is not None else bool(_ISO.match(str(value)))
        if is_time:
            found.append(_place(keys, value, sought, 0.0))
    return _best(found)


def only_place(document: Any, path: str) -> str | None:
    """Return the place to which a JSONPath leads; None if there is none, or more than one."""
    matches = list(jsonpath.compile(path, strict=True).finditer(document))
    return _path(matches[0].parts) if len(matches) == 1 else None


def excerpt(document: Any, sought: str) -> str:
    """Return the part of a document to which a JSONPath leads as far as it can, with the way there."""
    compiled = jsonpath.compile(sought, strict=True)
    segments = [str(each) for each in compiled.segments] if isinstance(compiled, jsonpath.JSONPath) else []
    for count in range(len(segments) - 1, -1, -1):
        way = "$" + "".join(segments[:count])
        matches = list(jsonpath.compile(way, strict=True).finditer(document))
        if matches:
            more = f" (the first of {len(matches)})" if len(matches) > 1 else ""
            return f"{_path(matches[0].parts)}{more} is {shown(matches[0].obj, MOST_SHOWN)}"
    return f"$ is {shown(document, MOST_SHOWN)}"


def shown(value: Any, most: int) -> str:
    """Return a value of a document as JSON, in printable ASCII, up to a number of characters."""
    text = "".join(_pieces(value, most))
    return text if len(text) <= most else text[: most - 1] + "…"


def _pieces(value: Any, most: int) -> Iterator[str]:
    """Return the pieces of a value's JSON, and no more of them than are shown."""
    if isinstance(value, dict | list):
        opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]")
        length, between = 0, ""
        yield opening
        for each in value.items() if isinstance(value, dict) else value:
            key = f"{json.dumps(each[0])}: " if isinstance(value, dict) else ""
            inner = "".join(_pieces(each[1] if isinstance(value, dict) else each, most - length))
            piece = between + key + inner
            length, between = length + len(piece), ", "
            yield piece
            if length > most:
                return
        yield closing
    elif isinstance(value, str):
        yield json.dumps(value if len(value) <= most else value[:most])
    elif isinstance(value, bool) or value is None:
        yield json.dumps(value)
    else:
        yield str(value)


def _leaves(document: Any) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Return the values of a document that are neither lists nor objects, with the keys that lead to each."""
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), document)]
    seen = 0
    while waiting and seen < MOST_PLACES:
        keys, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [((*keys, key), each) for key, each in reversed(value.items())]
        elif isinstance(value, list):
            waiting += [((*keys, index), each) for index, each in reversed(list(enumerate(value[:MOST_PLACES])))]
        else:
            seen += 1
            yield keys, value


def _number(value: Any) -> Decimal | None:
    if isinstance(value, str):
        return Decimal(value) if is_plain_decimal(value) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    return value if isinstance(value, Decimal) else None


def _place(keys: Sequence[str | int], value: Any, sought: str, closeness: float) -> Place:
    path = _path(keys)
    wanted = _words(sought)
    own = _words(path)
    same_end = 1.0 if wanted and own and wanted[-1] == own[-1] else 0.0
    alike = difflib.SequenceMatcher(None, ".".join(wanted), ".".join(own)).ratio()
    return Place(path, value, closeness + same_end + alike)


def _best(places: list[Place]) -> list[Place]:
    return sorted(places, key=lambda each: -each.likeness)[:MOST_TOLD]


def _words(path: str) -> list[str]:
    """Return the names and numbers of a JSONPath, in lower case."""
    return re.findall(r"[a-z0-9]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", path).lower())


def _path(keys: Sequence[str | int]) -> str:
    """Return the JSONPath of a place, as people write it."""
    text = "$"
    for key in keys:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            text += f".{key}" if _NAME.match(key) else f"[{json.dumps(key)}]"
    return text
