"""Validation errors as one line: the path of the key, what is wrong, and what would be right."""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from oracle.config.feeds import SOURCE_TYPES

__all__ = ["explain", "key_path"]

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
    "union_tag_not_found": f"needs 'type': one of {', '.join(map(repr, SOURCE_TYPES))}",
}


def explain(error: ValidationError) -> str:
    """Return the first problem in one line, and how many more there are."""
    problems: dict[str, str] = {}
    errors = error.errors(include_url=False, include_input=False)
    locations = [details["loc"] for details in errors]
    for details in errors:
        length = len(details["loc"])
        if any(len(other) > length and other[:length] == details["loc"] for other in locations):
            continue  # a list that counts as too short only because one of its items is wrong
        where, message = _problem(details)
        # Branches of a union each report on the same key.
        problems[where] = f"{problems[where]}, or {message}" if where in problems else message
    where, message = next(iter(problems.items()))
    more = len(problems) - 1
    also = "" if not more else f" (and {more} more problem{'s' if more > 1 else ''})"
    return f"{where}: {message}{also}"


def _problem(details: ErrorDetails) -> tuple[str, str]:
    location, kind, context = details["loc"], details["type"], details.get("ctx") or {}
    if kind == "unknown_key":
        return key_path((*location, context["key"])), context["message"]
    if kind == "union_tag_invalid":
        return key_path((*location, "type")), f"{context['tag']!r} is not one of {context['expected_tags']}"
    if kind == "literal_error":
        return key_path(location), f"must be {context['expected']}"
    if kind == "string_pattern_mismatch":
        return key_path(location), "must be 1 to 40 of a-z, 0-9, '-' and '_', the first no '-' or '_'"
    message = _PLAIN_MESSAGES.get(kind, details["msg"])
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
