"""Transactions on a local chain, and the bare verification of a proof."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from oracle.chain.abi.interface import Interface
from oracle.chain.hub import hub_interface
from oracle.chain.keys.keystore import local_chain_key
from oracle.chain.local import mining
from oracle.chain.local.anvil import Anvil
from oracle.chain.local.contracts import compile_contracts, deployed_profile
from oracle.chain.local.solc import compile_standard, standard_input
from oracle.chain.local.toolchain import project_root
from oracle.chain.rpc import Rpc
from oracle.chain.transport.answers import Receipt
from oracle.chain.tx.sender import Sender
from oracle.core.errors import Fatal

CALLER = 1
"""The chain's account that makes the calls that are measured; the first one deploys."""

PLENTY = 16_000_000
"""Gas for a call that is measured, a little below what one transaction may have."""


async def first_sender(rpc: Rpc) -> Sender:
    """Return a sender for the chain's first account."""
    return Sender(rpc, await local_chain_key(0, rpc), poll_s=0.02)


async def send(payer: Sender, to: str | None, data: bytes) -> Receipt:
    """Send a transaction, and return its receipt once it is mined.

    Raises:
        Fatal: It reverted.
    """
    signed = await payer.sign(to, data, hub_interface().decode_error)
    await payer.broadcast(signed)
    receipt = await payer.wait(signed.tx_hash, 60.0)
    if not receipt.succeeded:
        raise Fatal(f"transaction 0x{signed.tx_hash.hex()} reverted")
    return receipt


def compiled_text(text: str, contract: str) -> tuple[Any, bytes, int]:
    """Compile a contract as the project's are compiled; return its ABI, its creation code, and the size of its code."""
    profile = deployed_profile(project_root())
    file = f"{contract}.sol"
    request = standard_input({file: text}, optimizer_runs=profile["optimizer_runs"], evm_version=profile["evm_version"])
    output = compile_standard(request, profile["solc"])["contracts"][file][contract]
    code = output["evm"]
    runtime_bytes = len(code["deployedBytecode"]["object"]) // 2
    return output["abi"], bytes.fromhex(code["bytecode"]["object"]), runtime_bytes


def bare_call(abi: Any, proof: bytes, instances: Sequence[int]) -> bytes:
    """Return the calldata of `verifyProof`."""
    return Interface(abi).encode_call("verifyProof", proof, list(instances))


def mined(chain: Anvil, to: str, data: bytes, caller: int = CALLER) -> dict[str, Any]:
    """Mine a transaction with this call by one of the chain's accounts, and return its receipt as the node gives it.

    It is given plenty of gas. With too little, a verifier can return false instead of reverting, and an estimate is
    the least with which nothing reverts.

    Raises:
        Fatal: It reverted.
    """
    call = {"from": chain.accounts[caller].address, "to": to, "data": "0x" + data.hex(), "gas": hex(PLENTY)}
    receipt = mining.mined(partial(chain.rpc, timeout=60.0), call)
    if int(receipt["status"], 16) != 1:
        raise Fatal(f"transaction {receipt['transactionHash']} to {to} reverted")
    return receipt


def transaction_gas(chain: Anvil, to: str, data: bytes) -> int:
    """Return the gas that a transaction with this call uses. See `mined`."""
    return int(mined(chain, to, data)["gasUsed"], 16)


async def verify(payer: Sender, verifier: str, calldata: bytes) -> Receipt:
    """Verify a proof by a transaction to the verifier itself.

    Raises:
        Fatal: The verifier refuses the proof.
    """
    if int.from_bytes(await payer.rpc.call(verifier, calldata), "big") != 1:
        raise Fatal(f"the verifier at {verifier} refuses a proof that ezkl accepts")
    return await send(payer, verifier, calldata)


async def demo_consumer_gas(payer: Sender, verifier: str, proof: bytes, instances: Sequence[int]) -> int:
    """Return the gas for which the usual demonstration's consumer overwrites one value."""
    name = "DemoConsumer"
    compiled = compile_contracts({name: f"contracts/test/mocks/{name}.sol"})[name]
    interface = Interface(compiled.abi)
    deployed = await send(payer, None, compiled.bytecode + interface.encode_constructor(verifier))
    calldata = interface.encode_call("set", proof, list(instances))
    # The first one fills the slot, which is dearer.
    receipts = [await send(payer, deployed.contract_address, calldata) for _ in range(2)]
    return receipts[1].gas_used
