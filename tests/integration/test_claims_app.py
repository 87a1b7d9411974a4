"""Tests of the claims app in examples/: from its form to the rate that a contract gives."""

from __future__ import annotations

import ast
from pathlib import Path

import aiohttp

from examples.claims_app.local import opened
from oracle.claims import demo
from tests import circuits


async def test_from_a_form_to_a_rate_on_the_chain() -> None:
    async with opened(circuits.folder()) as app, aiohttp.ClientSession() as browser:
        model = app.page.hasher.registered("credit")

        async def ask(low: float, high: float, **changes: object) -> tuple[int, str]:
            entered = {name: str(value) for name, value in demo.example(model, low, high).items()} | changes
            async with browser.post(app.url, data=entered) as answer:
                return answer.status, await answer.text()

        async with browser.get(app.url) as answer:
            form = await answer.text()
        assert all(f"name={each.name}" in form for each in model.spec.features)
        # The second band, and none. What a contract does not hear of leaves nothing on the chain.
        status, text = await ask(0.55, 0.7)
        assert status == 200 and "Your rate: 6.00 %" in text and "The chain saw 0x" in text
        block = app.chain.rpc("eth_blockNumber")
        status, text = await ask(0.1, 0.4)
        assert status == 200 and "No rate" in text
        for wrong, says in (
            ({"age_in_years": "old"}, "could not convert"),
            ({"age_in_years": "3"}, "outside the trained range"),
            ({"credit_history": "<b>"}, "credit_history is none of"),
            ({"wealth": "1"}, "have unknown wealth"),
        ):
            status, text = await ask(0.8, 0.95, **wrong)
            assert status == 400 and says in text and "<b>" not in text, text
        assert app.chain.rpc("eth_blockNumber") == block


def test_it_has_fifty_lines(project_root: Path) -> None:
    source = (project_root / "examples/claims_app/app.py").read_text()
    code = source.split('"""', 2)[2]
    assert ast.get_docstring(ast.parse(source))
    assert len([line for line in code.splitlines() if line.strip()]) <= 50
