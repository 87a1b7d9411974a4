"""The table [deploy]: the settings of a new hub, apart from its feeds."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from oracle.core.settings import UINT32_MAX, Address, Section

__all__ = ["DeployConfig"]


class DeployConfig(Section):
    """The settings of a new hub, apart from its feeds.

    Attributes:
        change_delay: Seconds after which a proposed change may take effect.
        guardian: Address that may pause and roll back, but never set a value. None: the deployer.
        admin: Address that owns the hub. None: the deployer.
    """

    change_delay: Annotated[int, Field(ge=0, le=UINT32_MAX)] = 172_800
    guardian: Address | None = None
    admin: Address | None = None
