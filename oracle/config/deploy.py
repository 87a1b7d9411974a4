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
        salt: 0x and 64 hexadecimal digits; the hub's address follows from it, its code and its settings. Another salt
            makes another hub. None: 0.
    """

    change_delay: Annotated[int, Field(ge=0, le=UINT32_MAX)] = 172_800
    guardian: Address | None = None
    admin: Address | None = None
    salt: Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{64}$")] | None = None
