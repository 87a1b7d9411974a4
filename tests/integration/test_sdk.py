"""Tests of docs/sdk.md as it is written: every name of the SDK, on a real chain with real proofs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import oracle
from oracle.chain.local.anvil import Anvil
from oracle.core.types import Status
from scripts import deploy
from tests import circuits

pytestmark = pytest.mark.slow


def test_the_page_as_written(
    project_root: Path,
    tmp_path: Path,
    anvil: Callable[..., Anvil],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Only the folders of circuits differ: they are the tests' own, and are kept."""
    text = (project_root / "docs" / "sdk.md").read_text()
    blocks = re.findall(r"^```(python|toml)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    shared = {"artifacts": circuits.artifacts(), "claims": circuits.folder()}
    names: dict[str, Any] = {}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RPC_URL", anvil().rpc_url)
    for language, code in blocks:
        for name, folder in shared.items():
            code = code.replace(f'"{name}"', f'"{folder}"')
        if language == "toml":
            (tmp_path / "oracle.toml").write_text(code)
        else:
            exec(compile(code, "docs/sdk.md", "exec"), names)

    # The page's output is what happened.
    latest = names["reader"].latest()
    assert latest.status is Status.OK and latest.round_id == 4 and str(latest.answer) == "1274.54000000"
    assert latest.held is None and not latest.paused
    rounds = names["reader"].rounds()
    assert [float(each.answer) for each in rounds] == names["values"]
    assert {(each.count, each.spread) for each in rounds} == {(1, 0)}
    [committee] = names["found"].committees
    assert (committee.name, committee.epoch, committee.problem) == ("default", 1, "")
    assert names["reader"].rounds(2, 3) == rounds[1:3]
    assert names["report"].ok and names["report"].verified == 4
    assert names["found"].journal["accepted"] == 4 and not names["found"].journal["open"]
    claim, client = names["claim"], names["client"]
    assert isinstance(claim, oracle.ClaimProof) and client.verify_inference_proof(claim, now=claim.expires_at).reason

    # What scikit-learn gives is proven, and a proof of other outputs does not hold.
    risk, inference = names["risk"].artifact, names["inference"]
    expected = names["estimator"].predict(names["rows"][7:8])[0]
    assert inference.outputs[0] / 2 ** risk.manifest.imported["output_scale"] == pytest.approx(expected, abs=0.01)
    proof = names["proof"]
    other = type(proof)(**{**vars_of(proof), "outputs": tuple(value + 1 for value in proof.outputs)})
    assert not oracle.verify(names["built"].artifact.path, other)

    # The script deploys nothing twice, and prints where the feed is.
    capsys.readouterr()
    assert deploy.main(["oracle.toml"]) == 0
    said = capsys.readouterr().out
    assert names["deployment"].hub in said and "feed sp500: 0x" in said and said.endswith("OK\n")


def vars_of(proof: Any) -> dict[str, Any]:
    return {name: getattr(proof, name) for name in type(proof).__dataclass_fields__}


def test_mistakes_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert deploy.main([]) == 2 and "usage:" in capsys.readouterr().err
    assert deploy.main([str(tmp_path / "none.toml")]) == 2 and "none.toml: no such" in capsys.readouterr().err
    with pytest.raises(oracle.OracleError, match="not a folder"):
        oracle.audit_hub("http://127.0.0.1:1", "0x" + "00" * 20, tmp_path / "none")
    with pytest.raises(oracle.OracleError, match="address"):
        oracle.FeedReader("http://127.0.0.1:1", "0x12", "ETH / USD")
