"""A verifiable oracle: every value that it publishes carries a proof that a committed model accepted it.

The names below are the SDK, documented with examples in `docs/sdk.md`. Each is loaded when it is first used, so that
`import oracle` costs nothing. Everything else in the package may change from release to release.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from oracle.core.version import __version__

if TYPE_CHECKING:
    from oracle.app.sdk import (
        FeedReader,
        FeedReading,
        FeedRound,
        audit_hub,
        build_model,
        deploy,
        from_sklearn,
        from_torch,
        load_config,
        local_chain,
        prove,
        run,
        status,
        verify,
    )
    from oracle.claims import (
        AtLeast,
        AtMost,
        Between,
        ChangeBetween,
        ClaimProof,
        Earlier,
        Equals,
        ModelSpec,
        OneOf,
        ZkmlClient,
        attest,
        claim_model,
    )
    from oracle.claims.service import ClaimsService
    from oracle.config import Config
    from oracle.core.errors import OracleError

__all__ = [
    "AtLeast",
    "AtMost",
    "Between",
    "ChangeBetween",
    "ClaimProof",
    "ClaimsService",
    "Config",
    "Earlier",
    "Equals",
    "FeedReader",
    "FeedReading",
    "FeedRound",
    "ModelSpec",
    "OneOf",
    "OracleError",
    "ZkmlClient",
    "__version__",
    "attest",
    "audit_hub",
    "build_model",
    "claim_model",
    "deploy",
    "from_sklearn",
    "from_torch",
    "load_config",
    "local_chain",
    "prove",
    "run",
    "status",
    "verify",
]

_HOMES = {
    "oracle.app.sdk": (
        "FeedReader", "FeedReading", "FeedRound", "audit_hub", "build_model", "deploy", "from_sklearn", "from_torch",
        "load_config", "local_chain", "prove", "run", "status", "verify",
    ),
    "oracle.claims": (
        "AtLeast", "AtMost", "Between", "ChangeBetween", "ClaimProof", "Earlier", "Equals", "ModelSpec", "OneOf",
        "ZkmlClient", "attest", "claim_model",
    ),
    "oracle.claims.service": ("ClaimsService",),
    "oracle.config": ("Config",),
    "oracle.core.errors": ("OracleError",),
}  # fmt: skip
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'oracle' has no attribute {name!r}; docs/sdk.md lists what it has")
    found = getattr(import_module(_HOME[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
