"""Configurations for tests, as text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from oracle.config import Config, load
from oracle.core.formats import checksum_address

ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"

OTHER_ADDRESS = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"

MINIMAL = """
[chain]
rpc_url = "http://127.0.0.1:8545"
chain_id = 31337
deployment = "deployments/31337.json"

[keys]
reporter = { anvil_account = 1 }

[journal]
path = "journal.sqlite"

[[feeds]]
name = "eth-usd"
description = "ETH / USD"
kind = "relative"
decimals = 8
sigma = 6_000
heartbeat = 3600
deviation_ppm = 5_000
min_sources = 1

[[feeds.sources]]
type = "http"
url = "https://prices.example/eth"
path = "$.price"
"""

ABSOLUTE = MINIMAL.replace('"relative"', '"absolute"').replace("deviation_ppm = 5_000", "deviation = 5_000")

Load = Callable[..., Config]

HTTP = 'path = "$.price"'

KEY = "reporter = { anvil_account = 1 }"

SECOND_SOURCE = '\n[[feeds.sources]]\ntype = "http"\nurl = "https://b.example"\npath = "$.p"\n'

ONE = ("min_sources = 1\n", "")

EXCHANGE = '{ type = "exchange", exchange = "kraken", symbol = "ETH/USD" }'

ONCHAIN = (
    '{ type = "onchain", rpc_url = "http://n.example/${KEY}", chain_id = 1, max_age = 3600, '
    f'address = "{ADDRESS}" }}'
)

PUSH = '{ type = "push", name = "desk", max_age = 60, key_file = "desk.key" }'

LISTENING = '[push]\nlisten = "127.0.0.1:9465"\n[journal]'


def with_source(source: str) -> str:
    return MINIMAL[: MINIMAL.index("[[feeds.sources]]")] + f"sources = [{source}]\n"


def configured(folder: Path, text: str = MINIMAL, env: Mapping[str, str] | None = None) -> Config:
    """Write a configuration into a folder, and load it."""
    path = folder / "oracle.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, env or {})


def address(number: int) -> str:
    """Return the address of a member's key."""
    return checksum_address(f"0x{number:040x}")


def member(number: int, more: str = "") -> str:
    """Return the table of a member, with further lines."""
    return (
        f'[[network.members]]\nname = "m{number}"\nreporter = "{address(number)}"\n'
        f'url = "http://127.0.0.1:{9470 + number}"\n{more}\n'
    )


def networked(count: int = 4, quorum: int = 3, faulty: int = 1, *, own: str = "", committee: str = "") -> str:
    """Return a configuration of a network, as text."""
    tables = f'[[committees]]\nname = "default"\nquorum = {quorum}\n{committee}\n'
    network = f'[network]\nlisten = "0.0.0.0:9470"\nfaulty = {faulty}\n{own}\n'
    members = "".join(member(number) for number in range(1, count + 1))
    return MINIMAL.replace("[[feeds]]", f"{tables}{network}{members}[[feeds]]", 1)
