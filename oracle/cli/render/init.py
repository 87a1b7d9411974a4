"""The output of `oracle init`."""

from __future__ import annotations

from dataclasses import asdict

from rich.table import Table

from oracle.app.beginning import Begun
from oracle.cli.render.json_output import print_json
from oracle.cli.render.tables import new_console, new_table

SHOWN = ("1", "2", "3", "5", "10")
"""Sizes of spikes that are shown: per cent, or sigmas."""


def print_begun(found: Begun, *, as_json: bool) -> None:
    """Print the files, how good the model is, what a stranger can know of it, and what comes next."""
    if as_json:
        print_json(asdict(found))
        return
    console = new_console()

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    for path in found.written:
        say(f"wrote {path}")
    for path in found.kept:
        say(f"kept {path}, as it is what would be written")
    say("")
    name = "the packaged one" if found.model is None else str(found.model)
    say(f"model: {name}, {found.privacy}")
    for member in found.members:
        key = "" if member.key_is_made else ", a key that its operator has"
        say(f"member {member.name}: {member.url}, reporter {member.reporter}{key}")
    if not found.is_local and any(each.key_is_made for each in found.members):
        say("warning: whoever has this folder has the keys that were made here, and can sign for their members.")
        say("  In earnest, each operator makes its own with `oracle key create`, and you give its address: --reporter")
    for name, address in found.keys.items():
        say(f"key {name}: {address}")
    for series, peers in found.peers.items():
        beside = f"beside {', '.join(peers)}" if peers else "by itself"
        say(f"{series} is judged {beside}")
    if found.quality:
        console.print(_table(found))
        say("Held: of the last fifth of each series, which the model was not fitted to; all of it counts as false.")
        say("Spikes: the share that is seen, and below it what a cap on a move's size sees with as many objections.")
    for warning in found.warnings:
        say(f"warning: {warning}")
    say("")
    say("What a stranger can know of the model:")
    for line in found.stranger:
        say(f"  {line}")
    say("")
    say("Next:")
    for line in _next(found):
        say(f"  {line}")


def _table(found: Begun) -> Table:
    sizes = [size for size in found.quality[0].recall if size.split()[0] in SHOWN]
    unit = sizes[0].split()[1]
    table = new_table("series", "reports", "held of 10,000", f"spikes of, {unit}", *(size.split()[0] for size in sizes))
    for each in found.quality:
        low, high = each.interval_per_10k
        held = f"{each.holds_per_10k:g} ({low:.3g} to {high:.3g})"
        seen = [each.recall[size] for size in sizes]
        table.add_row(each.name, f"{each.reports:,}", held, "model", *(f"{model:.0%}" for model, _ in seen))
        table.add_row("", "", "", "cap", *(f"{cap:.0%}" for _, cap in seen))
    return table


def _next(found: Begun) -> list[str]:
    if found.members:
        return _next_of_network(found)
    steps = _first_steps(found)
    paying = [address for name, address in found.keys.items() if name != "reporter"]
    if found.is_local:
        funded = "".join(f" --fund keystore/{name}.json" for name in found.keys if name != "reporter")
        steps.append(f"oracle chain up{funded}     # in another terminal")
    else:
        steps.append("put your sources into oracle.toml")
        steps.append(f"send {' and '.join(paying)} some ether")
        steps.append("oracle srs fetch")
    return [*steps, "oracle doctor", "oracle deploy", "oracle run"]


def _first_steps(found: Begun) -> list[str]:
    install = ["oracle toolchain install     # " + ", ".join(found.missing)] if found.missing else []
    return [*install, f"cd {found.folder}"]


def _next_of_network(found: Begun) -> list[str]:
    first, *others = (each.name for each in found.members)
    steps = _first_steps(found)
    if found.is_local:
        steps.append("oracle chain up     # in another terminal")
    else:
        steps.append("put each member's sources into its oracle.toml, and send its submitter some ether")
        steps.append(f"put the keys in place that members have already; {first}'s admin needs ether, too")
        steps.append("oracle srs fetch")
    steps.append(f"oracle deploy --config {first}/oracle.toml")
    copied = [f"{first}/deployment.json"]
    if not all(each.shares_machine for each in found.members):
        copied.append(f"{first}/artifacts")
    copy = "cp" if len(copied) == 1 else "cp -r"
    steps += [f"{copy} {' '.join(copied)} {each}/" for each in others]
    if len(copied) > 1:
        steps.append("bring each member its folder, and keep none of its keys")
    steps.append(
        f"oracle run --config {first}/oracle.toml     # and those of the others, each in a terminal of its own"
    )
    steps.append(f"oracle doctor --config {first}/oracle.toml")
    return steps
