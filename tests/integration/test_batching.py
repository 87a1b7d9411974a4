"""Tests of four feeds in one report: real proofs, a real chain, and failures in between."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from oracle.app.running import RunningOracle, open_oracle
from oracle.chain.deploy import load_deployment
from oracle.chain.hub import Hub, Submission, decode_submission
from oracle.chain.keys import keystore
from oracle.chain.keys.signer import ReporterKey
from oracle.chain.local.anvil import Anvil
from oracle.chain.rpc import Rpc
from oracle.config import load
from oracle.core.errors import ChainUnavailable
from oracle.core.stages import Decided, Observed, Proven, Submitted
from oracle.core.types import FeedState, Outcome
from oracle.feeds.journal import Journal
from oracle.feeds.reporting import Reporting
from oracle.feeds.signing import LocalSigners
from tests.integration.workspace import Workspace, eventually, feed
from tests.unit.feeds.market import Forgetful

NAMES = ("one", "two", "three", "four")
PROVER = "batch_sizes = [1, 4]\nbatch_window_ms = 2_000\n"
ANSWER = 10_000_000_000


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, anvil: Callable[..., Anvil]) -> Iterator[Workspace]:
    """Deploy four feeds once, with a private model that has circuits for one and for four, and publishes verdicts."""
    with Workspace(tmp_path_factory.mktemp("batching"), anvil()) as made:
        walk = [100 + (index % 7) * 0.3 for index in range(40)]
        made.configure(*(feed(name, made.recording(name, walk)) for name in NAMES), prover=PROVER + made.own_model())
        done = made.run("deploy")
        assert done.returncode == 0, done.stderr
        yield made


@dataclass
class World:
    """A running oracle with its own journal."""

    parts: RunningOracle
    chain: Anvil

    def decided(self, names: Sequence[str] = NAMES, later: int = 0) -> Decided:
        block = self.chain.rpc("eth_getBlockByNumber", "latest", False)
        at = int(block["timestamp"], 16) + later
        feeds = self.parts.deployment.feeds
        due = [
            Observed(name, feeds[name].feed_id, ANSWER + index * 10_000, at) for index, name in enumerate(NAMES)
            if name in names
        ]  # fmt: skip
        return Decided(1, tuple(sorted(due, key=lambda each: each.feed_id)))

    async def report(self, names: Sequence[str] = NAMES, later: int = 0) -> dict[str, Outcome | None]:
        """Take a report to its end, and return how each feed's observation ended."""
        await self.parts.reporting.report_now(self.decided(names, later))
        return {name: self.parts.journal.rows(name, 1)[0].outcome for name in names}

    def transactions(self) -> dict[str, bytes | None]:
        """Return the transactions of each feed's latest observation."""
        return {name: self.parts.journal.rows(name, 1)[0].tx_hash for name in NAMES}

    async def rounds(self) -> dict[str, int]:
        feeds = self.parts.deployment.feeds
        return {name: (await self.parts.hub.feed_state(feeds[name].feed_id)).round_id for name in NAMES}


@asynccontextmanager
async def running(workspace: Workspace) -> AsyncIterator[World]:
    async with open_oracle(load(workspace.folder / "oracle.toml", os.environ)) as parts:
        yield World(parts, workspace.chain)


async def test_four_feeds_share_a_proof_and_one_that_moved_is_left_behind(workspace: Workspace) -> None:
    async with running(workspace) as world:
        assert list(world.parts.models[1].provers) == [1, 4]
        assert set((await world.report()).values()) == {Outcome.ACCEPTED}
        [tx_hash] = set(world.transactions().values())
        assert tx_hash is not None
        receipt = await world.parts.rpc.receipt(tx_hash)
        assert receipt is not None
        shares = [entry.gas_used for entry in world.parts.journal.rows()]
        assert shares == [receipt.gas_used // 4] * 4
        before = await world.rounds()

        # Another daemon's report of one feed, with the same key, comes between our proof and our transaction.
        sender = world.parts.reporting._sender
        sign, rival = sender.sign, await other(world)

        async def signing(proven: Proven) -> Submitted:
            sender.sign = sign  # type: ignore[method-assign]
            await rival.report_now(world.decided(["two"], later=1))
            return await sign(proven)

        sender.sign = signing  # type: ignore[method-assign]
        assert set((await world.report(later=20)).values()) == {Outcome.ACCEPTED}
        sent = world.transactions()
        assert len({sent["one"], sent["three"], sent["four"]}) == 1
        assert sent["two"] != sent["one"]
        after = await world.rounds()
        assert {name: after[name] - before[name] for name in NAMES} == {"one": 1, "two": 2, "three": 1, "four": 1}


async def other(world: World) -> Reporting:
    """Return another daemon of the same feeds, which keeps no journal."""
    account = await keystore.local_chain_key(1, world.parts.rpc)
    key = ReporterKey(account, world.parts.deployment.chain_id, world.parts.hub.address)
    return Reporting(
        world.parts.hub, LocalSigners([key]), world.parts.models, world.parts.reporting._sender, Forgetful()
    )


async def test_a_finished_proof_of_four_is_used_after_a_restart(workspace: Workspace) -> None:
    async with running(workspace) as world:

        async def down(proven: Proven) -> Submitted:
            raise ChainUnavailable("down")

        world.parts.reporting._sender.sign = down  # type: ignore[method-assign]
        with pytest.raises(ChainUnavailable):
            await world.report(later=40)
        [stage] = world.parts.journal.unfinished()
        assert isinstance(stage, Proven) and len(stage.due) == 4
    async with running(workspace) as world:
        [again] = world.parts.journal.unfinished()
        assert again == stage
        assert await world.parts.reporting.report(again) == ()
        [tx_hash] = set(world.transactions().values())
        assert tx_hash is not None
        sent = await world.parts.rpc.transaction(tx_hash)
        assert sent is not None and stage.proof in sent.data


def test_a_daemon_that_is_killed_between_submission_and_confirmation(workspace: Workspace, tmp_path: Path) -> None:
    """Every observation is resumed with the same transaction, and is on the chain once."""

    def submitted() -> list[Submitted]:
        try:
            with Journal(workspace.folder / "journal.db", read_only=True) as journal:
                return [stage for stage in journal.unfinished() if isinstance(stage, Submitted)]
        except Exception:
            return []

    # These times are later than those that the tests before reported.
    walk = [100 + (index % 5) * 0.2 for index in range(3)]
    workspace.configure(
        *(feed(name, workspace.recording(name, walk, later=100)) for name in NAMES),
        prover=PROVER + workspace.own_model(),
    )
    workspace.chain.rpc("evm_setAutomine", False)
    daemon = workspace.start("run")
    eventually(lambda: len(submitted()) == 1, "a report that was sent")
    [sent] = submitted()
    assert len(sent.due) == 4
    daemon.kill()
    daemon.wait(30)
    workspace.chain.rpc("evm_setAutomine", True)
    workspace.chain.rpc("evm_mine")

    async def restarted() -> None:
        async with running(workspace) as world:
            [stage] = world.parts.journal.unfinished()
            assert await world.parts.reporting.report(stage) == ()

    asyncio.run(restarted())
    with Journal(workspace.folder / "journal.db", read_only=True) as journal:
        assert journal.counts()["open"] == 0
        ended = {entry.key: entry for entry in journal.confirmed()}
        for key in sent.keys:
            entry = ended[key]
            assert (entry.tx_hash, entry.attempts, entry.outcome) == (sent.tx_hash, 1, Outcome.ACCEPTED)
        keys = [(entry.feed_id, entry.observed_at) for entry in journal.confirmed()]
    assert len(set(keys)) == len(keys)

    async def on_chain() -> list[tuple[bytes, int]]:
        deployment = load_deployment(workspace.folder / "deployment.json")
        async with Rpc(workspace.chain.rpc_url) as rpc:
            events = await Hub(rpc, deployment.hub).logs(deployment.block, await rpc.block_number())
        return [(event.feed_id, event.observed_at) for event in events]

    found = asyncio.run(on_chain())
    assert len(set(found)) == len(found), "nothing twice"
    assert set(keys) <= set(found), "nothing lost"
    assert '"batch": 4' in workspace.log()


def test_a_peer_that_is_not_due_is_listed_with_its_answer_of_the_same_row(
    tmp_path: Path, anvil: Callable[..., Anvil]
) -> None:
    """Two feeds name each other. One moves at each row, the other is due at the first one only."""
    with Workspace(tmp_path, anvil()) as made:
        moving = feed("moving", made.recording("moving", [100, 101, 102]), peers=["CALM"], heartbeat=600)
        calm = feed("calm", made.recording("calm", [50, 50.01, 50.02]), peers=["MOVING"], heartbeat=600)
        made.configure(moving, calm, prover="batch_sizes = [1, 4]")
        assert made.run("deploy").returncode == 0
        daemon = made.start("run")
        assert daemon.wait(90) == 0, made.log()
        deployment = load_deployment(made.folder / "deployment.json")
        ids = {name: deployment.feeds[name].feed_id for name in ("moving", "calm")}
        with made.journal() as journal:
            ends = {entry.key: entry for entry in journal.confirmed()}
        assert sorted(entry.feed for entry in ends.values()) == ["calm", "moving", "moving", "moving"]

        async def carried() -> list[Submission]:
            async with Rpc(made.chain.rpc_url) as rpc:
                sent = [await rpc.transaction(entry.tx_hash) for entry in ends.values() if entry.tx_hash is not None]
            return [decode_submission(each.data) for each in sent if each is not None]

        async def state() -> FeedState:
            async with Rpc(made.chain.rpc_url) as rpc:
                return await Hub(rpc, deployment.hub).feed_state(ids["moving"])

        *_, last = sorted(asyncio.run(carried()), key=lambda each: each.signed.report.observed_at)
        report = last.signed.report
        assert dict(zip(report.feed_ids, report.round_ids, strict=True)) == {ids["moving"]: 3, ids["calm"]: 0}
        assert last.signed.median(report.feed_ids.index(ids["calm"])) == 5_002_000_000
        assert asyncio.run(state()).peer_answers == (5_002_000_000,)
        assert len(last.scores) == 1 and len(last.signed.signatures) == 1
