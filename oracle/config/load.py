"""Read a configuration file, and replace the variables in it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from oracle.config.claims import ClaimServiceConfig
from oracle.config.explain import explain, key_path, problems, tell
from oracle.config.file import Config
from oracle.config.journal import JournalConfig, journal_table
from oracle.config.part import read_part
from oracle.config.training import TrainingConfig
from oracle.core.documents import NotText, decode_text
from oracle.core.errors import ConfigError
from oracle.core.settings import Section

__all__ = ["journal_at", "load", "load_claim_service", "load_part", "load_training"]

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


# Besides these, the values of "headers" may have variables.
_URL_KEYS = frozenset({"url", "rpc_url", "rpc_urls", "ws_url"})


Table = TypeVar("Table", bound=Section)


def load(path: Path | str, env: Mapping[str, str]) -> Config:
    """Read a configuration file.

    Args:
        path: A TOML file.
        env: Environment variables for `${NAME}`; usually `os.environ`.

    Raises:
        ConfigError: The file can't be read, is not TOML, or has a mistake.
    """
    return _read(Path(path), env, Config, "`oracle init` writes one")


def load_part(path: Path, env: Mapping[str, str]) -> tuple[Config, list[str]]:
    """Return what can be read of a configuration file, and a line for each mistake in it.

    Args:
        path: As of `load`.
        env: As of `load`.

    Returns:
        The configuration, of which keys that are wrong raise `Unreadable`; and the problems, which are none if it is
        whole.

    Raises:
        ConfigError: The file can't be read, or is not TOML.
    """
    return _found(path, _data(path, "`oracle init` writes one"), env, Config)


def load_training(path: Path) -> TrainingConfig:
    """Read a file that says how a detector is trained.

    Raises:
        ConfigError: The file can't be read, is not TOML, or has a mistake.
    """
    return _read(path, {}, TrainingConfig, "docs/detectors.md shows one")


def load_claim_service(path: Path) -> ClaimServiceConfig:
    """Read the file of a claims service.

    Raises:
        ConfigError: The file can't be read, is not TOML, or has a mistake.
    """
    return _read(path, {}, ClaimServiceConfig, "docs/claims.md shows one")


def journal_at(where: str) -> JournalConfig:
    """Return the configuration of the journal in a file, or at a PostgreSQL URL.

    Raises:
        ConfigError: The URL is not one of a PostgreSQL database, or has a password in it.
    """
    try:
        return JournalConfig.model_validate(journal_table(where))
    except ValidationError as error:
        raise ConfigError(f"journal: {explain(error)}") from None


def _read(path: Path, env: Mapping[str, str], table: type[Table], hint: str) -> Table:
    read, found = _found(path, _data(path, hint), env, table)
    if found:
        raise ConfigError(f"{path}: {tell(found)}")
    return read


def _data(path: Path, hint: str) -> dict[str, Any]:
    """Return the content of a file. Raises as `load_part`."""
    try:
        return tomllib.loads(decode_text(path.read_bytes()), parse_float=Decimal)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration file; {hint}") from None
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from error
    except NotText as error:
        raise ConfigError(f"{path}: can't be read: {error}") from None
    except ValueError as error:  # TOMLDecodeError, or a number with too many digits
        raise ConfigError(f"{path}: is not valid TOML: {error}") from None
    except RecursionError:
        raise ConfigError(f"{path}: is not valid TOML: it is nested too deep") from None
    except ArithmeticError:
        raise ConfigError(f"{path}: a number in it is out of range") from None


def _found(path: Path, data: Mapping[str, Any], env: Mapping[str, str], table: type[Table]) -> tuple[Table, list[str]]:
    """Return what can be read of a file's content, and a line for each mistake. Raises: ConfigError."""
    context = {"base": path.resolve().parent}
    try:
        unset: dict[str, str] = {}
        expanded = _expand(data, env, (), unset)
        found = [f"{where}: {message}" for where, message in unset.items()]
        try:
            return table.model_validate(expanded, context=context), found
        except ValidationError as error:
            found += problems(error, known=unset)
        part, between = read_part(table, expanded, context)
        found += [line for line in (f"{key_path(where)}: {message}" for where, message in between) if line not in found]
        return part, found
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deep") from None


def _expand(value: Any, env: Mapping[str, str], location: tuple[str | int, ...], unset: dict[str, str]) -> Any:
    """Return `value` with lists as tuples, and with variables replaced where they are allowed.

    Args:
        unset: Gets the paths of keys whose variables can't be replaced, and why.
    """
    if isinstance(value, dict):
        return {key: _expand(item, env, (*location, key), unset) for key, item in value.items()}
    if isinstance(value, list):
        return tuple(_expand(item, env, (*location, index), unset) for index, item in enumerate(value))
    if not isinstance(value, str) or "${" not in value:
        return value
    named = next(part for part in reversed(location) if isinstance(part, str))
    names = [match.group(1) for match in _VARIABLE.finditer(value)]
    missing = [name for name in names if not env.get(name)]
    if named not in _URL_KEYS and location[-2:-1] != ("headers",):
        unset[key_path(location)] = "variables (${NAME}) are replaced in URLs and header values only"
    elif missing:
        unset[key_path(location)] = f"the environment variable {missing[0]} is not set"
    elif "${" in _VARIABLE.sub("", value):
        unset[key_path(location)] = "has a '${' that is not of the form ${NAME}"
    else:
        return _VARIABLE.sub(lambda match: env[match.group(1)], value)
    return value
