"""Options that several commands share, and the configuration, keystores and hashes that they name."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from oracle.core.errors import ConfigError
from oracle.core.privacy import refused_word

# Commands import what they need when they run, so that `oracle --help` answers at once.
if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from oracle.config import Config

F = TypeVar("F", bound=Callable[..., Any])

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)

DEFAULT_CONFIG = Path("oracle.toml")

config_option = click.option(
    "--config",
    "-c",
    "config_path",
    type=FILE,
    default=DEFAULT_CONFIG,
    show_default=True,
    envvar="ORACLE_CONFIG",
    help="Configuration file.",
)
optional_config_option = click.option(
    "--config",
    "-c",
    "config_path",
    type=FILE,
    envvar="ORACLE_CONFIG",
    help=f"Configuration file (default: {DEFAULT_CONFIG}, if it exists).",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")


def _checked_visibility(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    problem = None if value is None else refused_word(value)
    if problem is not None:
        raise ConfigError(f"--visibility: {problem}")
    return value


public_model_option = click.option(
    "--public-model", is_flag=True, help="Put the weights into the verifying key: cheaper, but not private."
)
visibility_option = click.option(
    "--visibility",
    metavar="private|public",
    callback=_checked_visibility,
    help="Hash the weights in the circuit (private), or put them into the verifying key (public).",
)


class FiniteRange(click.FloatRange):
    """A number within bounds. Any range of click's takes NaN, which is on no side of a bound."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number, or fail."""
        found = float(super().convert(value, param, ctx))
        if not math.isfinite(found):
            self.fail(f"{found} is no number.", param, ctx)
        return found


class BlockParameter(click.ParamType[int | str]):
    """A block, by its number or by the name that nodes have for it."""

    name = "block"

    def convert(self, value: int | str, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """Return the number, or the name."""
        if isinstance(value, int) or value in BLOCK_NAMES:
            return value
        if value.isascii() and value.isdecimal() and len(value) <= 20:
            return int(value)
        self.fail(f"{value!r} is not a block: give its number, or {', '.join(BLOCK_NAMES)}", param, ctx)


BLOCK_NAMES = ("latest", "safe", "finalized")

block_option = click.option(
    "--block",
    type=BlockParameter(),
    default="latest",
    show_default=True,
    metavar="NUMBER|latest|safe|finalized",
    help="The block at which all state is read.",
)
rpc_urls_option = click.option(
    "--rpc",
    "rpc_urls",
    multiple=True,
    required=True,
    metavar="URL",
    help="RPC endpoint of the chain. Name several, and each can be found to withhold what another one has.",
)
memory_option = click.option(
    "--memory-limit",
    type=FiniteRange(min=0, min_open=True),
    metavar="GIB",
    help="Memory that the proofs of a split model may take together (default: four fifths of the machine's).",
)
cores_option = click.option(
    "--cores",
    type=click.IntRange(min=1),
    help="Cores for the proofs of a split model (default: all of the machine's).",
)
calldata_option = click.option(
    "--calldata", is_flag=True, help="Print what to sign, for a multisig or another wallet; send nothing."
)
srs_option = click.option(
    "--srs",
    type=click.Choice(["insecure-local", "public-ceremony"]),
    default="insecure-local",
    show_default=True,
    help="Reference string of the keys; the local one is for local chains only.",
)


def key_options(whose: str, *, needed: bool = False) -> Callable[[F], F]:
    """Return a decorator that adds `--keystore` and `--password-file` to a command that signs.

    Args:
        whose: Help of `--keystore`.
        needed: The command can't do without a keystore.
    """

    def add(function: F) -> F:
        function = click.option("--password-file", type=FILE, help="File with the keystore's password (default: ask).")(
            function
        )
        return click.option("--keystore", type=FILE, required=needed, help=whose)(function)

    return add


def is_public(public_model: bool, visibility: str | None) -> bool:
    """Return True if `--public-model` or `--visibility` asks for public weights.

    Raises:
        ConfigError: They contradict each other.
    """
    if public_model and visibility == "private":
        raise ConfigError("--public-model and --visibility private exclude each other")
    return public_model or visibility == "public"


def with_visibility(config: Config, public_model: bool, visibility: str | None) -> Config:
    """Return the configuration with the visibility that `--public-model` or `--visibility` asks for, if any.

    Raises:
        ConfigError: They contradict each other.
    """
    if not public_model and visibility is None:
        return config
    return config.with_visibility("public" if is_public(public_model, visibility) else "private")


def unlock(keystore: Path, password_file: Path | None) -> LocalAccount:
    """Return the key in a keystore; without a password file, ask for the password.

    Raises:
        KeystoreError: The file can't be read, or the password is wrong.
    """
    from oracle.chain.keys import keystore as keystores

    if password_file is None:
        keystores.require_keystore(keystore)  # nobody types a password for a file that is none
        password: str = click.prompt(f"Password of {keystore}", hide_input=True, err=True)
    else:
        password = keystores.password_from_file(password_file)
    return keystores.load(keystore, password)


def model_hash_of(text: str | None) -> int | None:
    """Return the number that `--model-hash` gives in hexadecimal, if it was given.

    Raises:
        click.UsageError: It is no such number.
    """
    try:
        return None if text is None else int(text, 16)
    except ValueError:
        raise click.UsageError(f"--model-hash {text}: write it as 0x and hexadecimal digits") from None


def transaction_of(text: str, where: str) -> bytes:
    """Return a transaction's hash that an option gives in hexadecimal.

    Raises:
        click.UsageError: It is no such hash.
    """
    digits = text.removeprefix("0x")
    try:
        found = bytes.fromhex(digits)
    except ValueError:
        found = b""
    if len(found) != 32:
        raise click.UsageError(f"{where} {text}: write a transaction's hash as 0x and 64 hexadecimal digits")
    return found


def load_config(path: Path) -> Config:
    """Return the configuration in a file.

    Raises:
        ConfigError: There is no such file, or something in it is wrong.
    """
    from oracle.config import load

    return load(require_config(path), os.environ)


def require_config(path: Path) -> Path:
    """Return the path of a configuration that is there. Raises: ConfigError."""
    if not path.exists():
        raise ConfigError(f"{path}: no such file; `oracle init FOLDER` writes one, or name another with --config")
    return path


def load_optional(path: Path | None) -> Config | None:
    """Return the named configuration, or else the default one; None if neither exists."""
    if path is None and not DEFAULT_CONFIG.exists():
        return None
    return load_config(path or DEFAULT_CONFIG)
