"""The SDK: the functions and classes that `oracle` offers to Python programs, synchronous and few.

`oracle/__init__.py` has their names, `docs/sdk.md` an example of each. A program with an event loop of its own calls
the coroutines of `oracle.app` instead: each function here is one of them, run to its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import numpy as np

from oracle import config as configuration
from oracle.app import models
from oracle.app.audit import audit
from oracle.app.deploy import deploy as deploy_configured
from oracle.app.models import BuiltModel, ModelOptions
from oracle.app.progress import finished_steps
from oracle.app.run import run_daemon
from oracle.app.status import OracleStatus
from oracle.app.status import status as read_status
from oracle.audit.report import AuditReport
from oracle.chain.addresses import require_address
from oracle.chain.connect import connect
from oracle.chain.deploy import Deployment, feed_id_of, load_deployment
from oracle.chain.hub import Hub
from oracle.chain.local.anvil import Anvil, AnvilConfig
from oracle.chain.rpc import Rpc
from oracle.config import Config
from oracle.core.encoding import decimal_from_answer
from oracle.core.errors import ConfigError
from oracle.core.types import HoldReason, Status
from oracle.proving import exporting, split
from oracle.proving.exporting import ExportedModel
from oracle.proving.split import ModelProof
from oracle.proving.verification import Verification

__all__ = [
    "FeedReader",
    "FeedReading",
    "FeedRound",
    "audit_hub",
    "build_model",
    "deploy",
    "from_sklearn",
    "from_torch",
    "load_config",
    "local_chain",
    "prove",
    "run",
    "status",
    "verify",
]


@dataclass(frozen=True)
class FeedReading:
    """The state of a feed as its hub has it.

    Attributes:
        description: The feed's name in the contract, for instance "ETH / USD".
        status: EMPTY, OK or HELD.
        paused: True while the feed takes no reports.
        round_id: The latest accepted round; 0 if there is none.
        answer: Its answer, in the feed's own units; None if there is none.
        observed_at: Its time of observation, UTC; None if there is none.
        held: The answer that a hold keeps back; None without a hold.
        hold_reason: Why it is held; NONE without a hold.
    """

    description: str
    status: Status
    paused: bool
    round_id: int
    answer: Decimal | None
    observed_at: dt.datetime | None
    held: Decimal | None
    hold_reason: HoldReason


@dataclass(frozen=True)
class FeedRound:
    """An accepted round of a feed.

    Attributes:
        answer: The answer, in the feed's own units.
        observed_at: The time of the observation, UTC.
        published_at: The time of its block, UTC.
        model_number: The hub's number of the model that judged it.
        score_ratio: Its score in thousandths of the limit; above 0 it was confirmed after a hold.
        count: How many reporters answered.
        spread: How far apart their answers were, in thousandths of sigma.
    """

    round_id: int
    answer: Decimal
    observed_at: dt.datetime
    published_at: dt.datetime
    model_number: int
    score_ratio: int
    count: int
    spread: int


class FeedReader:
    """A reader of one feed of a hub. It needs an RPC endpoint and trusts it; `audit_hub` trusts nobody.

    Args:
        rpc_url: An endpoint of the hub's chain.
        hub: The hub's address.
        feed: The feed's description, for instance "ETH / USD".
    """

    def __init__(self, rpc_url: str, hub: str, feed: str) -> None:
        self._open: Callable[[], Rpc] = lambda: Rpc(rpc_url)
        self._hub = require_address(hub, "hub")
        self._feed = feed

    @classmethod
    def of(cls, config: Config, name: str) -> FeedReader:
        """Return the reader of a configured feed that was deployed.

        Args:
            config: Its chain and its deployment file are used.
            name: The feed's name in the configuration.

        Raises:
            ConfigError: No feed has that name.
            DeploymentError: There is no deployment file.
        """
        reader = cls.__new__(cls)
        reader._open = lambda: connect(config.chain)
        reader._hub = load_deployment(config.chain.deployment).hub
        reader._feed = config.feed(name).description
        return reader

    def latest(self) -> FeedReading:
        """Return the feed's state now.

        Raises:
            ChainUnavailable: The endpoint does not answer.
            DeploymentError: There is no such hub, or it has no such feed.
        """
        return asyncio.run(self._latest())

    def rounds(self, first: int = 1, last: int | None = None) -> list[FeedRound]:
        """Return accepted rounds, oldest first.

        Args:
            first: The first round's number; they are counted from 1.
            last: The last round's number; None: the latest round.

        Raises:
            ChainUnavailable: The endpoint does not answer.
            DeploymentError: There is no such hub, or it has no such feed.
        """
        return asyncio.run(self._rounds(first, last))

    async def _latest(self) -> FeedReading:
        async with self._open() as rpc:
            hub, feed_id = await self._found(rpc)
            terms, state = await hub.feed_config(feed_id), await hub.feed_state(feed_id)
        held = state.held
        return FeedReading(
            description=terms.description,
            status=state.status,
            paused=state.paused,
            round_id=state.round_id,
            answer=decimal_from_answer(state.answer, terms.decimals) if state.round_id else None,
            observed_at=_moment(state.observed_at) if state.round_id else None,
            held=None if held is None else decimal_from_answer(held.answer, terms.decimals),
            hold_reason=HoldReason.NONE if held is None else held.reason,
        )

    async def _rounds(self, first: int, last: int | None) -> list[FeedRound]:
        async with self._open() as rpc:
            hub, feed_id = await self._found(rpc)
            decimals = (await hub.feed_config(feed_id)).decimals
            return [
                FeedRound(
                    round_id=found.round_id,
                    answer=decimal_from_answer(found.answer, decimals),
                    observed_at=_moment(found.observed_at),
                    published_at=_moment(found.published_at),
                    model_number=found.model_number,
                    score_ratio=found.score_ratio,
                    count=found.count,
                    spread=found.spread,
                )
                for found in await hub.rounds(feed_id, first, last)
            ]

    async def _found(self, rpc: Rpc) -> tuple[Hub, bytes]:
        hub, feed_id = Hub(rpc, self._hub), feed_id_of(self._feed)
        await hub.find({self._feed: feed_id})
        return hub, feed_id


def load_config(path: Path | str = "oracle.toml", env: Mapping[str, str] | None = None) -> Config:
    """Read a configuration file.

    Args:
        path: The TOML file. Relative paths in it are meant from its folder.
        env: Values for `${NAME}`; None: the environment of the process.

    Raises:
        ConfigError: The file can't be read, or something in it is wrong; the message names the key.
    """
    return configuration.load(path, os.environ if env is None else env)


@contextlib.contextmanager
def local_chain(*, port: int = 0, start_time: int | None = None) -> Iterator[str]:
    """Run a local chain (Anvil) for the length of a `with` block, and give the URL of its RPC endpoint.

    Args:
        port: The port; 0: a free one.
        start_time: Time of the first block, unix seconds; None: now.

    Raises:
        ToolMissing: Anvil is not installed.
        ConfigError: The port is taken.
    """
    with Anvil(AnvilConfig(port=port, start_time=start_time)) as chain:
        yield chain.rpc_url


def deploy(config: Config, progress: Callable[[str], None] = lambda step: None) -> Deployment:
    """Build the circuits, deploy on the configured chain what is missing there, and check all of it.

    It is safe to run again: nothing is deployed twice. The first run builds circuits, which takes up to a minute.

    Args:
        config: The configuration.
        progress: Called with each step that is done.

    Returns:
        The addresses, as they are in the deployment file.

    Raises:
        ConfigError: Something in the configuration does not fit the chain.
        DeploymentError: What is on the chain is not what the configuration asks for.
        InsecureSetup: The SRS is a local one, and the chain is not.
        PayerEmpty: The deploying account has no ether.
    """
    return asyncio.run(deploy_configured(config, finished_steps(progress)))


def run(config: Config) -> None:
    """Run the oracle until its feeds end, or until SIGINT or SIGTERM stops it in order.

    Raises:
        Fatal: Every feed has ended because of an error that a person has to put right.
    """
    asyncio.run(run_daemon(config))


def status(config: Config) -> OracleStatus:
    """Return the feeds as the chain has them, the payer's balance, and how many observations are open.

    Raises:
        ChainUnavailable: The endpoint does not answer.
        DeploymentError: There is no deployment file.
    """
    return asyncio.run(read_status(config))


def audit_hub(rpc_url: str, hub: str, artifacts: Path | str, *, from_block: int | None = None) -> AuditReport:
    """Verify every round of a hub again, off-chain, from calldata and history alone.

    Args:
        rpc_url: An endpoint of the hub's chain.
        hub: The hub's address.
        artifacts: The folder with the artifacts of its models; auditors' copies are enough.
        from_block: A block that is not after the hub's creation, to begin at; None: it is looked for.

    Raises:
        ConfigError: The folder does not exist, or the address is not valid.
        ChainUnavailable: The endpoint does not answer.
    """
    folder = Path(artifacts)
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder: name the one that has the models' artifacts")
    return asyncio.run(audit(hub, rpc_url, folder, from_block))


def from_sklearn(estimator: Any, samples: Any, *, name: str | None = None) -> ExportedModel:
    """Export a fitted estimator or pipeline of scikit-learn to ONNX; needs the extra `sklearn`.

    Args:
        estimator: Fitted. Its columns have to be numbers.
        samples: Rows of its features, or a file with them.
        name: The model's name; None: the estimator's class.

    Raises:
        ToolMissing: skl2onnx is not installed.
        ModelError: skl2onnx can't export the estimator.
    """
    return exporting.from_sklearn(estimator, samples, name=name)


def from_torch(module: Any, samples: Any, *, name: str | None = None) -> ExportedModel:
    """Export a module of PyTorch to ONNX, in evaluation mode, with the torch that it was made with.

    Args:
        module: Takes float32 rows, [N, …].
        samples: Rows of its inputs, or a file with them; the first one is traced.
        name: The model's name; None: the module's class.

    Raises:
        ToolMissing: torch, or what its exporter needs, is not installed.
        ModelError: torch can't export the module.
    """
    return exporting.from_torch(module, samples, name=name)


def build_model(
    model: ExportedModel | Path | str | bytes,
    samples: Any,
    *,
    out: Path | str | None = None,
    output: str | None = None,
    rule: Literal["threshold", "argmax", "tolerance"] | None = None,
    value: float = 0.0,
    public: bool = False,
    approximate: bool = False,
    disclosure: Literal["score", "verdict"] | None = None,
    objective: Literal["time", "gas", "both"] = "time",
    srs: Literal["insecure-local", "public-ceremony"] = "insecure-local",
    progress: Callable[[str], None] = lambda step: None,
) -> BuiltModel:
    """Turn an ONNX model into an artifact: a circuit with its keys and a verifier contract.

    Args:
        model: The ONNX file, its bytes, or what `from_sklearn` and `from_torch` return.
        samples: Inputs of the model, one row each: an array, or a file: .npy, .csv or .json. The more, the better the
            tuning.
        out: The folder of artifacts; None: the project's, or the user's cache.
        output: The output that is published, by name; None: the model has one, beside labels.
        rule: The definition of a verdict: an output above `value`, the largest output, or an output within `value`.
            None: a threshold for one output, the largest of several, a label as it is.
        value: See `rule`.
        public: True puts the weights into the verifying key; False hashes them in the circuit.
        approximate: True looks functions up if no exact circuit has the model. Its outputs have a guard band then.
        disclosure: What proofs publish: exact scores, or verdicts only. None: a public model's scores, a private
            model's verdicts.
        objective: The quantity that tuning makes small.
        srs: The reference string. A local one is for local chains only.
        progress: Called with each step.

    Raises:
        ConfigError: The model is private, and would publish scores, which give its weights away.
        ModelError: The model can't be proven, or its integers flip too many verdicts.
        DataError: The samples can't be read, or do not fit the model.
    """
    with tempfile.TemporaryDirectory(prefix="oracle-model-") as folder:
        options = ModelOptions(
            onnx=_onnx_file(model, Path(folder)),
            data=_samples_file(samples, Path(folder)),
            out=None if out is None else Path(out),
            rule=rule,
            value=value,
            output=output,
            public_model=public,
            approximate=approximate,
            disclosure=disclosure,
            objective=objective,
            srs=srs,
        )
        return models.build_model(options, progress)


def prove(model: BuiltModel | Path | str, inputs: Any, *, row: int = 0) -> ModelProof:
    """Prove one inference of an imported model. The result has inputs, outputs and the proof.

    Args:
        model: What `build_model` returned, or the folder of the model's artifact, with the prover's files.
        inputs: Inputs of the model, one row each: an array, or a file: .npy, .csv or .json.
        row: The row's number, from 0.

    Raises:
        DataError: There is no such row, or it does not fit the model.
        ArtifactError: The artifact is damaged.
    """
    with tempfile.TemporaryDirectory(prefix="oracle-inputs-") as folder:
        data = _samples_file(inputs, Path(folder))
        _, proof = asyncio.run(models.prove_model(_artifact_of(model), data, row=row))
    return proof


def verify(model: BuiltModel | Path | str, proof: ModelProof) -> Verification:
    """Verify one inference against a model's artifact; its public files are enough.

    Args:
        model: What `build_model` returned, or the folder of the model's artifact, of which the prover's files may be
            missing.
        proof: The proof. Nothing in it is believed.

    Returns:
        True if the proof holds, otherwise False with the reason.

    Raises:
        ArtifactError: The artifact is damaged.
    """
    return split.verify(split.load_chain(_artifact_of(model), prover=False), proof)


def _artifact_of(model: BuiltModel | Path | str) -> Path:
    return model.artifact.path if isinstance(model, BuiltModel) else Path(model)


def _onnx_file(model: ExportedModel | Path | str | bytes, folder: Path) -> Path:
    found = exporting.given(model)
    if isinstance(found, Path):
        return found
    path = folder / f"{found.name}.onnx"
    found.save(path)
    return path


def _samples_file(samples: Any, folder: Path) -> Path:
    if isinstance(samples, str | Path):
        return Path(samples)
    path = folder / "samples.npy"
    np.save(path, exporting.rows_of(samples))
    return path


def _moment(seconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)
