"""Credentials that come back: servers repeat a wrong key in what they answer, and answers are shown and logged."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

__all__ = ["HIDDEN", "credentials_of", "without"]

HIDDEN = "***"
"""The text in place of a credential."""

_LEAST = 6
"""The fewest characters of a credential. Shorter ones would be found in other words."""

_NAMES = re.compile(r"key|token|secret|auth|pass|sign|app_?id|credential|session|jwt|user|client", re.IGNORECASE)
"""The names of parameters whose values are credentials."""

_KEY = re.compile(r"\d|.{20}")
"""The look of their values: a parameter may be called token, and name the one whose price is asked for."""

_OPEN = frozenset(
    {"accept", "accept-encoding", "accept-language", "cache-control", "content-type", "origin", "referer", "user-agent"}
)
"""Headers whose values are none."""

_NUMBER = re.compile(r"[\d.]+")
"""A number is no credential: it could be a part of a price."""

_IN_PATH = re.compile(r"(?=[^/]*\d)[A-Za-z0-9_-]{24,}")
"""A part of a path that is a key: long, with digits."""


def credentials_of(url: str, headers: Mapping[str, str]) -> Sequence[str]:
    """Return the credentials that go with a request, the longest first.

    Args:
        url: Its URL: a name or password before the host, parameters that are named so, and long parts of the path.
        headers: Its headers: the values of all but those that say what is wanted.
    """
    parts = urlsplit(url)
    found = [unquote(each) for each in (parts.username, parts.password) if each]
    found += [value for name, value in parse_qsl(parts.query) if _NAMES.search(name) and _KEY.search(value)]
    found += [each for each in parts.path.split("/") if _IN_PATH.fullmatch(each)]
    for name, value in headers.items():
        if name.lower() not in _OPEN:
            found += [value, value.rpartition(" ")[2]]  # "Bearer" and such words are no part of it
    kept = {each.strip() for each in found if len(each.strip()) >= _LEAST and not _NUMBER.fullmatch(each.strip())}
    return sorted(kept, key=lambda each: (-len(each), each))


def without(value: Any, credentials: Sequence[str]) -> Any:
    """Return a text or a document in which each credential is hidden."""
    if isinstance(value, str):
        for each in credentials:
            value = value.replace(each, HIDDEN)
        return value
    if isinstance(value, dict):
        return {without(key, credentials): without(each, credentials) for key, each in value.items()}
    return [without(each, credentials) for each in value] if isinstance(value, list) else value
