"""Tests of what is served to whoever pulls: tried against the chain, not more often than it has to be."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from oracle.app import updates as updates_module
from oracle.app.updates import UpdateFinder, updates_served
from oracle.chain.deploy import Deployment
from oracle.chain.hub import HubFeedConfig
from oracle.config import Config
from oracle.core.errors import ChainUnavailable, ConfigError, ContractRejected
from oracle.core.metrics import Metrics
from oracle.core.stages import KeptReport
from oracle.web.updates import NothingNewer, NothingNow, ServedUpdate
from tests.fakes import feed_config
from tests.unit.config.texts import MINIMAL, configured

KEPT = KeptReport("eth", b"\1" * 32, 7, 123, 1_000, b"\xab\xcd")


class TriedHub:
    """A hub that says what it was told to say of each trial.

    Attributes:
        says: What it says.
        trials: How often it was asked.
    """

    address = "0x" + "11" * 20

    def __init__(self) -> None:
        self.says: bool | Exception = True
        self.trials = 0

    async def would_write(self, calldata: bytes) -> bool:
        assert calldata == KEPT.calldata
        self.trials += 1
        await asyncio.sleep(0)
        if isinstance(self.says, Exception):
            raise self.says
        return self.says

    async def feed_config(self, feed_id: bytes) -> HubFeedConfig:
        return feed_config("eth / USD", max_age=300)


class Scene:
    def __init__(self) -> None:
        self.hub = TriedHub()
        self.on_shelf: KeptReport | None = KEPT
        self.now = 1_010.0
        self.finder = UpdateFinder(lambda feed: self.on_shelf, self.hub, 31337, clock=lambda: self.now)

    async def find(self) -> ServedUpdate:
        return await self.finder.find("eth")


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_what_the_chain_takes_is_served_with_the_time_until_which_it_does(scene: Scene) -> None:
    found = await scene.find()
    assert found == ServedUpdate(KEPT, 1_300, scene.hub.address, 31337)
    assert found.document() == {
        "feedId": "0x" + "01" * 32,
        "roundId": 7,
        "answer": "123",
        "observedAt": 1_000,
        "goodUntil": 1_300,
        "hub": scene.hub.address,
        "chainId": 31337,
        "calldata": "0xabcd",
        "value": "0",
    }


@pytest.mark.parametrize(
    ("says", "kind", "told"),
    [
        (False, NothingNewer, "^$"),
        (ContractRejected("WrongRound: signed for 7", "WrongRound"), NothingNow, "would not take .* WrongRound"),
        (ContractRejected("WrongEpoch: signed for epoch 1", "WrongEpoch"), NothingNow, "WrongEpoch"),
        (ContractRejected("ObservationTooOld: …", "ObservationTooOld"), NothingNow, "ObservationTooOld"),
        (ChainUnavailable("https://node.example/secret: 503"), NothingNow, "^the chain can't be asked now$"),
    ],
)
async def test_what_the_chain_does_not_take_is_not_served(
    scene: Scene, says: bool | Exception, kind: type[Exception], told: str
) -> None:
    scene.hub.says = says
    with pytest.raises(kind, match=told):
        await scene.find()


async def test_nothing_is_served_where_nothing_is_kept_or_what_is_kept_is_too_old(scene: Scene) -> None:
    scene.now = 1_300.0
    assert (await scene.find()).good_until == 1_300
    scene.now = 1_301.0  # an idle chain's time may be behind
    with pytest.raises(NothingNow, match="too old"):
        await scene.find()
    scene.on_shelf = None
    with pytest.raises(NothingNow, match="no report was made yet"):
        await scene.find()


@pytest.mark.parametrize("says", [True, False, ChainUnavailable("down")])
async def test_a_crowd_makes_one_trial(scene: Scene, says: bool | Exception) -> None:
    scene.hub.says = says
    found = await asyncio.gather(*(scene.find() for _ in range(50)), return_exceptions=True)
    assert len({type(each) for each in found}) == 1
    assert scene.hub.trials == 1


async def test_another_report_and_a_later_moment_are_tried_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    await scene.find()
    scene.on_shelf = KeptReport("eth", KEPT.feed_id, 8, 124, 1_005, KEPT.calldata)
    assert (await scene.find()).kept.round_id == 8
    assert scene.hub.trials == 2
    monkeypatch.setattr(updates_module, "TRIED_S", 0.0)
    scene.hub.says = False
    with pytest.raises(NothingNewer):
        await scene.find()


# --- tokens and private models -------------------------------------------------------------------------------------


def served(folder: Path, *, callers: int, token: str = "0123456789abcdef") -> Config:
    """Return a configuration with a pulled feed, whose model is public here."""
    entries = ", ".join(f'{{ name = "c{index}", token_file = "c{index}.token" }}' for index in range(callers))
    for index in range(callers):
        file = folder / f"c{index}.token"
        file.write_text(token)
        file.chmod(0o600)
    section = f'[updates]\nlisten = "127.0.0.1:0"\ncallers = [{entries}]\n[journal]'
    text = MINIMAL.replace("[journal]", section).replace("min_sources", 'mode = "pull"\nmin_sources')
    return configured(folder, text)


class Deployed:
    """A deployment file with one feed and one model."""

    def __init__(self, *, hidden: bool) -> None:
        class Of:
            feed_id = b"\1" * 32
            model_hash = 5 if hidden else 0

        self.feeds, self.models = {"eth-usd": Of}, {3: Of}


async def serve(config: Config, *, hidden: bool) -> None:
    deployment: Deployment = Deployed(hidden=hidden)  # type: ignore[assignment]
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(updates_served(config, deployment, Scene().finder, Metrics(), None))


async def test_a_model_that_the_hub_hides_is_never_served_to_anyone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[object, object]] = []

    @contextlib.asynccontextmanager
    async def open_window(listen: object, feeds: object, find: object, **more: Any) -> AsyncIterator[int]:
        given.append((feeds, {name: token() for name, token in more["callers"].items()}))
        yield 1

    monkeypatch.setattr(updates_module, "serve_updates", open_window)
    config = served(tmp_path, callers=0)
    with pytest.raises(ConfigError, match=r"\[updates\] callers: model 3 of the deployment is private"):
        await serve(config, hidden=True)
    with capture_logs() as logs:
        await serve(config, hidden=False)
        await serve(served(tmp_path, callers=1), hidden=True)
    assert [line["event"] for line in logs] == ["serving updates"] * 2
    feeds = {"eth-usd": b"\1" * 32}
    assert given == [(feeds, {}), (feeds, {"c0": b"0123456789abcdef"})]


async def test_tokens_are_checked_before_anything_is_served(tmp_path: Path) -> None:
    config = served(tmp_path, callers=2)
    with pytest.raises(ConfigError, match=r"callers\[1\] token_file .*has the token of caller 'c0'") as caught:
        await serve(config, hidden=False)
    assert "0123456789abcdef" not in str(caught.value)
    config = served(tmp_path, callers=1, token="short")
    with pytest.raises(ConfigError, match=r"callers\[0\] token_file .* has 5 bytes"):
        await serve(config, hidden=False)
    (tmp_path / "c0.token").chmod(0o644)
    with pytest.raises(ConfigError, match="others may read it"):
        await serve(config, hidden=False)
    (tmp_path / "c0.token").unlink()
    with pytest.raises(ConfigError, match="no such file"):
        await serve(config, hidden=False)
