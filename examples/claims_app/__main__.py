"""Run the lender's page, with a chain, a registry, a lender and a claims service of its own, until Ctrl-C."""

import asyncio

from examples.claims_app.local import opened


async def _main() -> None:
    async with opened(port=8000) as page:
        print(f"open {page.url}, and enter what docs/tutorials/make-a-claim.md has, for example")
        await asyncio.Event().wait()


asyncio.run(_main())
