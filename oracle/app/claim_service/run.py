"""`oracle claim serve`: the claims service, from its file to its end."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from oracle.app.callers import caller_tokens
from oracle.app.claim_service.desk import ServingDesk, watch_proving
from oracle.app.claim_service.metrics import ClaimMetrics
from oracle.app.provers import make_prover
from oracle.app.srs import srs_cache
from oracle.chain.rpc import LOCAL_CHAIN_IDS
from oracle.claims.client import ZkmlClient
from oracle.claims.models import ModelSpec
from oracle.claims.service.issuers import TrustedIssuers
from oracle.claims.service.jobs import JobBook
from oracle.config import ClaimModelConfig, ClaimServerConfig, ClaimServiceConfig
from oracle.config.listen import is_local
from oracle.core.errors import ConfigError, DataError, InsecureSetup
from oracle.core.signals import handled
from oracle.proving.engine.staging import ENGINE_FOLDER, OwnedFolder
from oracle.proving.interface import Prover
from oracle.proving.pool.cache import ProofCache
from oracle.proving.srs.files import SrsOrigin
from oracle.web.claims.monitoring import serve_monitoring
from oracle.web.claims.server import REQUEST_S, serve_claims
from oracle.web.listener import Limits
from oracle.web.tls import Certificate

try:
    import resource
except ImportError:  # there is none on Windows, nor are there core files
    resource = None  # type: ignore[assignment]

__all__ = ["ServedClaims", "claims_served", "limits_of", "serve_until_stopped", "witness_folder"]

log = structlog.get_logger(__name__)

SHARED_MEMORY = Path("/dev/shm")
_SCRATCH_BYTES = 256 << 20


@dataclass(frozen=True)
class ServedClaims:
    """A claims service that is open.

    Attributes:
        port: Its port.
        monitoring_port: The port of its monitoring; None: there is none.
        desk: Its desk.
    """

    port: int
    monitoring_port: int | None
    desk: ServingDesk


async def serve_until_stopped(config: ClaimServiceConfig, stop: asyncio.Event | None = None) -> None:
    """Serve claims until SIGTERM, SIGINT or `stop`; then finish the jobs under way.

    Raises:
        ConfigError: A token, a certificate or an address can't be used.
        OracleError: A model can't be proven, or its circuit not be built.
    """
    stop = stop or asyncio.Event()
    with _signals(stop):
        async with claims_served(config) as served:
            await stop.wait()
            await served.desk.stop(config.server.grace_s)


@contextlib.asynccontextmanager
async def claims_served(config: ClaimServiceConfig) -> AsyncIterator[ServedClaims]:
    """Serve claims while the context is open. Jobs that are under way at its end are cancelled.

    Raises:
        ConfigError: A token, a certificate or an address can't be used.
        InsecureSetup: The reference string is a local one, and the registry's chain is not local.
        OracleError: A model can't be proven, or its circuit not be built.
    """
    server = config.server
    # What is wrong with files is said before a circuit is built for minutes.
    tokens = caller_tokens(config.callers, "callers")
    certificate = None
    if server.tls_certificate is not None and server.tls_key is not None:
        certificate = Certificate(server.tls_certificate, server.tls_key, "server")
    specs = [_spec(each, index) for index, each in enumerate(config.models)]
    names = [each.name for each in specs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"models: {twice[0]!r} is served twice: give each model a name of its own")
    _require_ceremony(config)
    _leave_no_core()
    scratch = witness_folder()
    async with contextlib.AsyncExitStack() as stack:
        origin = SrsOrigin(config.srs)
        srs = None if origin is SrsOrigin.INSECURE_LOCAL else srs_cache(config.folder).source(origin)
        client = await stack.enter_async_context(ZkmlClient(config.folder, srs=srs))
        provers: dict[str, Prover] = {}
        for spec in specs:
            log.info("preparing a model", model=spec.name)
            model = await client.register(spec, _step(spec.name))
            # No proof is kept: what was proven for one caller is nobody else's.
            cache = ProofCache(entries=0)
            prover = make_prover(config.prover, model.artifact, cache, watch_proving, scratch=scratch)
            stack.push_async_callback(prover.close)
            provers[spec.name] = prover
        book = JobBook(
            queue=config.prover.queue,
            workers=config.prover.workers,
            per_caller=server.per_caller,
            keep_s=server.keep_s,
            most_kept=server.max_kept,
        )
        metrics = ClaimMetrics(names, book.counts, lambda: book.is_stopping)
        desk = ServingDesk(
            client,
            provers,
            book,
            metrics,
            workers=config.prover.workers,
            max_per_day=server.max_per_day,
            issuers=_issuers(config),
        )
        stack.push_async_callback(desk.stop, 0)
        sweeping = asyncio.create_task(desk.sweep(), name="claim-sweep")
        stack.callback(sweeping.cancel)
        monitoring_port = None
        if server.monitoring_address is not None:
            monitoring = serve_monitoring(server.monitoring_address, metrics.exposition, lambda: metrics.is_ready)
            monitoring_port = await stack.enter_async_context(monitoring)
        port = await stack.enter_async_context(
            serve_claims(
                server.address,
                desk,
                callers=tokens,
                max_per_minute=server.max_per_minute,
                max_body=server.max_body,
                events=metrics,
                certificate=certificate,
                limits=limits_of(server),
            )
        )
        log.info(
            "serving claims",
            host=server.address[0],
            port=port,
            monitoring_port=monitoring_port,
            tls=certificate is not None,
            models=names,
        )
        yield ServedClaims(port, monitoring_port, desk)


def limits_of(server: ClaimServerConfig) -> Limits:
    """Return the limits of the listener. Where clients come from anywhere, none can have all connections."""
    shared = server.behind_proxy or is_local(server.listen)  # then many clients have one address
    each = None if shared else max(1, server.max_connections // 4)
    return Limits(server.max_connections, request_s=REQUEST_S, per_address=each)


def _issuers(config: ClaimServiceConfig) -> TrustedIssuers | None:
    found = config.registry
    return None if found is None else TrustedIssuers(found.chain_id, found.address, found.issuers)


def _require_ceremony(config: ClaimServiceConfig) -> None:
    """Refuse keys with which claims can be forged, for a chain that is not local. Raises: InsecureSetup."""
    registry, origin = config.registry, SrsOrigin(config.srs)
    if registry is not None and origin is SrsOrigin.INSECURE_LOCAL and registry.chain_id not in LOCAL_CHAIN_IDS:
        raise InsecureSetup(
            f"chain {registry.chain_id} is not a local one, and whoever made a local reference string can forge "
            'claims: take srs = "public-ceremony"'
        )


def _spec(model: ClaimModelConfig, index: int) -> ModelSpec:
    """Return a configured model. Raises: ConfigError."""
    try:
        if model.packaged is not None:
            return ModelSpec.packaged(model.packaged)
        return ModelSpec.load(Path(model.file or ""))
    except DataError as error:
        raise ConfigError(f"models[{index}]: {error}") from None


def _step(name: str) -> Callable[[str], None]:
    return lambda step: log.info("building a circuit", model=name, step=step)


def witness_folder() -> Path:
    """Return a folder in memory for witnesses, so that they touch no disk; the temporary one if none has room.

    Removes what a service that was killed has left in either.
    """
    found = Path(tempfile.gettempdir())
    OwnedFolder(found, ENGINE_FOLDER).remove()
    with contextlib.suppress(OSError):
        if SHARED_MEMORY.is_dir():
            # Before its room is measured: what is left there takes some.
            OwnedFolder(SHARED_MEMORY, ENGINE_FOLDER).remove()
            if shutil.disk_usage(SHARED_MEMORY).free >= _SCRATCH_BYTES:
                found = SHARED_MEMORY
    if found != SHARED_MEMORY:
        log.warning("witnesses pass through files while they are proven: no room in memory", folder=str(found))
    return found


def _leave_no_core() -> None:
    """Let no crash of this process, or of one that it starts, write its memory to a file, or give it to a program.

    Where the system pipes cores to a program, Linux does so whatever the limit is, but for a limit of 1 byte. A file
    of 1 byte is not written either.
    """
    if resource is not None:
        _, most = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (0 if most == 0 else 1, most))


@contextlib.contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    """Stop on SIGTERM and SIGINT. A second one ends the process as usual."""
    loop = asyncio.get_running_loop()

    def stopping(number: int) -> None:
        stop.set()
        loop.remove_signal_handler(number)

    with handled({number: functools.partial(stopping, number) for number in (signal.SIGTERM, signal.SIGINT)}):
        yield
