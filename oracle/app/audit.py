"""`oracle audit`: every round of a hub, verified again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from oracle.app.public_models import public_models
from oracle.audit.choice import Choice
from oracle.audit.circuits import require_compiler
from oracle.audit.progress import Progress, unwatched
from oracle.audit.readings import ReadingsPlace
from oracle.audit.record import AuditRecord
from oracle.audit.report import AuditReport
from oracle.audit.run import AuditOptions, WantedReadings, audit_hub
from oracle.audit.served import ReadingsClient
from oracle.chain.addresses import require_address
from oracle.chain.rpc import BlockTag, Rpc
from oracle.config import Config
from oracle.core.errors import ChainUnavailable, ConfigError
from oracle.core.formats import checksum_address, from_hex, is_address
from oracle.core.settings import check_url
from oracle.network.asking import trusted

__all__ = ["READINGS_DAYS", "ReadingsPlaces", "audit", "readings_places"]

READINGS_DAYS = 90.0
"""Days for which reporters keep readings, if they do not choose otherwise."""


@dataclass(frozen=True)
class ReadingsPlaces:
    """The places where reporters serve their readings.

    Attributes:
        places: By the reporters' checksummed addresses.
        elsewhere: Where all others do; None: that is not known.
        ca_file: PEM file of the authorities that are trusted for https; None: the system's.
        days: Reports that are older are not looked at.
    """

    places: dict[str, ReadingsPlace]
    elsewhere: ReadingsPlace | None = None
    ca_file: Path | None = None
    days: float = READINGS_DAYS


def readings_places(named: Sequence[str], config: Config | None, days: float = READINGS_DAYS) -> ReadingsPlaces:
    """Return where reporters serve their readings: what was named, and the members of the configured network.

    Args:
        named: A base URL for all reporters, or ADDRESS=URL for one; with a configuration, NAME=URL for a member.
        config: The configuration; None: there is none.
        days: Reports that are older are not looked at.

    Raises:
        ConfigError: What was named can't be used, or nothing says where a reporter is.
    """
    network = None if config is None else config.network
    members = () if network is None else network.members
    places = {member.reporter: ReadingsPlace(member.name, member.url) for member in members}
    elsewhere = None
    for each in named:
        name, equals, url = each.partition("=")
        if not equals or "://" in name:
            elsewhere = ReadingsPlace("", _url(each))
            continue
        member = next((member for member in members if member.name == name), None)
        if member is None and not is_address(name):
            known = ", ".join(member.name for member in members)
            what = f"the members are {known}" if known else "name a configuration with members, or the address"
            raise ConfigError(f"--from {name}=…: {name!r} is no address and no member of the network; {what}")
        try:
            address = checksum_address(name) if member is None else member.reporter
        except ValueError as error:
            raise ConfigError(f"--from {name}=…: {error}") from None
        places[address] = ReadingsPlace("" if member is None else member.name, _url(url))
    if not places and elsewhere is None:
        raise ConfigError(
            "--readings: nothing says where the reporters serve their readings; name them with --from ADDRESS=URL "
            "(or --from URL for all), or a configuration with [network] with --config"
        )
    return ReadingsPlaces(places, elsewhere, None if network is None else network.ca_file, days)


async def audit(
    hub: str,
    rpc_urls: str | Sequence[str],
    artifacts: Path,
    from_block: int | None = None,
    readings: ReadingsPlaces | None = None,
    *,
    block: BlockTag = "latest",
    choice: Choice | None = None,
    jobs: int | None = None,
    state: Path | None = None,
    progress: Progress = unwatched,
) -> AuditReport:
    """Verify every round of a hub again, from calldata and history alone. See `oracle.audit`.

    Args:
        hub: The hub's address.
        rpc_urls: Endpoints of its chain, one or several.
        artifacts: The folder that has the artifacts of its models.
        from_block: The first block to read; None: the block of the hub's creation is looked for.
        readings: Where the reporters serve the readings behind their signatures, to check them, too; None: they are
            not looked at.
        block: The block whose state is audited, with the history up to it.
        choice: The reports that are proven and listed; None: all.
        jobs: Proofs at once; None: as many as this process may use cores.
        state: A file that keeps what was verified and fetched, so that another audit goes on from there.
        progress: Is told how far the audit is.

    Raises:
        ConfigError: The authorities' file can't be read, or no endpoint is named, or one twice.
        DataError: What was chosen does not exist, or the file is of another hub.
        ToolMissing: There is no compiler to make the verifiers with.
    """
    began = time.perf_counter()
    await asyncio.to_thread(require_compiler, artifacts)
    urls = [rpc_urls] if isinstance(rpc_urls, str) else list(rpc_urls)
    if not urls or len(set(urls)) < len(urls):
        raise ConfigError("--rpc: name at least one endpoint, and none twice")
    address = require_address(hub, "HUB")
    async with AsyncExitStack() as stack:
        rpcs = [await stack.enter_async_context(Rpc(url)) for url in urls]
        record = stack.enter_context(AuditRecord(state, await _chain_id(rpcs), address))
        wanted = None
        if readings is not None:
            client = await stack.enter_async_context(ReadingsClient(trusted(readings.ca_file)))
            wanted = WantedReadings(readings.places, client.fetch, readings.elsewhere, readings.days)
        options = AuditOptions(
            from_block=from_block,
            block=block,
            readings=wanted,
            jobs=jobs,
            record=record,
            progress=progress,
            choice=choice or Choice(),
        )
        report = await audit_hub(rpcs, address, artifacts, options)
        record.forget({from_hex(each.tx_hash) for each in report.findings if not each.verified and each.tx_hash})
    return replace(
        report,
        notes=(*report.notes, *public_models(report.circuits, artifacts)),
        seconds=time.perf_counter() - began,
    )


async def _chain_id(rpcs: Sequence[Rpc]) -> int:
    """Return the chain of the first endpoint that answers. Raises ChainUnavailable: None does."""
    errors: list[ChainUnavailable] = []
    for rpc in rpcs:
        try:
            return await rpc.chain_id()
        except ChainUnavailable as error:
            errors.append(error)
    raise errors[0]


def _url(text: str) -> str:
    try:
        return check_url(text)
    except ValueError as error:
        raise ConfigError(f"--from: the URL {error}") from None
