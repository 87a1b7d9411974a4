"""The tokens of configured callers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from oracle.config import CallerConfig
from oracle.core.errors import ConfigError
from oracle.core.secrets import SecretFile

__all__ = ["caller_tokens"]


def caller_tokens(callers: Sequence[CallerConfig], where: str) -> Mapping[str, Callable[[], bytes | None]]:
    """Return what gives the callers' tokens, as their files have them by then, by name.

    Args:
        callers: The callers.
        where: The key that has them, for messages: "[updates] callers".

    Raises:
        ConfigError: A token can't be used, or two callers have the same.
    """
    tokens: dict[str, SecretFile] = {}
    for index, caller in enumerate(callers):
        place = f"{where}[{index}] token_file"
        token = SecretFile(caller.token_file, place)
        for name, other in tokens.items():
            if token.value() == other.value():
                raise ConfigError(f"{place} {caller.token_file}: has the token of caller {name!r}; make another")
        tokens[caller.name] = token
    return {name: token.value for name, token in tokens.items()}
