"""The check of a deployment, and its manifest: `oracle verify-deployment` and `oracle manifest`."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from oracle.audit.deployment.comparison import Expectation, of_file, of_statement
from oracle.audit.deployment.manifest import SignedManifest, read_manifest, signature_differences
from oracle.audit.deployment.report import DeploymentReport, Difference
from oracle.audit.deployment.verify import DeploymentCheck, Progress, verify_deployment
from oracle.chain import compiled
from oracle.chain.addresses import require_address
from oracle.chain.compiled import Compiled
from oracle.chain.deploy import code_problems, load_deployment
from oracle.chain.hub import Hub
from oracle.chain.local.contracts import compile_contracts
from oracle.chain.rpc import BlockTag, Rpc
from oracle.core.errors import ConfigError, ContractRejected, DeploymentError
from oracle.core.formats import keccak, to_hex

__all__ = ["CheckedDeployment", "check_deployment", "check_manifest"]


@dataclass(frozen=True)
class CheckedDeployment:
    """The deployment to check, and what it is compared with.

    Attributes:
        hub: The hub's address.
        rpc_urls: Endpoints of the chain, one at least; the others have to agree with the first.
        artifacts: Folder with the artifacts of the models; None: their verifiers stay unchecked.
        manifest: The manifest that the admin signed; None: none.
        deployment: The deployment file of the operator; None: none.
        block: The block at which everything is read.
        from_block: A block that is not after the hub's creation; None: it is looked for.
        salt: The salt of the hub's address.
        also: Addresses of further contracts that belong to it.
        from_sources: True compiles the contracts from this checkout's sources, instead of believing the package.
    """

    hub: str
    rpc_urls: tuple[str, ...]
    artifacts: Path | None = None
    manifest: Path | None = None
    deployment: Path | None = None
    block: BlockTag = "latest"
    from_block: int | None = None
    salt: bytes | None = None
    also: tuple[str, ...] = ()
    from_sources: bool = False


async def check_deployment(wanted: CheckedDeployment, progress: Progress = lambda line: None) -> DeploymentReport:
    """Check a deployment against a manifest, a deployment file or the sources alone.

    Raises:
        ConfigError: An address is none, an endpoint is named twice, or both a manifest and a deployment file are named.
        DataError: The manifest can't be read.
        DeploymentError: The deployment file can't be read.
        ChainUnavailable: The first endpoint gives no answer.
    """
    hub = require_address(wanted.hub, "HUB")
    also = tuple(require_address(each, "--also") for each in wanted.also)
    if len(set(wanted.rpc_urls)) < len(wanted.rpc_urls):
        raise ConfigError("--rpc: name no endpoint twice: it can't confirm itself")
    if wanted.manifest is not None and wanted.deployment is not None:
        raise ConfigError("--manifest and --deployment exclude each other: compare with one of them")
    expected, manifest, from_block = Expectation(), None, wanted.from_block
    if wanted.manifest is not None:
        manifest = read_manifest(wanted.manifest)
        expected = of_statement(manifest.statement, f"the manifest {wanted.manifest}")
    elif wanted.deployment is not None:
        deployment = load_deployment(wanted.deployment)
        expected = of_file(deployment, f"the deployment file {wanted.deployment}")
        from_block = deployment.block if from_block is None else from_block
    contracts, differences = await _contracts(wanted.from_sources, progress)
    check = DeploymentCheck(
        expected=expected,
        contracts=contracts,
        artifacts=wanted.artifacts,
        block=wanted.block,
        from_block=from_block,
        salts=() if wanted.salt is None else (wanted.salt,),
        also=also,
    )
    async with AsyncExitStack() as stack:
        rpcs = [await stack.enter_async_context(Rpc(url)) for url in wanted.rpc_urls]
        report = await verify_deployment(rpcs, hub, check, progress)
        if manifest is not None and report.statement is not None:
            differences += await signature_differences(manifest, Hub(rpcs[0], hub), report.block)
    return replace(report, differences=(*differences, *report.differences))


async def check_manifest(manifest: SignedManifest, rpc_url: str, block: BlockTag) -> list[Difference]:
    """Check a manifest's signature against the hub's admin, and the code of each contract that it names.

    Whoever writes a manifest names the hub, too. So it has to be one of this release: another contract may name any
    admin.

    Raises:
        ChainUnavailable: The endpoint gives no answer.
    """
    statement = manifest.statement
    async with Rpc(rpc_url, statement.chain_id) as rpc:
        at = (await rpc.block(block)).number
        try:
            differences = await signature_differences(manifest, Hub(rpc, statement.hub), at)
            no_hub = await code_problems(rpc, statement.hub, block=at)
        except (ContractRejected, DeploymentError) as error:
            differences, no_hub = [], [f"there is no such hub: {error}"]
        differences += [
            Difference(f"hub {statement.hub}", "this release's hub", problem, "its word on its admin is worth nothing")
            for problem in no_hub
        ]
        if statement.contract(statement.hub) is None:
            others = ", ".join(each.contract for each in statement.contracts) or "none"
            meaning = "it does not state the hub's code"
            differences.append(Difference("manifest, contracts", f"the hub {statement.hub}", others, meaning))
        for each in statement.contracts:
            code = await rpc.code(each.address, at)
            if keccak(code) != each.code_hash:
                found = to_hex(keccak(code)) if code else "no code"
                subject, wanted = f"{each.contract} {each.address}", f"code of hash {to_hex(each.code_hash)}"
                differences.append(Difference(subject, wanted, found, "another contract stands there"))
    return differences


async def _contracts(from_sources: bool, progress: Progress) -> tuple[dict[str, Compiled] | None, list[Difference]]:
    """Return the contracts that should be there, and in what the package differs from its sources."""
    if not from_sources:
        return None, []
    progress("compiling the contracts from their sources: a minute")
    made = await asyncio.to_thread(compile_contracts)
    differences = [
        Difference(f"package, {name}", "what its sources compile to", "other bytecode", "the package was altered")
        for name, contract in compiled.packaged().items()
        if name not in made or (contract.bytecode, contract.runtime) != (made[name].bytecode, made[name].runtime)
    ]
    return made, differences
