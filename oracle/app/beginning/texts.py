"""The files that `oracle init` writes, as text."""

from __future__ import annotations

import bisect
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from oracle.app.beginning.members import PlannedNetwork, clock_bound
from oracle.app.beginning.options import MAX_GAP, InitOptions
from oracle.chain.rpc import LOCAL_CHAIN_IDS
from oracle.core.encoding import decimal_from_answer

# What trains is slow to import, and a folder without a history trains nothing.
if TYPE_CHECKING:
    from oracle.app.beginning.histories import LearntHistory

REPLAYED_HEARTBEAT = 10
"""Seconds that a heartbeat takes where a recording is replayed."""

_LOCAL_KEYS = """[keys]
# Anvil's well-known accounts, which are refused on any chain that is not local.
reporter = { anvil_account = 1 }  # signs reports
submitter = { anvil_account = 2 } # pays for transactions
deployer = { anvil_account = 0 }  # owns the hub
"""

_NEW_KEYS = """[keys]
# Made by `oracle init`, encrypted with the password in keystore/password. The last two need some ether.
reporter = { keystore = "keystore/reporter.json", password_file = "keystore/password" }   # signs reports
submitter = { keystore = "keystore/submitter.json", password_file = "keystore/password" } # pays for transactions
deployer = { keystore = "keystore/admin.json", password_file = "keystore/password" }      # owns the hub
"""

EXAMPLE_HEARTBEAT = 3_600

_SPREAD = "max_spread = 3_000 # so far, in thousandths of sigma, may two members of a round be apart\n"

_EXAMPLE_FEED = """
[[feeds]]
name = "eth-usd"
description = "ETH / USD"
kind = "relative"
decimals = 8
sigma = 6_000         # one standard deviation of a move over one heartbeat, in ppm
heartbeat = 3_600     # seconds within which a report is due
deviation_ppm = 5_000 # a move of 0.5 % is reported at once
max_age = 300
confirm_delay = 1_800
max_repeats = 6       # a market never stands still for so long: a source that repeats itself more often is stuck
poll_interval = 15
min_sources = 2
max_source_spread_ppm = 10_000

[[feeds.sources]]
type = "http"
name = "coinbase"
url = "https://api.exchange.coinbase.com/products/ETH-USD/ticker"
path = "$.price"
allow_string = true

[[feeds.sources]]
type = "http"
name = "kraken"
url = "https://api.kraken.com/0/public/Ticker?pair=ETHUSD"
path = "$.result.XETHZUSD.c[0]"
allow_string = true

[[feeds.sources]]
type = "http"
name = "bitstamp"
url = "https://www.bitstamp.net/api/v2/ticker/ethusd/"
path = "$.last"
allow_string = true
"""


@dataclass(frozen=True)
class LearntTerms:
    """The sigma and the heartbeat of a feed, as training has found them."""

    sigma: int
    heartbeat: int


def training(options: InitOptions, found: Sequence[LearntHistory]) -> str:
    """Return the training file."""
    several = len(found) > 1
    tables = []
    for each in found:
        keys: dict[str, Any] = {"name": each.name} if several else {}
        keys |= each.table
        if options.kind != "relative":
            keys["kind"] = options.kind
        if options.decimals != 8:
            keys["decimals"] = options.decimals
        if options.max_gap != MAX_GAP:
            keys["max_gap"] = options.max_gap
        if each.peers:
            keys["peers"] = list(each.peers)
        lines = "".join(f"{key} = {_value(value)}\n" for key, value in keys.items())
        tables.append(f"{'[[data]]' if several else '[data]'}\n{lines}")
    return "\n".join(
        (
            "# Written by `oracle init`. `oracle detector train train.toml --out models` trains the model again, with\n"
            "# another salt; docs/detectors.md explains every key.\n",
            *tables,
            f'[detector]\ntype = "peers"\nname = {_value(options.name)}\n'
            "vary = 1 # the salt moves what nearly any value would do for: who trains again gets other limits\n",
            f"[budget]\nfalse_holds_per_10k = {options.false_holds_per_10k}\n",
        )
    )


def configuration(
    options: InitOptions,
    chain_id: int,
    found: Sequence[LearntHistory],
    terms: Mapping[str, LearntTerms],
    model: str | None,
    network: PlannedNetwork | None = None,
) -> str:
    """Return the configuration.

    Args:
        options: The options.
        chain_id: The chain's id.
        found: The series that the feeds come from; none: an example feed is written.
        terms: What training has found, by series.
        model: The model's file; None: the packaged one.
        network: The network, as the member whose file it is sees it; None: there is one operator.
    """
    local = chain_id in LOCAL_CHAIN_IDS
    named = (
        "# The packaged model, which everybody has: it is public, and so are its scores. Once there is a history,\n"
        "# `oracle init OTHER-FOLDER --journal journal.sqlite --feed eth-usd` trains one of your own.\n"
        if model is None
        else f"model = {_value(model)} # your own: private, so that proofs publish verdicts only\n"
    )
    string = (
        'srs = "insecure-local" # for a local chain only'
        if local
        else '# srs = "public-ceremony" is the default: run `oracle srs fetch`'
    )
    delay = "change_delay = 0 # seconds; on a live chain, leave it at two days" if local else "# change_delay = 172_800"
    head = f"""# Written by `oracle init`. config.example.toml explains every key; `oracle config check` finds mistakes.
# Relative paths are relative to this file's folder. ${{NAME}} in a URL is an environment variable.

[chain]
rpc_url = {_value(options.rpc_url)}{" # `oracle chain up` in another terminal" if local else ""}
chain_id = {chain_id}
deployment = "deployment.json" # {_deployment(network)}
{"" if local else "confirmations = 3" + chr(10)}
{_keys(options, network, local=local)}
[prover]
{named}{string}
artifacts = {_artifacts(network)}

[journal]
path = "journal.sqlite"

[deploy]
{delay}

[web]
listen = {_value("127.0.0.1:9464" if network is None else network.own.web)} # /readyz, /metrics
"""
    if network is not None:
        head += _network(network, min(_heartbeats(terms, local=local), default=EXAMPLE_HEARTBEAT))
    spread = "" if network is None else _SPREAD
    if not found:
        return head + _EXAMPLE_FEED.replace("max_repeats", f"{spread}max_repeats", 1)
    titles = {each.name: each.title for each in found}
    return head + "".join(_feed(options, each, terms[each.name], titles, spread, local=local) for each in found)


def has_new_keys(options: InitOptions, *, local: bool) -> bool:
    """Return True if one operator gets keys of their own."""
    return (options.keys or ("anvil" if local else "new")) == "new"


def _deployment(network: PlannedNetwork | None) -> str:
    if network is None:
        return "written by `oracle deploy`"
    first = network.members[0]
    if network.own is first:
        return "written by `oracle deploy`; give the other members a copy"
    return f"a copy of the one that {first.name} has written with `oracle deploy`"


def _artifacts(network: PlannedNetwork | None) -> str:
    if network is None or network.own is network.members[0]:
        folder = "artifacts" if network is None or not network.is_on_one_machine else "../artifacts"
        return f'"{folder}" # circuits and keys, which `oracle deploy` builds'
    if network.is_on_one_machine:
        return f'"../artifacts" # circuits and keys, which `oracle deploy` of {network.members[0].name} builds'
    return f'"artifacts" # a copy of those of {network.members[0].name}, with the circuits and keys'


def _keys(options: InitOptions, network: PlannedNetwork | None, *, local: bool) -> str:
    if network is None:
        return _NEW_KEYS if has_new_keys(options, local=local) else _LOCAL_KEYS
    lines = ["[keys]"]
    if network.own.reporter:
        lines.append("# Put the key there that you have made with `oracle key create`, and its password.")
    lines.append(_key("reporter", "signs reports"))
    if local:
        account = network.members.index(network.own) + 1
        lines.append(
            f"submitter = {{ anvil_account = {account} }} # pays for transactions: an account that everybody has"
        )
    else:
        lines.append(_key("submitter", "pays for transactions: send it some ether"))
    if network.own is network.members[0]:
        if local:
            lines.append("deployer = { anvil_account = 0 }  # owns the hub")
        else:
            lines.append(_key("admin", "owns the hub: send it some ether", "deployer"))
    return "\n".join((*lines, ""))


def _key(file: str, what: str, name: str = "") -> str:
    place = f'{{ keystore = "keystore/{file}.json", password_file = "keystore/password" }}'
    return f"{name or file} = {place} # {what}"


def _network(network: PlannedNetwork, heartbeat: int) -> str:
    """Return the committee and the network.

    Args:
        heartbeat: The shortest heartbeat of a feed, in seconds.
    """
    turn_s = network.turn_s or min(60, heartbeat)
    others = "".join(
        f"""
[[network.members]]
name = {_value(each.name)}
reporter = {_value(network.reporters[each.name])}
url = {_value(each.url)}
"""
        for each in network.members
    )
    return f"""
[[committees]]
name = "default" # its reporters are the members
quorum = {network.quorum} # so many members have to have an answer

[network]
listen = {_value(network.own.listen)} # where the other members ask this one
roles = ["reporter", "transmitter"] # "reporter" alone needs no prover, no model and no ether: then it takes no turns
# These three are equal in the files of all members, and so are the members with reporter, transmits, since and until.
turn_s = {turn_s} # in its turn a member collects, proves and sends; a feed gets at most one report in a turn
clock_bound_s = {clock_bound(turn_s):g} # the clocks of two members differ by less: run NTP
faulty = {network.faulty} # so many members may be silent or lie
{others}"""


def _heartbeats(terms: Mapping[str, LearntTerms], *, local: bool) -> list[int]:
    return [_heartbeat(each, local=local)[0] for each in terms.values()]


def _heartbeat(terms: LearntTerms, *, local: bool) -> tuple[int, int]:
    """Return a feed's heartbeat, and how many times as fast as the history it is."""
    speed = max(1, terms.heartbeat // REPLAYED_HEARTBEAT)
    return (max(1, terms.heartbeat // speed), speed) if local else (terms.heartbeat, 1)


def local_chain(options: InitOptions, chain_id: int) -> str:
    """Return the description of the local chain, which `oracle chain up` reads."""
    return f"""# Written by `oracle init`: the chain that `oracle chain up` starts. Its accounts are known to everybody.
port = {urlsplit(options.rpc_url).port or 8545}
chain_id = {chain_id}
state_file = "chain.json" # written when it stops, and loaded when it starts again
{"" if (accounts := _accounts(options)) <= 10 else f"accounts = {accounts}" + chr(10)}"""


def _accounts(options: InitOptions) -> int:
    """Return how many accounts of the local chain are used."""
    return 3 if options.network is None else 1 + options.network.count


def _feed(
    options: InitOptions,
    of: LearntHistory,
    terms: LearntTerms,
    titles: Mapping[str, str],
    spread: str,
    *,
    local: bool,
) -> str:
    unit = "in ppm" if options.kind == "relative" else "in answer units"
    deviation = "deviation_ppm" if options.kind == "relative" else "deviation"
    from oracle.detectors.training.repeats import usual_repeats  # slow to import: see above

    repeats = usual_repeats(of.reports.times, of.reports.answers)
    told = "repetitions that the history calls usual: a source that repeats itself more often is stuck"
    stuck = f"max_repeats = {repeats} # {told}\n"
    heartbeat, speed = _heartbeat(terms, local=local)
    times = "now" if options.network is None else "clock"
    peers = (
        f"peers = {_value([titles[name] for name in of.peers])} # signed with it, and seen by the model\n"
        if of.peers
        else ""
    )
    lines = f"""
[[feeds]]
name = {_value(of.name)}
description = {_value(of.title)}
kind = {_value(options.kind)}
decimals = {options.decimals}
sigma = {terms.sigma} # one standard deviation of a move over one heartbeat, {unit}, as the model knows it
"""
    if not local:
        return f"""{lines}heartbeat = {heartbeat} # seconds within which a report is due, as in the history
{deviation} = {2 * terms.sigma} # a move of two sigmas is reported at once
{spread}{stuck}{peers}min_sources = 1 # put your sources here, two at least: config.example.toml shows each kind

[[feeds.sources]]
type = "http"
url = {_value(f"https://prices.example/{of.name}")}
path = "$.price"
"""
    return f"""{lines}heartbeat = {heartbeat} # seconds within which a report is due; in the history, {terms.heartbeat}
{deviation} = {2 * terms.sigma} # a move of two sigmas is reported at once
max_age = {6 * heartbeat}
max_skew = {3 * heartbeat}
confirm_delay = {3 * heartbeat}
{spread}{stuck}{peers}poll_interval = {max(1, heartbeat // 5)}
min_sources = 1

# The end of the history, which the model was not fitted to, {speed} times as fast. Live sources: config.example.toml
[[feeds.sources]]
type = "replay"
file = {_value(f"replay/{of.name}.csv")}
speed = {speed}
timestamps = "{times}"
"""


def replays(found: Sequence[LearntHistory], share: float) -> dict[str, str]:
    """Return the recordings that are replayed, by name: the ends of the histories, from one time on.

    Args:
        found: The series.
        share: The share of each series that is not replayed.
    """
    start = max(each.reports.times[int(len(each.reports) * share)] for each in found)
    common = set.intersection(*(set(each.reports.times) for each in found))
    # So that all begin with the same time, where there is one.
    start = min((time for time in common if time >= start), default=start)
    written = {}
    for each in found:
        reports = each.reports
        at = min(bisect.bisect_left(reports.times, start), len(reports) - 1)
        rows = (
            f"{time},{decimal_from_answer(answer, reports.decimals):f}"
            for time, answer in zip(reports.times[at:], reports.answers[at:], strict=True)
        )
        written[each.name] = "\n".join(["time,value", *rows, ""])
    return written


def _value(value: Any) -> str:
    """Return a text, a number or a list as TOML writes it."""
    return json.dumps(value, ensure_ascii=False)
