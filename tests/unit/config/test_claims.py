"""Tests of the file of the claims service."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from oracle.config import ClaimServiceConfig, load_claim_service
from oracle.core.errors import ConfigError

MODELS = '[[models]]\npackaged = "credit"\n'
CALLERS = '[[callers]]\nname = "desk"\ntoken_file = "desk.token"\n'
Read = Callable[..., ClaimServiceConfig]
REGISTRY = f'[registry]\nchain_id = 1\naddress = "0x{"1" * 40}"\nissuers = ["0x{"2" * 40}"]\n'


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def load(*parts: str) -> ClaimServiceConfig:
        path = tmp_path / "claims.toml"
        path.write_text("".join(parts))
        return load_claim_service(path)

    return load


def test_the_file_on_the_page(read: Read, project_root: Path) -> None:
    page = (project_root / "docs/claims.md").read_text().split("\n## The claims service\n")[1]
    found = read(page.split("```toml\n")[1].split("```")[0])
    assert found.server.monitoring_address == ("127.0.0.1", 9471) and found.registry is not None


def test_a_file_as_short_as_it_gets(read: Read, tmp_path: Path) -> None:
    found = read(MODELS, CALLERS)
    assert found.server.address == ("127.0.0.1", 9470) and found.server.monitoring_address is None
    assert found.callers[0].token_file == tmp_path / "desk.token"
    assert found.srs == "public-ceremony", "a local string is a choice"
    registry = read(MODELS, REGISTRY).registry
    assert registry is not None and registry.chain_id == 1


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ((MODELS,), "nobody may ask"),
        ((CALLERS,), "models"),
        ((MODELS, CALLERS, CALLERS), "has the same name 'desk'"),
        (('[[models]]\npackaged = "credit"\nfile = "a.json"\n', CALLERS), "needs either 'packaged' or 'file'"),
        (("[[models]]\n", CALLERS), "needs either 'packaged' or 'file'"),
        ((MODELS, CALLERS, '[server]\nlisten = "0.0.0.0:9470"\n'), "private data could be read on its way"),
        ((MODELS, CALLERS, '[server]\ntls_key = "key.pem"\n'), "'tls_certificate' and 'tls_key' go together"),
        ((MODELS, CALLERS, '[server]\nmonitoring = "127.0.0.1:9470"\n'), "choose two"),
        ((MODELS, CALLERS, '[prover]\nray_address = "10.0.0.1:6379"\n'), "'ray_address' is for backend"),
        ((MODELS, CALLERS, '[prover]\nvisibility = "public"\n'), "unknown key"),
        ((MODELS, REGISTRY.replace("issuers = [", f'issuers = ["0x{"2" * 40}", ')), "has an issuer twice"),
    ],
)
def test_what_is_wrong_is_told(read: Read, parts: tuple[str, ...], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        read(*parts)


@pytest.mark.parametrize("more", ['tls_certificate = "a.pem"\ntls_key = "a.key"\n', "behind_proxy = true\n"])
def test_other_machines_reach_it_over_tls_or_a_proxy(read: Read, more: str) -> None:
    assert read(MODELS, CALLERS, '[server]\nlisten = "0.0.0.0:9470"\n', more).server.address == ("0.0.0.0", 9470)
