"""`oracle audit`: every round of a hub, verified again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from oracle.audit.readings import ReadingsPlace
from oracle.audit.report import AuditReport
from oracle.audit.run import WantedReadings, audit_hub
from oracle.audit.served import ReadingsClient
from oracle.chain.addresses import require_address
from oracle.chain.rpc import Rpc
from oracle.config import Config
from oracle.core.errors import ConfigError
from oracle.core.formats import checksum_address, is_address
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
    hub: str, rpc_url: str, artifacts: Path, from_block: int = 0, readings: ReadingsPlaces | None = None
) -> AuditReport:
    """Verify every round of a hub again, from calldata and history alone. See `oracle.audit`.

    Args:
        hub: The hub's address.
        rpc_url: An endpoint of its chain.
        artifacts: The folder that has the artifacts of its models.
        from_block: The first block to read.
        readings: Where the reporters serve the readings behind their signatures, to check them, too; None: they are
            not looked at.

    Raises:
        ConfigError: The authorities' file can't be read.
    """
    async with Rpc(rpc_url) as rpc:
        address = require_address(hub, "HUB")
        if readings is None:
            return await audit_hub(rpc, address, artifacts, from_block)
        async with ReadingsClient(trusted(readings.ca_file)) as client:
            wanted = WantedReadings(readings.places, client.fetch, readings.elsewhere, readings.days)
            return await audit_hub(rpc, address, artifacts, from_block, wanted)


def _url(text: str) -> str:
    try:
        return check_url(text)
    except ValueError as error:
        raise ConfigError(f"--from: the URL {error}") from None
