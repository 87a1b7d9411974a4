"""What commands share: their options, and how they read the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from oracle.core.errors import ConfigError

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from oracle.config import Config

FILE = click.Path(path_type=Path, dir_okay=False)

DEFAULT_CONFIG = Path("oracle.toml")

config_option = click.option(
    "--config",
    "-c",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=DEFAULT_CONFIG,
    show_default=True,
    envvar="ORACLE_CONFIG",
    help="Configuration file.",
)
optional_config_option = click.option(
    "--config",
    "-c",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="ORACLE_CONFIG",
    help=f"Configuration file (default: {DEFAULT_CONFIG}, if it is there).",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")


def unlock(keystore: Path, password_file: Path | None) -> LocalAccount:
    """The key in a keystore; its password is asked for where no file has it. Raises: KeystoreError."""
    from oracle.chain.keys import keystore as keystores

    if password_file is None:
        password: str = click.prompt(f"Password of {keystore}", hide_input=True, err=True)
    else:
        password = keystores.password_from_file(password_file)
    return keystores.load(keystore, password)


def load_config(path: Path) -> Config:
    """The configuration in a file.

    Raises:
        ConfigError: There is none, or it is wrong.
    """
    import os

    from oracle.config import load

    if not path.exists():
        raise ConfigError(f"{path}: no such file; copy config.example.toml there, or name another with --config")
    return load(path, os.environ)


def load_optional(path: Path | None) -> Config | None:
    """The named configuration, or the one that is there; None if there is none."""
    if path is None and not DEFAULT_CONFIG.exists():
        return None
    return load_config(path or DEFAULT_CONFIG)
