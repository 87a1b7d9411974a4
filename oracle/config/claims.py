"""The file of the claims service: where it serves, to whom, which models, and with which provers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from oracle.config.callers import CallerConfig, callers_problems
from oracle.config.listen import ListenAddress, host_and_port, is_local
from oracle.config.prover import WorkersConfig
from oracle.core.settings import Address, ConfigPath, Problem, Seconds, Section, gathered, wrong, wrong_each

__all__ = ["ClaimModelConfig", "ClaimServerConfig", "ClaimServiceConfig", "ClaimsRegistryConfig"]


class ClaimServerConfig(Section):
    """The addresses of the claims service, and its limits.

    Attributes:
        listen: Host and port of the service.
        tls_certificate: PEM file of the certificate, with its chain. It is read again when it changes.
        tls_key: PEM file of the certificate's key, not encrypted, and not readable by everybody.
        behind_proxy: True to listen without TLS where other machines can reach it, because a proxy in front has TLS.
        monitoring: Host and port of `/metrics`, `/healthz` and `/readyz`. None: they are not served. There is no
            authentication: choose an address that only your monitoring reaches.
        max_connections: The most connections at once; further ones are refused.
        max_body: The most bytes that a request may have.
        max_per_minute: How often each caller may ask in a minute, and each address without a token.
        max_per_day: How many claims each caller may ask for in a day, those that do not hold included: each tells
            something of the model. An attested subject is a caller.
        per_caller: How many jobs of one caller may be under way at once.
        keep_s: Seconds for which a claim is kept after it was proven, for its caller to collect it.
        max_kept: How many ended jobs are kept at most; the oldest are forgotten first, of the caller who has the most.
        grace_s: Seconds that jobs under way may take when the service is asked to stop.
    """

    listen: ListenAddress = "127.0.0.1:9470"
    tls_certificate: ConfigPath | None = None
    tls_key: ConfigPath | None = None
    behind_proxy: bool = False
    monitoring: ListenAddress | None = None
    max_connections: Annotated[int, Field(ge=1, le=10_000)] = 64
    max_body: Annotated[int, Field(ge=1_024, le=1 << 22)] = 65_536
    max_per_minute: Annotated[int, Field(ge=1, le=60_000)] = 120
    max_per_day: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    per_caller: Annotated[int, Field(ge=1, le=10_000)] = 4
    keep_s: Seconds = 600.0
    max_kept: Annotated[int, Field(ge=1, le=100_000)] = 1_024
    grace_s: Seconds = 30.0

    @model_validator(mode="after")
    def _private(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise wrong("'tls_certificate' and 'tls_key' go together")
        if not (is_local(self.listen) or self.tls_certificate or self.behind_proxy):
            raise wrong(
                f"other machines can reach {self.listen}, and private data could be read on its way: add "
                "'tls_certificate' and 'tls_key', or, if a proxy in front has TLS, 'behind_proxy = true'"
            )
        if self.monitoring is not None and self.monitoring == self.listen and self.address[1]:
            raise wrong(f"'monitoring' and 'listen' are both {self.listen}: choose two")
        return self

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of `listen`."""
        return _split(self.listen)

    @property
    def monitoring_address(self) -> tuple[str, int] | None:
        """Host and port of `monitoring`; None if there is none."""
        return host_and_port(self.monitoring)


class ClaimModelConfig(Section):
    """A model that is served. It is packaged, or a file.

    Attributes:
        packaged: The name of a packaged model, as "credit".
        file: The JSON file of a model of one's own, with its graph beside it, as `ModelSpec.save` writes it.
    """

    packaged: Annotated[str, Field(min_length=1)] | None = None
    file: ConfigPath | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.packaged is None) == (self.file is None):
            raise wrong("needs either 'packaged' or 'file'")
        return self


def _distinct(issuers: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(issuers)) != len(issuers):
        raise wrong("has an issuer twice")
    return issuers


class ClaimsRegistryConfig(Section):
    """The registry that the claims are for, and the issuers whose attestations admit callers without a token.

    Attributes:
        chain_id: The id of the registry's chain.
        address: The address of the `ClaimRegistry`.
        issuers: Addresses of issuers. The service does not ask the chain: remove an issuer here, too.
    """

    chain_id: Annotated[int, Field(ge=1, lt=2**63)]
    address: Address
    issuers: Annotated[tuple[Address, ...], Field(min_length=1, max_length=1_024), AfterValidator(_distinct)]


class ClaimServiceConfig(Section):
    """The file of the claims service.

    Attributes:
        models: The models that are served.
        callers: Who may ask with a token.
        registry: Who may ask with an attestation. None: only callers with a token may ask.
        folder: Folder of circuits and keys, as of the other `oracle claim` commands.
        srs: Where the structured reference string comes from. Whoever made a local one can forge claims, so it is for
            local chains only.
    """

    server: ClaimServerConfig = Field(default_factory=ClaimServerConfig)
    models: Annotated[tuple[ClaimModelConfig, ...], Field(min_length=1, max_length=64)]
    callers: tuple[CallerConfig, ...] = ()
    registry: ClaimsRegistryConfig | None = None
    prover: WorkersConfig = Field(default_factory=WorkersConfig)
    folder: ConfigPath = Path("build/claims")
    srs: Literal["public-ceremony", "insecure-local"] = "public-ceremony"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = gathered(callers_problems(self.callers), self._nobody())
        if problems:
            raise wrong_each(problems)
        return self

    def _nobody(self) -> Iterator[Problem]:
        if not self.callers and self.registry is None:
            yield (
                (),
                "nobody may ask: name callers, as [[callers]] with 'name' and 'token_file', or a [registry] whose "
                "issuers admit whom they have attested",
            )


def _split(listen: str) -> tuple[str, int]:
    found = host_and_port(listen)
    assert found is not None  # it was given
    return found
