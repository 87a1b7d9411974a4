"""Tests of proving on a real Ray cluster, on this machine."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oracle.app.claim_service.run import claims_served
from oracle.claims import AtLeast, ModelSpec, ZkmlClient, demo
from oracle.claims.service import ClaimsService
from oracle.config import ClaimServiceConfig
from oracle.core.errors import ArtifactError, ProverUnavailable
from oracle.proving.artifact import PK, Artifact
from oracle.proving.pool import ray as proving_ray
from oracle.proving.pool.pool import PooledProver
from oracle.proving.pool.ray import RayProver
from tests import circuits
from tests.proving_conformance import PATIENCE, Events, ProverSuite, assert_gone, held, job

ray = pytest.importorskip("ray")

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """Start a cluster for all of these tests, and return its address."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(
        address="local",
        num_cpus=4,  # more workers than are allowed, to test that they are counted
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        object_store_memory=100 << 20,
    )
    yield ray.get_runtime_context().gcs_address
    ray.shutdown()


@pytest.fixture(scope="module")
def artifact(circuits: Any) -> Artifact:
    made: Artifact = circuits()
    return made


class RayRig:
    """The rig of Ray's provers: see `tests.proving_conformance.Rig`."""

    def make(self, artifact: Artifact, **options: Any) -> RayProver:
        return RayProver(artifact, **options)

    async def engines(self, prover: PooledProver) -> list[int]:
        assert isinstance(prover, RayProver)
        return [state["engine"] for state in await prover.states()]

    async def kill_worker(self, prover: PooledProver) -> None:
        assert isinstance(prover, RayProver)
        [state] = await prover.states()
        assert state["job"]
        os.kill(state["pid"], signal.SIGKILL)

    async def begun(self, prover: PooledProver) -> None:
        assert isinstance(prover, RayProver)
        async with asyncio.timeout(PATIENCE):
            # Each look is a round trip to the worker.
            while not all(state["job"] for state in await prover.states()):
                pass


@pytest.fixture
def rig(cluster: str) -> RayRig:
    return RayRig()


class TestRayProver(ProverSuite):
    """The suite of provers, for those on Ray."""


@pytest.mark.chaos
async def test_a_killed_worker_leaves_nothing_behind(cluster: str, artifact: Artifact) -> None:
    """Neither its engine is left nor the files that it was sent, which hold the weights."""
    events = Events()
    prover = RayProver(artifact, ship=True, on_event=events)
    async with prover:
        async with held(RayRig(), prover) as engines:
            [state] = await prover.states()
            folder = _files_of(artifact)
            assert len(folder) == 1
            os.kill(state["pid"], signal.SIGKILL)
            assert_gone([state["pid"]])
        assert_gone(engines)
        assert (await prover.prove(job())).proof
        assert len(_files_of(artifact)) == 1
        assert _files_of(artifact) != folder
        [state] = await prover.states()
    assert_gone([state["pid"], state["engine"]])
    assert _files_of(artifact) == []


def _files_of(artifact: Artifact) -> list[Path]:
    """Return the paths where keys of this artifact's size are staged now."""
    size = (artifact.path / PK).stat().st_size
    base = Path(f"/dev/shm/oracle-prover-{os.getuid()}")
    return [path for path in base.glob(f"*/{PK}") if path.stat().st_size == size]


async def test_files_that_changed_are_not_proven_with(cluster: str, artifact: Artifact, tmp_path: Path) -> None:
    for path in artifact.path.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    copy = Artifact(tmp_path, artifact.manifest)
    (tmp_path / PK).write_bytes(b"damaged")
    async with RayProver(copy, ship=True) as prover:
        with pytest.raises(ArtifactError, match=r"pk\.key changed"):
            await prover.prove(job())


async def test_workers_that_find_no_room_are_told(cluster: str, artifact: Artifact) -> None:
    async with RayProver(artifact, cores=1_000, memory_mb=64, start_deadline=1) as prover:
        with pytest.raises(ProverUnavailable, match=r"no worker of 1000 cores and 64 MiB within 1 s; free are 4 cores"):
            await prover.prove(job())


async def test_workers_of_another_release_are_refused(
    cluster: str, artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with RayProver(artifact) as prover:
        with monkeypatch.context() as patch:
            patch.setattr(proving_ray, "_versions", lambda: {"ezkl": "1"})
            with pytest.raises(ProverUnavailable, match="install the same"):
                await prover.prove(job())
        assert (await prover.prove(job())).proof


SCRIPT = """
    import asyncio, json, psutil, ray, signal, sys
    from pathlib import Path
    from oracle.proving.artifact import load
    from oracle.proving.pool.ray import RayProver
    from tests.proving_conformance import job

    def stop(number, frame): ...

    async def main(address, *folders):
        signal.signal(signal.SIGTERM, stop)
        provers = [RayProver(load(Path(folder)), address=address or None) for folder in folders]
        await asyncio.gather(*(prover.prove(job()) for prover in provers))
        assert signal.getsignal(signal.SIGTERM) is stop
        started = [each.pid for each in psutil.Process().children(recursive=True)]
        names = [each.name() for each in psutil.Process().children(recursive=True)]
        assert ("raylet" in names) == (address == ""), names
        for prover in provers:
            assert ray.is_initialized()
            await prover.close()
        assert not ray.is_initialized()
        print(json.dumps(started))

    asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("kind", ["running", "own"])
def test_a_process_of_its_own_uses_a_running_cluster_or_starts_one(
    cluster: str, artifact: Artifact, project_root: Path, kind: str
) -> None:
    """Two provers share the connection, which ends with the last of them."""
    folder = str(artifact.path)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), cluster if kind == "running" else "", folder, folder],
        cwd=project_root,
        env={**os.environ, "PYTHONPATH": str(project_root)},
        capture_output=True,
        text=True,
        timeout=PATIENCE * 2,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert_gone(json.loads(done.stdout))
    assert [node["Alive"] for node in ray.nodes()] == [True], "it ended a cluster that it did not start"


@pytest.mark.parametrize("scheme", ["", "ray://"])
async def test_an_address_where_nothing_answers_is_told(artifact: Artifact, scheme: str) -> None:
    """Ray itself would end this process."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"{scheme}127.0.0.1:{free.getsockname()[1]}"
    ray.shutdown()  # a prover uses an existing connection
    async with RayProver(artifact, address=address) as prover:
        with pytest.raises(ProverUnavailable, match=rf"no Ray cluster answers at {address}.*ray start --head"):
            await prover.prove(job())


async def test_a_claims_service_proves_on_the_cluster(cluster: str, tmp_path: Path) -> None:
    """The cluster's workers are not trusted: each proof is verified here before its caller gets it."""
    token = tmp_path / "desk.token"
    token.write_text("d" * 32)
    token.chmod(0o600)
    config = ClaimServiceConfig.model_validate(
        {
            "models": ({"packaged": "credit"},),
            "callers": ({"name": "desk", "token_file": token},),
            "prover": {"backend": "ray", "workers": 1},
            "server": {"listen": "127.0.0.1:0"},
            "folder": circuits.folder(),
            "srs": "insecure-local",
        }
    )
    async with claims_served(config) as served:
        with ZkmlClient(circuits.folder()) as client:
            inputs = demo.example(await client.register(ModelSpec.packaged("credit")), 0.62, 0.73)
            service = ClaimsService(f"http://127.0.0.1:{served.port}", "d" * 32)
            claim = await asyncio.to_thread(service.claim, "credit", inputs, AtLeast(0.6), "0x" + "ab" * 20)
            assert await client.verify(claim)
