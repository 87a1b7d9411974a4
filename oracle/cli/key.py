"""`oracle key …`: encrypted keystores. Passwords and private keys come from prompts or files, never from arguments."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from oracle.cli.options import DEFAULT_CONFIG, FILE, FOLDER, json_option, load_config
from oracle.cli.render.json_output import print_done, print_json

# Commands import what they need when they run, so that `oracle --help` answers at once.

path_argument = click.argument("path", type=FILE)
password_option = click.option("--password-file", type=FILE, help="File with the password (default: ask).")


@click.group("key")
def key_group() -> None:
    """Encrypted keystores for reporting and for paying gas."""


@key_group.command("create")
@path_argument
@password_option
@json_option
def key_create(path: Path, password_file: Path | None, as_json: bool) -> None:
    """Make a key and write it, encrypted, to PATH."""
    from oracle.chain.keys import keystore

    _print_key(path, keystore.create(path, _new_password(password_file)), as_json)


@key_group.command("import")
@path_argument
@password_option
@click.option("--key-file", type=FILE, help="File whose first line is the private key (default: ask).")
@json_option
def key_import(path: Path, password_file: Path | None, key_file: Path | None, as_json: bool) -> None:
    """Encrypt a private key (hex) to PATH."""
    from oracle.chain.keys import keystore

    if key_file is None:
        secret = click.prompt("Private key (hex)", hide_input=True, err=True)
    else:
        secret = keystore.secret_from_file(key_file)
    _print_key(path, keystore.import_key(path, secret, _new_password(password_file)), as_json)
    if key_file is not None:
        click.echo(f"{key_file} still has the key in plain text: remove it", err=True)


@key_group.command("list")
@click.argument("folder", type=FOLDER, default=Path("keystore"))
@json_option
def key_list(folder: Path, as_json: bool) -> None:
    """List the keystores in FOLDER (default: keystore) with their addresses; needs no password."""
    from oracle.chain.keys import keystore

    found = keystore.find(folder)
    if as_json:
        print_json([asdict(each) | {"path": str(each.path)} for each in found])
        return
    for each in found:
        click.echo(f"{each.address}  {each.path}")
        if each.problem:
            click.echo(each.problem, err=True)


@key_group.command("show-address")
@path_argument
@json_option
def key_show_address(path: Path, as_json: bool) -> None:
    """Print the address of the keystore at PATH; needs no password."""
    from oracle.chain.keys import keystore

    _print_key(path, keystore.address_of(path), as_json)


@key_group.command("change-password")
@path_argument
@click.option("--password-file", type=FILE, help="File with the present password (default: ask).")
@click.option("--new-password-file", type=FILE, help="File with the new password (default: ask).")
@json_option
def key_change_password(path: Path, password_file: Path | None, new_password_file: Path | None, as_json: bool) -> None:
    """Encrypt the keystore at PATH with another password."""
    from oracle.chain.keys import keystore

    if password_file is not None:
        old = keystore.password_from_file(password_file)
    else:
        old = click.prompt("Present password", hide_input=True, err=True)
    _print_key(path, keystore.change_password(path, old, _new_password(new_password_file, "New password")), as_json)


@key_group.command("rotate")
@click.argument("old", type=FILE)
@click.argument("new", type=FILE)
@click.option(
    "--config", "-c", "config_path", type=FILE, default=DEFAULT_CONFIG, show_default=True, help="Configuration file."
)
@password_option
@json_option
def key_rotate(old: Path, new: Path, config_path: Path, password_file: Path | None, as_json: bool) -> None:
    """Prepare the reporter key NEW to replace OLD, and say what the hub's admin has to do. Run it again to see how far
    that is.

    OLD is kept: until the change is active in the hub, only OLD's signatures count.
    """
    import asyncio

    from oracle.app.keys import rotation_steps
    from oracle.chain.keys import keystore

    config = load_config(config_path)
    before = keystore.address_of(old)
    if not new.exists():
        keystore.create(new, _new_password(password_file))
    after = keystore.address_of(new)
    steps = asyncio.run(rotation_steps(config, before, after))
    told = {"old": {"address": before, "path": old}, "new": {"address": after, "path": new}, "steps": steps}
    print_done(told, f"{before} ({old}) is to be followed by {after} ({new})", *steps, as_json=as_json)


def _print_key(path: Path, address: str, as_json: bool) -> None:
    print_done({"address": address, "path": path}, address, as_json=as_json)


def _new_password(path: Path | None, prompt: str = "Password") -> str:
    from oracle.chain.keys import keystore

    if path is not None:
        return keystore.password_from_file(path)
    password: str = click.prompt(prompt, hide_input=True, confirmation_prompt=True, err=True)
    return password
