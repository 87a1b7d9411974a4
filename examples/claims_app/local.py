"""The surroundings of the lender's page, on one machine: a chain, a registry, a contract, and a claims service."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from eth_account import Account
from eth_account.signers.local import LocalAccount

from examples.claims_app.app import BANDS, LendersPage
from oracle import Between, ClaimProof, ClaimsService, ModelSpec, ZkmlClient
from oracle.app.claim_service.run import claims_served
from oracle.chain.abi.interface import Interface
from oracle.chain.contract import read
from oracle.chain.deploy.create2 import Creation, create
from oracle.chain.local.anvil import Anvil, load_anvil_config
from oracle.chain.local.solc import compile_standard, standard_input
from oracle.chain.rpc import Rpc
from oracle.chain.tx.sender import Sender
from oracle.claims.client import Registered
from oracle.claims.onchain import Registry, solidity_terms
from oracle.config import ClaimServiceConfig

ROOT = Path(__file__).parents[2]
RATES = (30_000, 60_000)  # millionths a year, of the bands


@dataclass(frozen=True)
class Opened:
    """The page, and what a test looks at."""

    url: str
    page: LendersPage
    lender: str
    chain: Anvil


@contextlib.asynccontextmanager
async def opened(folder: Path = Path("build/claims"), *, port: int = 0) -> AsyncIterator[Opened]:
    """Serve the page while the context is open. The first time, the model's circuit is built, for some seconds."""
    async with contextlib.AsyncExitStack() as stack:
        chain = stack.enter_context(Anvil(load_anvil_config(port=0)))
        rpc = await stack.enter_async_context(Rpc(chain.rpc_url))
        admin, issuer, applicant = (Account.from_key(account.key) for account in chain.accounts[:3])
        client = await stack.enter_async_context(ZkmlClient(folder))
        model = await client.register(ModelSpec.packaged("credit"))
        registry = await Registry.deploy(rpc, admin, 0, poll_s=0.05)
        await registry.propose(model)
        await registry.trust(issuer.address, model)
        interface, lender = await _lender(rpc, admin, registry.address, model)
        place = {"chain_id": chain.chain_id, "address": registry.address, "issuers": (issuer.address,)}
        config = ClaimServiceConfig.model_validate(
            {
                "folder": folder,
                "srs": "insecure-local",
                "server": {"listen": "127.0.0.1:0"},
                "models": ({"packaged": "credit"},),
                "registry": place,
            }
        )
        served = await stack.enter_async_context(claims_served(config))

        async def rate_of(claim: ClaimProof) -> int:
            return int(await read(rpc, interface, lender, "rateOf", claim.subject, solidity_terms(claim)))

        page = LendersPage(
            ClaimsService(f"http://127.0.0.1:{served.port}"),
            model.spec,
            client,
            issuer,
            Registry(rpc, registry.address, applicant, poll_s=0.05),
            rate_of,
        )
        app = web.Application()
        app.add_routes([web.get("/", page.form), web.post("/", page.decide)])
        runner = web.AppRunner(app)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        yield Opened(f"http://127.0.0.1:{runner.addresses[0][1]}", page, lender, chain)


async def _lender(rpc: Rpc, admin: LocalAccount, registry: str, model: Registered) -> tuple[Interface, str]:
    """Deploy the lender's contract with its bands, and return its interface and address."""
    file = "contracts/examples/ClaimConsumers.sol"
    sources = (file, "contracts/src/interfaces/IClaimRegistry.sol")
    request = standard_input({name: (ROOT / name).read_text() for name in sources})
    compiled = await asyncio.to_thread(compile_standard, request, "0.8.30")
    code = compiled["contracts"][file]["BandLender"]
    interface = Interface(code["abi"])
    unit, limit = model.circuit.score_unit, model.circuit.limit
    bounds = [Between(low, high) for low, high in BANDS]
    bands = [(*model.spec.bounds(each, unit, limit), rate) for each, rate in zip(bounds, RATES, strict=True)]
    arguments = interface.encode_constructor(registry, model.model_id.to_bytes(32, "big"), 0, bands)
    wanted = Creation("lender", bytes.fromhex(code["evm"]["bytecode"]["object"]), arguments)
    return interface, (await create(rpc, Sender(rpc, admin, poll_s=0.05), wanted)).address
