"""A lender's page in fifty lines: from a form to a claim, and to the rate that a contract gives for it.

The lender checks what is entered, and is the issuer. A claims service proves. The contract learns the band that the
credit model's output is in, and nothing else. `python -m examples.claims_app` runs all of it on a chain of its own.
"""

import asyncio
import html
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from oracle import Between, ClaimProof, ClaimsService, ModelSpec, OracleError, ZkmlClient
from oracle.claims import ClaimNotMet
from oracle.claims.issuing import issue
from oracle.claims.onchain import Registry

BANDS = ((0.75, 1.0), (0.5, 0.75))  # of the lender's contract, the best first


@dataclass
class LendersPage:
    service: ClaimsService  # has the model, and proves
    spec: ModelSpec  # the features alone
    hasher: ZkmlClient  # computes commitments
    issuer: Any  # the lender's account
    wallet: Registry  # the registry, with the applicant's account
    rate_of: Callable[[ClaimProof], Awaitable[int]]  # asks the lender's contract

    async def form(self, _: web.Request) -> web.Response:
        fields = "".join(f"<label>{each.name} <input name={each.name}></label><br>" for each in self.spec.features)
        return _page(f"<form method=post>{fields}<button>Ask for a rate</button></form>")

    async def decide(self, request: web.Request) -> web.Response:
        try:
            entered = {name: str(value) for name, value in (await request.post()).items()}
            words = {each.name for each in self.spec.features if each.categories}
            data = {name: value if name in words else float(value) for name, value in entered.items()}
            claim = await asyncio.to_thread(self.claim, data, await self.wallet.rpc.chain_id())
            await self.wallet.submit(claim)
            return _page(f"Your rate: {await self.rate_of(claim) / 10_000:.2f} %. The chain saw {claim.commitment:#x}.")
        except ClaimNotMet:
            return _page("No rate. The chain saw nothing.")
        except (ValueError, OracleError) as error:
            return _page(f"Please check: {html.escape(str(error))}", 400)

    def claim(self, data: dict[str, Any], chain_id: int) -> ClaimProof:
        model_id = next(int(each.model_id, 16) for each in self.service.models() if each.name == self.spec.name)
        end = int(time.time()) + 86_400
        where: dict[str, Any] = {"chain_id": chain_id, "registry": self.wallet.address, "expires_at": end}
        told, private = issue(self.hasher, self.issuer, self.spec, model_id, data, subject=self.wallet.actor, **where)
        for low, high in BANDS:
            try:
                salt = tuple(private["salt"])
                return self.service.claim(self.spec.name, data, Between(low, high), salt=salt, attestation=told)
            except ClaimNotMet:
                continue  # the next band
        raise ClaimNotMet("no band can be proven")


def _page(text: str, status: int = 200) -> web.Response:
    return web.Response(text=f"<!doctype html><title>Lender</title>{text}", content_type="text/html", status=status)
