"""Tests of each fault, brought about for real, and of the invariants that hold after all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from oracle.chain.local.anvil import load_anvil_config
from tests.chaos.faults import FAULTS, Fault
from tests.chaos.scene import Scene, Staged, stage


@pytest.fixture(scope="session")
def staged(tmp_path_factory: pytest.TempPathFactory, project_root: Path) -> Staged:
    return stage(tmp_path_factory.mktemp("staged"), load_anvil_config(project_root / "anvil.toml"), ("one", "two"))


def _case(fault: Fault) -> Any:
    long = [] if fault.short else [pytest.mark.chaos_long]
    return pytest.param(fault, id=fault.name, marks=[pytest.mark.chaos, *long])


@pytest.mark.parametrize("fault", [_case(fault) for fault in FAULTS])
def test_nothing_is_lost_and_nothing_comes_twice(fault: Fault, staged: Staged, tmp_path: Path) -> None:
    with Scene(tmp_path, staged) as scene:
        (tmp_path / "clock").write_text("0")
        scene.environment |= fault.environment
        scene.feed_options |= fault.feed
        scene.pulse = lambda: scene.chain.rpc("evm_mine") if fault.options.get("confirmations", 1) > 1 else None
        scene.says = fault.says
        scene.configure(**fault.options)
        scene.start()
        scene.deliver()

        steps = fault.steps(scene)
        next(steps)  # the fault is there, and shows
        assert next(steps, None) is None  # the fault is over

        if scene.daemon.poll() is not None:
            scene.start()
        for key in scene.published:
            ended = scene.until_ended(key)
            assert ended.outcome in fault.ends, f"{ended}\n{scene.log()[-3_000:]}"
        scene.deliver()
        scene.stop()
        scene.assert_exactly_once(new_journal=fault.new_journal)
        scene.assert_nothing_secret()
        for says in fault.says:
            assert scene.said(says), f"the log does not say {says}:\n{scene.log()[-5_000:]}"
