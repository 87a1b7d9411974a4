"""What `oracle status` and `oracle doctor` look at."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oracle.app.assembly import address_of
from oracle.app.srs import srs_status
from oracle.core import encoding

if TYPE_CHECKING:
    from oracle.app.doctor import Check
    from oracle.chain.hub import ShadowTally
    from oracle.chain.transport.rpc import EndpointState
    from oracle.config import Config, KeyConfig


@dataclass(frozen=True)
class FeedStatus:
    """A feed for people: answers and times in words.

    Attributes:
        age_s: Seconds since the latest round was observed, by the chain's clock; None if there is none.
        open: Observations that have not ended.
        sources: What each source said at the latest look, as the daemon has it; empty if it does not answer.
        shadow: How far the comparison of a proposed model has come; empty: no proposal demands one.
    """

    name: str
    status: str
    round_id: int
    answer: str
    observed_at: str
    age_s: int | None
    held: str
    open: int
    sources: Sequence[Mapping[str, Any]] = ()
    shadow: str = ""


@dataclass(frozen=True)
class OracleStatus:
    """An oracle for people.

    Attributes:
        head: Number of the chain's latest block.
        head_at: Its time.
        payer: The account that pays.
        balance: What it has, in ether.
        reports_left: Submissions that this pays for at the present price; None if the journal has none to tell what one
            costs.
        journal: Observations by how they ended; those that have not as `open`.
        daemon: Whether the daemon answers at the address of [web]; None: there is none to ask.
        is_dry: Whether `reports_left` is below `[web] min_reports`.
        endpoints: The RPC endpoints, in order of preference.
        leader: Machine and process of the daemon that writes to the journal; empty if none does.
    """

    chain_id: int
    hub: str
    head: int
    head_at: str
    payer: str
    balance: str
    reports_left: int | None
    journal: Mapping[str, int]
    feeds: Sequence[FeedStatus]
    is_dry: bool
    endpoints: Sequence[EndpointState]
    leader: str
    daemon: bool | None = None


async def status(config: Config, env: Mapping[str, str] | None = None) -> OracleStatus:
    """Each feed as the chain has it, the payer's balance, and what the journal has."""
    import os
    from decimal import Decimal

    from oracle.chain.deploy import load_deployment
    from oracle.chain.hub import Hub
    from oracle.chain.transport.endpoints import connect
    from oracle.feeds.journal import open_journal

    environment = os.environ if env is None else env
    deployment = load_deployment(config.chain.deployment)
    begun = config.journal.path is None or config.journal.path.exists()
    journal = open_journal(config.journal, environment, read_only=True) if begun else None
    with contextlib.ExitStack() as stack:
        if journal is not None:
            stack.enter_context(journal)
        async with connect(config.chain) as rpc:
            hub = Hub(rpc, deployment.hub)
            head = await rpc.block()
            payer = await address_of(config.keys.submitter, rpc, environment)
            balance = await rpc.balance(payer)
            gas = [entry.gas_used for entry in journal.rows(limit=20) if entry.gas_used] if journal is not None else []
            price = max(1, (await rpc.fees()).max_fee)
            looks = await _looks(config)
            found = []
            for name, feed in deployment.feeds.items():
                state = await hub.feed_state(feed.feed_id)
                paused = " (paused)" if state.paused else ""
                answer = encoding.decimal_from_answer(state.answer, feed.decimals)
                held = f"{encoding.decimal_from_answer(state.held.answer, feed.decimals):f}" if state.held else ""
                found.append(
                    FeedStatus(
                        name=name,
                        status=state.status.name + paused,
                        round_id=state.round_id,
                        answer=f"{answer:f}" if state.round_id else "",
                        observed_at=_moment(state.observed_at),
                        age_s=max(0, head.timestamp - state.observed_at) if state.round_id else None,
                        held=held,
                        open=journal.counts(name)["open"] if journal is not None else 0,
                        sources=(looks or {}).get(name, {}).get("sources", ()),
                        shadow=_shadow(await hub.shadow(feed.feed_id), config),
                    )
                )
            left = balance // (price * max(gas)) if gas else None
            return OracleStatus(
                chain_id=deployment.chain_id,
                hub=deployment.hub,
                head=head.number,
                head_at=_moment(head.timestamp),
                payer=payer,
                balance=f"{Decimal(balance).scaleb(-18).normalize():f}",
                reports_left=left,
                journal=journal.counts() if journal is not None else {},
                feeds=found,
                daemon=None if config.web.address is None else looks is not None,
                is_dry=left is not None and left < config.web.min_reports,
                endpoints=await rpc.endpoints(),
                leader=journal.leader().holder if journal is not None else "",
            )


def _shadow(tally: ShadowTally | None, config: Config) -> str:
    if tally is None or not tally.min_compared:
        return ""
    nobody = "" if config.keys.shadow is not None else "; without [keys] shadow, the daemon makes no shadow reports"
    return (
        f"model {tally.model_number}: {tally.compared} of {tally.min_compared} reports compared, "
        f"{tally.disagreements} verdicts differ{nobody}"
    )


async def _looks(config: Config) -> Mapping[str, Any] | None:
    """What the running daemon says of its sources; None if there is none to ask, or it does not answer."""
    import httpx

    if config.web.address is None:
        return None
    host, port = config.web.address
    host = f"[{host}]" if ":" in host else {"0.0.0.0": "127.0.0.1"}.get(host, host)
    try:
        async with httpx.AsyncClient(timeout=2.0, trust_env=False) as client:
            answer = await client.get(f"http://{host}:{port}/sources")
            found = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return None
    return found if answer.status_code == httpx.codes.OK and isinstance(found, dict) else None


def _moment(seconds: int) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="seconds") if seconds else ""


def diagnose(config: Config | None) -> list[Check]:
    """The doctor's findings for a configuration, or for the machine alone."""
    from oracle.app import doctor

    def in_use() -> list[doctor.SrsInUse]:
        from oracle.proving.srs import SrsOrigin

        return [
            doctor.SrsInUse(each.k, each.path, each.origin is SrsOrigin.PUBLIC_CEREMONY, f"sha256 {each.sha256[:16]}…")
            for each in srs_status(config)
        ]

    found = doctor.diagnose(
        rpc_urls=() if config is None else config.chain.endpoints,
        chain_id=None if config is None else config.chain.chain_id,
        srs_status=in_use,
    )
    return [*found, *([] if config is None else _keys_apart(config))]


def _keys_apart(config: Config) -> list[Check]:
    """Whether who takes the paying key, which is used all the time, could report, too."""
    from oracle.app.doctor import Check
    from oracle.chain.keys import keystore
    from oracle.chain.transport.rpc import LOCAL_CHAIN_IDS
    from oracle.core.errors import KeystoreError

    if config.chain.chain_id in LOCAL_CHAIN_IDS:
        return []

    def who(key: KeyConfig) -> str | None:
        return key.address or (keystore.address_of(key.keystore) if key.keystore is not None else None)

    keys = config.keys
    try:
        same = [
            name
            for name in ("submitter", "deployer")
            if who(keys.reporter) is not None and who(getattr(keys, name)) == who(keys.reporter)
        ]
        problems = [
            problem
            for key in (keys.reporter, keys.submitter)
            if key.keystore is not None and (problem := keystore.open_to_others(key.keystore))
        ]
    except KeystoreError as error:
        return [Check("keys", ok=False, detail=str(error), remedy="see docs/operations.md, Keys")]
    if problems:
        return [Check("keys", ok=False, detail=problems[0], remedy="give each file to the daemon's user alone")]
    if same:
        detail = f"the reporter's key is the {' and the '.join(same)}'s, too: whoever gets it can sign reports"
        remedy = "make another with `oracle key create`, give it some ether, and name it in [keys]"
        return [Check("keys", ok=False, level="warning", detail=detail, remedy=remedy)]
    return [Check("keys", ok=True, detail="reporting and paying are apart")]
