"""Checks that the readers of model files share. Each mistake is one line that names the file and the key."""

from __future__ import annotations

from typing import Any

from oracle.core.documents import NotJson, parse_json
from oracle.core.encoding import Feature, parse_features
from oracle.core.errors import DataError

_KINDS = {
    str: "a text",
    int: "an integer",
    float: "a number with a fraction",
    bool: "true or false",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


def document_of(text: str, where: str, form: str, keys: set[str]) -> dict[str, Any]:
    """Return the JSON object of a model file.

    Args:
        text: The file's content.
        where: The file's name, for error messages.
        form: The value that its key `format` must have.
        keys: The keys that it must have.

    Raises:
        DataError: The text is not JSON, has other keys, or is of another format.
    """
    try:
        document = parse_json(text)
    except NotJson as error:
        raise DataError(f"{where} can't be read: {error}") from error
    root = checked_mapping(document, where, keys)
    if root["format"] != form:
        raise DataError(f"{where}: format {root['format']!r} is not {form!r}")
    return root


def checked_mapping(value: object, where: str, keys: set[str]) -> dict[str, Any]:
    """Return a JSON object that has exactly these keys.

    Raises:
        DataError: It is not an object, or a key is missing or unknown.
    """
    if not isinstance(value, dict):
        raise DataError(f"{where} must be an object with the keys {', '.join(sorted(keys))}")
    wrong = sorted(keys.symmetric_difference(value))
    if wrong:
        kind = "missing" if wrong[0] in keys else "unknown"
        raise DataError(f"{where}: {kind} key {wrong[0]!r}; expected {', '.join(sorted(keys))}")
    return value


def integer(value: object, where: str) -> int:
    """Return a JSON integer.

    Raises:
        DataError: It is something else.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        # Errors end in logs, and the value may be a weight.
        raise DataError(f"{where} must be an integer, and is {_KINDS.get(type(value), 'something else')}")
    return value


def integers(value: object, where: str) -> tuple[int, ...]:
    """Return a JSON list of integers.

    Raises:
        DataError: It is something else.
    """
    if not isinstance(value, list):
        raise DataError(f"{where} must be a list of integers")
    return tuple(integer(each, where) for each in value)


def text_of(value: object, where: str) -> str:
    """Return a JSON text.

    Raises:
        DataError: It is something else.
    """
    if not isinstance(value, str):
        raise DataError(f"{where} must be a text, and is {_KINDS.get(type(value), 'something else')}")
    return value


def features_of(value: object, where: str) -> tuple[Feature, ...]:
    """Return a feature list from a JSON list of names.

    Raises:
        DataError: It is something else, a name is unknown, or the hub takes no such list.
    """
    if not isinstance(value, list):
        raise DataError(f"{where} must be a list of names")
    try:
        return parse_features(text_of(name, where) for name in value)
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
