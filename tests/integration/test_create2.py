"""Tests of contracts at addresses that follow from their creation, on a real Anvil."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from eth_account.signers.local import LocalAccount

from oracle.chain import compiled
from oracle.chain.abi.interface import Interface
from oracle.chain.contract import read
from oracle.chain.deploy.create2 import NO_SALT, PROXY, PROXY_CODE, Creation, create, create2_address, has_proxy
from oracle.chain.keys import keystore
from oracle.chain.local.anvil import Anvil
from oracle.chain.rpc import Rpc
from oracle.chain.tx.sender import Sender
from oracle.core.errors import ContractRejected, DeploymentError
from oracle.core.formats import to_hex

REGISTRY = compiled.load("ZkFeedRegistry")
INTERFACE = Interface(REGISTRY.abi)


@pytest.fixture(scope="module")
def chain(anvil: Callable[..., Anvil]) -> Anvil:
    return anvil()


@pytest.fixture
async def rpc(chain: Anvil) -> AsyncIterator[Rpc]:
    async with Rpc(chain.rpc_url, chain.chain_id) as rpc:
        snapshot = chain.snapshot()
        yield rpc
        chain.revert(snapshot)


@pytest.fixture
async def account(rpc: Rpc) -> LocalAccount:
    return await keystore.local_chain_key(0, rpc)


def creation(owner: str, salt: bytes = NO_SALT) -> Creation:
    return Creation("ZkFeedRegistry", REGISTRY.bytecode, INTERFACE.encode_constructor(owner, 60), salt)


def sender(rpc: Rpc, account: LocalAccount) -> Sender:
    return Sender(rpc, account, poll_s=0.01)


def test_the_address_is_that_of_the_standard() -> None:
    """The examples of EIP-1014."""
    zero = "0x" + "00" * 20
    assert create2_address(NO_SALT, b"\0", zero) == "0x4D1A2e2bB4F88F0250f26Ffff098B0b30B26BF38"
    salt = bytes.fromhex("cafebabe").rjust(32, b"\0")
    found = create2_address(salt, bytes.fromhex("deadbeef"), "0x00000000000000000000000000000000deadbeef")
    assert found == "0x60f3f640a8508fC6a86d45DF051962668E1e8AC7"
    with pytest.raises(ValueError, match="a salt has 32 bytes, not 31"):
        create2_address(bytes(31), b"")


async def test_whoever_comes_first_creates_the_same(rpc: Rpc, account: LocalAccount) -> None:
    """Nobody gains by it: the owner is an argument, and with another one the address is another."""
    wanted = creation(account.address)
    other = await keystore.local_chain_key(2, rpc)
    theirs = await create(rpc, sender(rpc, other), wanted)
    assert (theirs.address, theirs.way) == (wanted.address, "create2")
    assert theirs.tx_hash is not None
    ours = await create(rpc, sender(rpc, account), wanted)
    assert (ours.address, ours.way, ours.tx_hash) == (wanted.address, "create2", None)
    assert await rpc.nonce(account.address) == 0
    assert await read(rpc, INTERFACE, ours.address, "owner") == account.address
    assert creation(other.address).address != wanted.address != creation(account.address, b"\1" * 32).address


@pytest.mark.attack
async def test_other_code_at_the_proxy_s_address_is_not_trusted(rpc: Rpc, account: LocalAccount) -> None:
    assert await has_proxy(rpc)
    wanted = creation(account.address)
    await rpc.request("anvil_setCode", PROXY, to_hex(PROXY_CODE[:-1] + b"\xf4"))
    assert not await has_proxy(rpc)
    made = await create(rpc, sender(rpc, account), wanted)
    assert (made.way, made.address == wanted.address) == ("transaction", False)
    assert await read(rpc, INTERFACE, made.address, "owner") == account.address


async def test_a_constructor_that_refuses_says_why(rpc: Rpc, account: LocalAccount) -> None:
    """The proxy swallows the reason."""
    with pytest.raises(ContractRejected, match="OwnableInvalidOwner"):
        await create(rpc, sender(rpc, account), creation("0x" + "00" * 20), INTERFACE.decode_error)
    with pytest.raises(DeploymentError, match="its creation code has 49,153 bytes, a chain takes 49,152"):
        await create(rpc, sender(rpc, account), Creation("large", bytes(49_153)))
