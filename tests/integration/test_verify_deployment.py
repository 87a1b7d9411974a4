"""Tests of the check of a deployment, on one deployment on a real Anvil: each attack is undone after its test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

from oracle.audit.deployment.comparison import Expectation, of_file, of_statement
from oracle.audit.deployment.report import DeploymentReport, Difference
from oracle.audit.deployment.statement import DeploymentStatement
from oracle.audit.deployment.verify import DeploymentCheck, verify_deployment
from oracle.chain import compiled
from oracle.chain.deploy import CommitteePlan, Deployment, DeployPlan, FeedPlan, deploy
from oracle.chain.hub import hub_interface
from oracle.chain.keys import keystore
from oracle.chain.local.anvil import Anvil
from oracle.chain.rpc import Rpc
from oracle.chain.tx.sender import Sender
from oracle.core.formats import keccak, to_hex
from tests.stubs import feed_config, reporter, stub_artifact

REPORTER = reporter().address
GUARDIAN = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
STRANGER = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"
ETH_USD = ("0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE", "0x0000000000000000000000000000000000000348")


@dataclass(frozen=True)
class Scene:
    """A chain with a deployment."""

    chain: Anvil
    deployment: Deployment
    path: Path


def plan() -> DeployPlan:
    feeds = (
        FeedPlan("one", feed_config("ONE / USD"), pair=ETH_USD),
        FeedPlan("two", feed_config("TWO / USD", confirm_delay=30)),
    )
    return DeployPlan(
        (CommitteePlan("default", (REPORTER,)),),
        feeds,
        {"default": [stub_artifact()]},
        change_delay=3_600,
        guardian=GUARDIAN,
    )


@pytest.fixture(scope="module")
def scene(anvil: Callable[..., Anvil], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    path = tmp_path_factory.mktemp("verified") / "deployment.json"
    with anvil() as chain:

        async def deployed() -> Deployment:
            async with Rpc(chain.rpc_url, chain.chain_id) as rpc:
                return await deploy(plan(), rpc, await keystore.local_chain_key(0, rpc), path, poll_s=0.01)

        yield Scene(chain, asyncio.run(deployed()), path)


@pytest.fixture
async def rpc(scene: Scene) -> AsyncIterator[Rpc]:
    async with Rpc(scene.chain.rpc_url, scene.chain.chain_id) as rpc:
        snapshot = await rpc.request("evm_snapshot")
        yield rpc
        await rpc.request("evm_revert", snapshot)


@pytest.fixture
async def account(rpc: Rpc) -> LocalAccount:
    return await keystore.local_chain_key(0, rpc)


def by_file(scene: Scene) -> Expectation:
    return of_file(scene.deployment, "the deployment file", {})


async def verified(rpc: Rpc, hub: str, expected: Expectation | None = None, **wanted: Any) -> DeploymentReport:
    return await verify_deployment([rpc], hub, DeploymentCheck(expected=expected or Expectation(), **wanted))


async def differences(rpc: Rpc, scene: Scene, expected: Expectation | None = None, **wanted: Any) -> list[Difference]:
    report = await verified(rpc, scene.deployment.hub, expected or by_file(scene), **wanted)
    assert report.differences == () or not report.ok
    return list(report.differences)


async def send(rpc: Rpc, account: LocalAccount, to: str | None, data: bytes) -> Any:
    sender = Sender(rpc, account, poll_s=0.01)
    transaction = await sender.sign(to, data, hub_interface().decode_error)
    await sender.broadcast(transaction)
    receipt = await sender.wait(transaction.tx_hash, 10)
    assert receipt.succeeded
    return receipt


async def stated(rpc: Rpc, scene: Scene) -> DeploymentStatement:
    report = await verified(rpc, scene.deployment.hub)
    assert report.statement is not None
    return report.statement


async def test_an_honest_deployment(rpc: Rpc, scene: Scene) -> None:
    """Only what artifacts would show is unchecked: the stand-in for a verifier has none."""
    for expected in (Expectation(), by_file(scene)):
        report = await verified(rpc, scene.deployment.hub, expected)
        assert report.differences == ()
        assert [each.subject.split(" ")[0] for each in report.unchecked] == ["architecture", "model"]
        assert not report.ok
        assert report.statement is not None
        made = {each.contract: each.creation for each in report.statement.contracts}
        assert made.pop("verifier") == "unknown"
        assert made.pop("ZkAggregator") == "factory"
        assert set(made.values()) == {"create2"}
    assert {each.contract for each in report.statement.contracts} >= {"ZkOracle", "ZkFeedRegistry", "Holds"}
    assert report.statement.roles.guardians == (GUARDIAN,)


async def test_a_statement_is_compared_with_itself(rpc: Rpc, scene: Scene) -> None:
    found = await stated(rpc, scene)
    assert await differences(rpc, scene, of_statement(found, "a manifest")) == []
    again = DeploymentStatement.model_validate_json(found.model_dump_json())
    assert (again, again.content_hash) == (found, found.content_hash)


def creation_with_storage(runtime: bytes, slots: dict[int, int]) -> bytes:
    """Return creation code that stores words and returns code: nobody sees in the code what it stored."""
    prelude = b"".join(
        b"\x7f" + value.to_bytes(32) + b"\x7f" + slot.to_bytes(32) + b"\x55" for slot, value in slots.items()
    )
    # CODECOPY(0, offset, size), RETURN(0, size)
    tail = 16
    size, offset = len(runtime), len(prelude) + tail
    end = b"\x61" + size.to_bytes(2) + b"\x61" + offset.to_bytes(2) + b"\x5f\x39\x61" + size.to_bytes(2) + b"\x5f\xf3"
    return prelude + end.ljust(tail, b"\0") + runtime


@pytest.mark.attack
async def test_our_code_from_other_creation_code(rpc: Rpc, scene: Scene, account: LocalAccount) -> None:
    """The runtime code, immutables included, is the hub's own; the creation code gave a stranger a role."""
    code = await rpc.code(scene.deployment.hub)
    wanted = int.from_bytes(keccak(b"anything"))
    receipt = await send(rpc, account, None, creation_with_storage(code, {wanted: 1}))
    fake = receipt.contract_address
    assert await rpc.code(fake) == code
    report = await verified(rpc, fake)
    [found] = [each for each in report.differences if "creation code" in each.subject]
    assert found.subject == f"ZkOracle {fake}, creation code"
    assert found.found == f"other creation code in transaction {to_hex(receipt.tx_hash)}"
    assert "may have left anything" in found.meaning
