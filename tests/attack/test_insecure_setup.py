"""Who knows the secret of an SRS can prove anything: a local one is refused everywhere but on a local chain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oracle.assembly import audit, deploy
from oracle.chain import keystore
from oracle.chain.anvil import Anvil
from oracle.chain.rpc import Rpc
from oracle.errors import InsecureSetup
from tests.attack.rig import DEPLOYER, GENESIS, REPORTER, Proofs, Rig, audit_folder, configure

pytestmark = pytest.mark.attack

BASE = 8453


@pytest.fixture
def elsewhere(anvil: Callable[..., Anvil]) -> Iterator[Anvil]:
    """A chain that is not a local one by its id, whatever node it runs on."""
    with anvil(chain_id=BASE, start_time=GENESIS) as chain:
        yield chain


def encrypted(chain: Anvil, folder: Path) -> str:
    """The section of keys, with Anvil's accounts as keystores: keys of their own are not what is refused here."""
    (folder / "password").write_text("secret\n", encoding="utf-8")
    (folder / "password").chmod(0o600)
    lines = []
    for role, account in (("reporter", REPORTER), ("submitter", DEPLOYER)):
        keystore.import_key(folder / f"{role}.json", chain.accounts[account].key, "secret", iterations=2)
        lines.append(f'{role} = {{ keystore = "{role}.json", password_file = "password" }}')
    return "\n".join(lines)


def test_a_local_srs_is_not_deployed_elsewhere(proofs: Proofs, elsewhere: Anvil, tmp_path: Path) -> None:
    config = configure(proofs, elsewhere, tmp_path, encrypted(elsewhere, tmp_path))
    with pytest.raises(InsecureSetup, match=f"SRS is not the public ceremony's.*chain {BASE} is no local chain"):
        proofs.run(deploy(config, lambda line: None))
    assert elsewhere.rpc("eth_blockNumber") == "0x0", "nothing was sent"
    assert not config.chain.deployment.exists()


def test_well_known_keys_are_not_used_elsewhere(proofs: Proofs, elsewhere: Anvil, tmp_path: Path) -> None:
    with pytest.raises(InsecureSetup, match="anvil_account = 0"):
        proofs.run(deploy(configure(proofs, elsewhere, tmp_path), lambda line: None))
    assert elsewhere.rpc("eth_blockNumber") == "0x0", "nothing was sent"


def test_a_node_can_not_pass_for_a_local_chain_by_its_name(proofs: Proofs, elsewhere: Anvil) -> None:
    """It says that it is an Anvil, and is one; the chain's id counts as well."""

    async def asked() -> tuple[str, bool]:
        async with Rpc(elsewhere.rpc_url) as rpc:
            return await rpc.client_version(), await rpc.is_local()

    version, local = proofs.run(asked())
    assert version.startswith("anvil") and not local


def test_an_audit_elsewhere_reports_a_local_srs(
    proofs: Proofs, elsewhere: Anvil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deployed all the same, by a deployer whose copy of this package lets it through."""

    async def yes(self: Rpc) -> bool:
        return True

    with monkeypatch.context() as patched:
        patched.setattr(Rpc, "is_local", yes)
        rig = Rig.build(proofs, elsewhere, tmp_path)
    folder = audit_folder(tmp_path / "artifacts", proofs.artifact())
    report = proofs.run(audit(rig.hub.address, elsewhere.rpc_url, folder))
    rig.close()
    assert not report.ok
    assert [problem for problem in report.problems if "local SRS" in problem] == list(report.problems) != []
    assert (report.verified, report.failed) == (3, 0), "the proofs themselves hold; that says nothing here"
    assert not any("local SRS" in note for note in report.notes)
