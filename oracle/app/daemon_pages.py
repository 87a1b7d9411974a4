"""The pages of the running daemon, as another process on this machine reads them: `/sources`, `/metrics`, `/readyz`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from oracle.config import Config
from oracle.core import http
from oracle.core.concurrency import together
from oracle.core.formats import one_line

__all__ = ["DaemonPages", "Figures", "SourceSaid", "ask_daemon"]

_MAX_BYTES = 16 << 20
_TIMEOUT_S = 2.0
_LONGEST = 1_000
"""Characters of a text of the daemon that are kept."""


@dataclass(frozen=True, slots=True)
class SourceSaid:
    """The answer of a source at the daemon's latest look. All is text of the daemon.

    Attributes:
        state: "agrees", "outlier", "unused", "failed" or "suspended".
        value: A decimal number; empty if the source gave none.
        detail: How far off the value is, or why there is none; of a suspended source also until when.
    """

    source: str
    state: str
    value: str
    detail: str


@dataclass(frozen=True, slots=True)
class Figures:
    """The daemon's metrics, by name."""

    samples: Mapping[str, Sequence[tuple[Mapping[str, str], float]]] = field(default_factory=dict)

    def total(self, name: str, **labels: str) -> float | None:
        """Return the sum of a metric over all labels but those given; None if the daemon has none of it."""
        found = [
            value
            for has, value in self.samples.get(name, ())
            if all(has.get(label) == wanted for label, wanted in labels.items())
        ]
        return sum(found) if found else None


@dataclass(frozen=True, slots=True)
class DaemonPages:
    """The pages of the daemon.

    Attributes:
        address: Where it is asked; empty if no address is configured.
        problem: Why there is nothing of it; empty if it answers.
        is_ready: True if `/readyz` says so.
        faults: The checks of `/readyz` that fail, in words.
        sources: By feed, what each of its sources said.
        figures: Its metrics.
    """

    address: str = ""
    problem: str = ""
    is_ready: bool = False
    faults: Sequence[str] = ()
    sources: Mapping[str, Sequence[SourceSaid]] = field(default_factory=dict)
    figures: Figures = field(default_factory=Figures)


async def ask_daemon(config: Config) -> DaemonPages:
    """Return the pages of the daemon at the configured address. That it is not there is no error, but is said."""
    if config.web.address is None:
        return DaemonPages(problem="no address is configured: a daemon with [web] listen tells more")
    host, port = config.web.address
    host = f"[{host}]" if ":" in host else {"0.0.0.0": "127.0.0.1"}.get(host, host)
    address = f"{host}:{port}"
    try:
        sources, metrics, ready = await together(*(_page(address, each) for each in ("sources", "metrics", "readyz")))
        return _read(address, sources, metrics, ready)
    except (aiohttp.ClientError, OSError) as error:
        return DaemonPages(address, f"the daemon does not answer at {address}: {http.reason(error)}")
    except (http.BodyTooLarge, ValueError, TypeError, LookupError, AttributeError):
        return DaemonPages(address, f"what answers at {address} is not the daemon: its pages are malformed")


async def _page(address: str, name: str) -> http.Answer:
    return await http.ask("GET", f"http://{address}/{name}", timeout_s=_TIMEOUT_S, max_body=_MAX_BYTES)


def _read(address: str, sources: http.Answer, metrics: http.Answer, ready: http.Answer) -> DaemonPages:
    if {sources.status, metrics.status} != {200} or ready.status not in (200, 503):
        raise ValueError("another server")
    health = ready.json()
    samples: dict[str, list[tuple[Mapping[str, str], float]]] = {}
    for family in text_string_to_metric_families(metrics.text()):
        for each in family.samples:
            samples.setdefault(each.name, []).append((each.labels, each.value))
    faults = [f"{_text(each, 'name')}: {_text(each, 'detail')}" for each in health["checks"] if each["ok"] is not True]
    said = {
        one_line(feed, _LONGEST): tuple(
            SourceSaid(*(_text(each, name) for name in ("source", "state", "value", "detail")))
            for each in looked["sources"]
        )
        for feed, looked in sources.json().items()
    }
    return DaemonPages(address, "", health["ok"] is True, tuple(faults), said, Figures(samples))


def _text(of: Mapping[str, Any], name: str) -> str:
    return one_line(str(of[name]), _LONGEST)
