"""The table [budget]: what the daemon may spend."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from oracle.core.money import WEI
from oracle.core.settings import DecimalNumber, Section

__all__ = ["SpendingConfig"]


class SpendingConfig(Section):
    """The limit of what the daemon spends.

    Attributes:
        ether_per_day: The most ether that the daemon's transactions may cost in any 24 hours: reports, shadow reports,
            replacements and transfers that use a nonce up. Reporting pauses before it is spent. None: no limit.
    """

    ether_per_day: Annotated[DecimalNumber, Field(gt=0, le=10**9)] | None = None

    @property
    def wei_per_day(self) -> int | None:
        """The limit in wei; None: there is none."""
        return None if self.ether_per_day is None else int(Decimal(self.ether_per_day) * WEI)
