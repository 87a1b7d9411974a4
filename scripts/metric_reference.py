"""Write docs/metrics.md from the metrics themselves: names, kinds, labels and what they show.

    python -m scripts.metric_reference

Run it after every change of a metric; `tests/unit/docs/test_metric_reference.py` fails until then.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import prometheus_client as prometheus

from oracle.app.claim_service.metrics import ClaimMetrics
from oracle.core.metrics import OF_ALL, Metrics

PAGE = Path(__file__).resolve().parent.parent / "docs" / "metrics.md"

_HEAD = """# Metrics

What `/metrics` shows, in Prometheus's text format. [Operations](operations.md#what-a-running-oracle-shows) says how to
serve it, and [what to do](operations.md#alerts) if an alert fires.
This page is made from the code by `python -m scripts.metric_reference`.

A histogram `NAME` has the series `NAME_bucket`, `NAME_count` and `NAME_sum`.
"""

_DAEMON = """
## Of `oracle run`

The label `feed` is empty where a metric is about the whole oracle. What a node does not have is not there: the metrics
of members without `[network]`, the limit of the budget without one.
"""

_CLAIMS = """
## Of `oracle claim serve`

No label names a caller, a subject or a job.
"""

_TABLE = "\n| metric | kind | labels | meaning |\n| --- | --- | --- | --- |\n"


def page() -> str:
    """Return the page."""
    claims = ClaimMetrics([], lambda: (0, 0, 0), lambda: False)
    parts = [_HEAD, _DAEMON, _TABLE, *rows(Metrics().registry), _CLAIMS, _TABLE, *rows(claims.registry)]
    return "".join(parts)


def rows(registry: prometheus.CollectorRegistry) -> Iterator[str]:
    """Yield a row for each metric of a registry, in the order in which they were made."""
    of_all = {each.value for each in OF_ALL}
    made: Any = registry
    for collector in made._collector_to_names:
        [family] = collector.describe()
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = ", ".join(f"`{each}`" for each in collector._labelnames)
        if name in of_all:
            labels += ", empty"
        yield f"| `{name}` | {family.type} | {labels} | {family.documentation} |\n"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
