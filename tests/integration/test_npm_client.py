"""Tests of the packed npm client, as its users have it: installed beside its declared dependencies, typed, and run by
Node.js against a real claims service and a real server of updates."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from oracle.chain.hub.submissions import Submission, SubmitCall, encode_submission
from oracle.claims import ClaimProof
from oracle.core.report import Report, ReporterSignature, SignedReport
from oracle.core.stages import KeptReport
from oracle.web.updates import ServedUpdate, serve_updates
from scripts import npm_pack
from scripts.bootstrap import Bootstrap
from tests.integration.test_claim_service import SUBJECT, attested, client, inputs, serving

__all__ = ["client", "inputs", "serving"]

PROGRAM = """
import {
  callWithUpdate, ClaimNotMet, connectHub, fetchUpdate, generateInferenceProof, httpEndpoint, readDeployments, readFeed,
  readServedModels, UpdateError, verifyInferenceProof, verifyRound, watchFeed, zkOracleAbi, type Update,
} from "@verifiable-oracle/client";
import { claimRegistryAbi } from "@verifiable-oracle/contracts/abi";

const told: Record<string, string> = JSON.parse(process.env["TOLD"] ?? "{}");
const text = (name: string): string => told[name] ?? "";

async function updates(): Promise<unknown> {
  const update: Update | null = await fetchUpdate(text("url"), "eth");
  const lie = await fetchUpdate(text("url"), "lie").catch((error: unknown) => error);
  const none = await fetchUpdate(text("url"), "none").catch((error: unknown) => error);
  return {
    answer: update?.answer.toString(),
    observedAt: update?.observedAt,
    lie: lie instanceof UpdateError ? lie.message : "",
    none: none instanceof UpdateError ? none.meaning : "",
  };
}

async function claims(): Promise<unknown> {
  const states: string[] = [];
  const service = {
    url: text("url"),
    onProgress: (job: { readonly state: string }): void => void states.push(job.state),
    ...("token" in told ? { token: text("token") } : {}),
  };
  const [model] = await readServedModels(service);
  const request = {
    modelIdentifier: model?.name ?? "",
    inputs: JSON.parse(text("inputs")),
    outputConstraint: { atLeast: Number(text("atLeast")) },
    subject: "0xABabababAbABAbabAbabaBABABABAbabABabaBaB" as const,
    ...("salt" in told ? { salt: JSON.parse(text("salt")), attestation: text("attestation") } : {}),
  };
  try {
    const proof = await generateInferenceProof(request, service);
    return { claim: proof.text, states };
  } catch (error) {
    return { error: error instanceof ClaimNotMet ? "not met" : String(error), states };
  }
}

const parts = [
  callWithUpdate, connectHub, httpEndpoint, readDeployments, readFeed, verifyInferenceProof, verifyRound, watchFeed,
];
const events = zkOracleAbi.filter((each) => each.type === "event").length + claimRegistryAbi.length;
const found = parts.every((each) => typeof each === "function") && events > 0;
console.log(JSON.stringify({ found, ...((await (text("part") === "claims" ? claims() : updates())) as object) }));
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory, project_root: Path) -> list[str]:
    """Return the command that runs the program, compiled against the installed packages."""
    folder = tmp_path_factory.mktemp("npm-client")
    modules = folder / "node_modules"
    needs: dict[str, str] = {}
    for package, tarball in zip(npm_pack.PACKAGES, npm_pack.pack(folder), strict=True):
        target = modules / "@verifiable-oracle" / package
        with tarfile.open(tarball) as archive:
            archive.extractall(folder / package, filter="data")
        target.parent.mkdir(parents=True, exist_ok=True)
        (folder / package / "package").rename(target)
        needs |= json.loads((target / "package.json").read_text()).get("dependencies", {})
    # What a package imports and does not declare is missing here.
    for name in [*needs, "@types/node"]:
        if not (modules / name).exists():
            (modules / name).parent.mkdir(parents=True, exist_ok=True)
            (modules / name).symlink_to(project_root / "npm/node_modules" / name, target_is_directory=True)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "program.ts").write_text(PROGRAM)
    npm = Bootstrap(project_root).npm()
    node = npm[0] if len(npm) > 1 else shutil.which("node") or "node"
    compiler = project_root / "npm/node_modules/typescript/bin/tsc"
    options = ["--strict", "--exactOptionalPropertyTypes", "--module", "nodenext", "--target", "es2022"]
    options += ["--types", "node", "--skipLibCheck", "program.ts"]
    done = subprocess.run([node, compiler, *options], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return [node, str(folder / "program.js")]


async def run(program: list[str], **told: str) -> dict[str, Any]:
    """Run the program, and return what it prints."""
    process = await asyncio.create_subprocess_exec(
        *program,
        env=os.environ | {"TOLD": json.dumps(told)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await process.communicate()
    assert process.returncode == 0, error.decode()
    found: dict[str, Any] = json.loads(out)
    assert found.pop("found")
    return found


async def test_a_claim_of_a_real_service(program: list[str], serving: Any) -> None:
    async with serving() as served:
        served.prover.gate.set()
        told = {"part": "claims", "url": f"http://127.0.0.1:{served.port}", "inputs": json.dumps(served.inputs)}
        found = await run(program, **told, token="d" * 32, atLeast="0.6")
        claim = ClaimProof.from_document(json.loads(found["claim"]))
        assert (claim.model, claim.subject.lower()) == ("credit", SUBJECT.lower())
        assert found["states"][-1] == "proven"
        # Nothing of it stays at the service.
        assert served.book.counts() == (0, 0, 0)
        found = await run(program, **told, token="d" * 32, atLeast="0.99")
        assert found["error"] == "not met"
        found = await run(program, **told, token="e" * 32, atLeast="0.6")
        assert "HTTP 401" in found["error"]


async def test_a_claim_by_an_attestation(program: list[str], serving: Any, client: Any) -> None:
    async with serving() as served:
        served.prover.gate.set()
        signed, salt = attested(client, served.inputs)
        found = await run(
            program,
            part="claims",
            url=f"http://127.0.0.1:{served.port}",
            inputs=json.dumps(served.inputs),
            atLeast="0.6",
            salt=json.dumps(salt),
            attestation=json.dumps(signed.document()),
        )
        claim = ClaimProof.from_document(json.loads(found["claim"]))
        assert claim.attestation == signed.attestation


async def test_an_update_of_a_real_server(program: list[str]) -> None:
    feed, other = b"\1" * 32, b"\2" * 32
    report = Report(1, 1, 1_000, (feed, other), (7, 0))
    rows = [(-5, 1), (-7, 1), (-9, 1)]
    signed = SignedReport(report, tuple(ReporterSignature(row, b"\3" * 32, b"\4" * 32, b"\4" * 32) for row in rows))
    calldata = encode_submission(Submission.of(1, signed, [(-1,)], b"\5" * 64), SubmitCall.SUBMIT_IF_NEWER)

    async def find(name: str) -> ServedUpdate:
        answer = -8 if name == "lie" else -7
        return ServedUpdate(KeptReport(name, feed, 7, answer, 1_000, calldata), 1_300, "0x" + "12" * 20, 1)

    feeds = {"eth": feed, "lie": other}
    async with serve_updates(("127.0.0.1", 0), feeds, find, callers={}, max_per_minute=100) as port:
        found = await run(program, part="updates", url=f"http://127.0.0.1:{port}")
    assert (found["answer"], found["observedAt"], found["none"]) == ("-7", 1_000, "refused")
    assert "its calldata has -7 of 7 at 1000" in found["lie"]
