"""The doctor's findings about the next reports: whether the chain would take them."""

from __future__ import annotations

from collections.abc import Mapping

from oracle.app.asked_readiness import ask_readiness
from oracle.app.checks import Check
from oracle.config import Config
from oracle.core.obstacles import grouped, obstacles_for

__all__ = ["readiness_checks"]


async def readiness_checks(config: Config, env: Mapping[str, str]) -> list[Check]:
    """Ask the chain whether it would take the next report of each configured feed.

    Args:
        config: The configuration.
        env: The environment, for passwords.

    Returns:
        A finding for each obstacle, and one for the feeds without any. None before anything is deployed: the finding
        about the hub says so.
    """
    if not config.chain.deployment.exists():
        return []
    obstacles = (await ask_readiness(config, env)).obstacles
    found = [
        Check(
            f"next report of {', '.join(feeds) or 'every feed'} ({each.kind.value})",
            ok=False,
            level="warning" if each.kind.is_of_others else "error",
            detail=each.detail,
            remedy=each.remedy,
        )
        for feeds, each in grouped(obstacles)
    ]
    ready = [feed.name for feed in config.feeds if not obstacles_for(feed.name, obstacles)]
    if ready:
        found.append(Check(f"next report of {', '.join(ready)}", ok=True, detail="the chain would take it"))
    return found
