"""Validation errors as lines: the path of the key, what is wrong, and what would be right."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from oracle.config.feeds import SOURCE_TYPES

__all__ = ["explain", "key_path", "problems", "tell"]

_TOLD = 20
"""The most problems that are told at once: a person reads them."""

_PLAIN_MESSAGES = {
    "missing": "is missing",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be a string",
    "date_type": "must be a date, as 2008-09-15",
    "is_instance_of": "must be a number",
    "decimal_type": "must be a number",
    "tuple_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "too_short": "has too few entries: {min_length} or more are needed",
    "union_tag_not_found": f"needs 'type': one of {', '.join(map(repr, SOURCE_TYPES))}",
}


def explain(error: ValidationError) -> str:
    """Return all problems: a single one in a line of its own, several in a line each."""
    return tell(problems(error))


def tell(found: Sequence[str]) -> str:
    """Return problems as the end of a message that begins with the file's name: a line for each of the first ones."""
    lines = [" ".join(each.split()) for each in found[:_TOLD]]
    if len(found) == 1:
        return lines[0]
    more = () if len(found) <= _TOLD else (f"and {len(found) - _TOLD} more",)
    return "\n  ".join((f"{len(found)} problems:", *lines, *more))


def problems(error: ValidationError, known: Collection[str] = ()) -> list[str]:
    """Return a line for each problem: the path of the key, and what is wrong.

    Args:
        error: All that pydantic found.
        known: The paths of keys whose problems are told already.
    """
    told: list[tuple[str, str]] = []
    branches: dict[str, set[tuple[str | int, ...]]] = {}
    errors = error.errors(include_url=False, include_input=False)
    locations = [details["loc"] for details in errors]
    for details in errors:
        location = details["loc"]
        if details["type"] == "default_factory_not_called":
            continue  # the default is the value of another key, which is wrong
        if details["type"] == "too_short" and any(_is_inside(other, location) for other in locations):
            continue  # a list that counts as too short only because one of its items is wrong
        where, message = _problem(details)
        if where in known:
            continue
        others = branches.setdefault(where, set())
        if others and location not in others:
            # Branches of a union each report on the same key.
            before = next(index for index, each in enumerate(told) if each[0] == where)
            told[before] = (where, f"{told[before][1]}, or {message}")
        else:
            told.append((where, message))
        others.add(location)
    return [f"{where}: {message}" for where, message in told]


def _is_inside(location: tuple[str | int, ...], table: tuple[str | int, ...]) -> bool:
    return len(location) > len(table) and location[: len(table)] == table


def _problem(details: ErrorDetails) -> tuple[str, str]:
    location, kind, context = details["loc"], details["type"], details.get("ctx") or {}
    if kind == "union_tag_invalid":
        return key_path((*location, "type")), f"{context['tag']!r} is not one of {context['expected_tags']}"
    if kind == "literal_error":
        return key_path(location), f"must be {context['expected']}"
    if kind == "string_pattern_mismatch":
        return key_path(location), "must be 1 to 40 of a-z, 0-9, '-' and '_', the first no '-' or '_'"
    if kind == "too_long":
        return key_path(
            location
        ), f"has {context['actual_length']} entries, but at most {context['max_length']} are allowed"
    message = _PLAIN_MESSAGES[kind].format(**context) if kind in _PLAIN_MESSAGES else details["msg"]
    return key_path(location), message.replace("Input should be", "must be").replace("\n", " ")


def key_path(location: tuple[str | int, ...]) -> str:
    """Return the path of a key as people write it: "feeds[0].sources[1].url"."""
    text = ""
    for index, part in enumerate(location):
        if isinstance(part, int):
            text += f"[{part}]"
        elif part in SOURCE_TYPES and location[index - 2 : index - 1] == ("sources",):
            continue  # the tag that selected the kind of source, not a key
        elif part in ("decimal", "literal['max']") or part.startswith(("function-", "constrained-")):
            continue  # a branch of a union, not a key
        else:
            text += f".{part}" if text else part
    return text or "the file"
