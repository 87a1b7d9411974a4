"""The keys that the configuration names: opened for signing, or only their addresses, and how to replace one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from oracle.chain.connect import connect
from oracle.chain.deploy import load_deployment
from oracle.chain.hub import Hub
from oracle.chain.keys import keystore, rotation
from oracle.chain.keys.remote import RemoteKey
from oracle.chain.keys.signer import AnyKey
from oracle.chain.rpc import Rpc
from oracle.config import Config, KeyConfig
from oracle.core.errors import KeystoreError

__all__ = ["address_of", "known_address", "open_key", "password_of", "rotation_steps"]


async def open_key(key: KeyConfig, rpc: Rpc, env: Mapping[str, str]) -> AnyKey:
    """Return the signing key that the configuration names.

    Args:
        key: The key's part of the configuration.
        rpc: The chain; only the keys of a local chain are asked for there.
        env: The environment, for passwords.
    """
    if key.anvil_account is not None:
        return await keystore.local_chain_key(key.anvil_account, rpc)
    if key.remote is not None:
        assert key.address is not None
        return RemoteKey(key.remote, key.address, key.timeout_s)
    assert key.keystore is not None
    password = await asyncio.to_thread(password_of, key, env)
    # Decrypting takes a second on purpose.
    return await asyncio.to_thread(keystore.load, key.keystore, password)


def password_of(key: KeyConfig, env: Mapping[str, str]) -> str:
    """Return the password of a key's keystore, from the place that the configuration names."""
    assert key.keystore is not None
    if key.password_file is not None:
        return keystore.password_from_file(key.password_file)
    if key.password_env_file is not None:
        return keystore.password_from_file(Path(keystore.password_from_env(key.password_env_file, env)))
    if key.password_keyring is not None:
        return keystore.password_from_keyring(key.password_keyring, keystore.address_of(key.keystore))
    if key.password_prompt:
        return keystore.password_from_prompt(key.keystore)
    return keystore.password_from_env(key.password_env or "", env)


async def address_of(key: KeyConfig, rpc: Rpc, env: Mapping[str, str]) -> str:
    """Return the address of a key. A keystore tells it without its password."""
    if key.address is not None:
        return key.address
    if key.keystore is not None:
        return keystore.address_of(key.keystore)
    return str((await open_key(key, rpc, env)).address)


def known_address(key: KeyConfig) -> str | None:
    """Return the address of a key as far as the files tell it; None for a local chain's key, or if it is not here."""
    if key.address is not None or key.keystore is None:
        return key.address
    try:
        return keystore.address_of(key.keystore)
    except KeystoreError:
        return None


async def rotation_steps(config: Config, old: str, new: str) -> list[str]:
    """List what the hub's admin has to do to replace a reporter's key. See `oracle.chain.keys.rotation`."""
    deployment = load_deployment(config.chain.deployment)
    async with connect(config.chain) as rpc:
        committees = {name: each.number for name, each in deployment.committees.items()}
        members = () if config.network is None else [each.reporter for each in config.network.members]
        return await rotation.steps(Hub(rpc, deployment.hub), committees, old, new, members)
