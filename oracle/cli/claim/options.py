"""Options that the commands on claims share, and the objects that are made of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from oracle.cli.options import FILE, FOLDER
from oracle.core.errors import DataError

# Commands import what they need when they run, so that `oracle --help` answers at once.
if TYPE_CHECKING:
    from oracle.claims import Constraint, Constraints, Earlier, ZkmlClient
    from oracle.claims.models import ModelSpec

model_option = click.option(
    "--model", default="credit", show_default=True, metavar="NAME|FILE", help="A packaged model, or its JSON file."
)
folder_option = click.option(
    "--folder",
    type=FOLDER,
    default=Path("build/claims"),
    show_default=True,
    help="Folder for circuits and keys.",
)
rpc_option = click.option("--rpc", "rpc_url", required=True, help="RPC endpoint of the chain.")
registry_option = click.option("--registry", required=True, help="Address of the ClaimRegistry.")
at_least_option = click.option("--at-least", type=float, help="Lower bound of the output.")
at_most_option = click.option("--at-most", type=float, help="Upper bound of the output.")
class_option = click.option(
    "--class",
    "classes",
    multiple=True,
    metavar="CLASS",
    help="Name of the class that the model chooses; may be repeated: one of them.",
)


output_option = click.option(
    "--output", metavar="NAME", help="Output that the bounds are of, if the model has several; the others stay private."
)
change_option = click.option(
    "--change",
    type=(float, float),
    metavar="LO HI",
    help="Bounds of the output's change since --earlier: -5 5 is no more than 5, up or down.",
)
terms_option = click.option(
    "--terms",
    "terms_file",
    type=FILE,
    help='JSON of constraints of several outputs: {"outputs": {"a": {"at_least": 1}, "b": {"change": [-5, 5]}}}.',
)
earlier_option = click.option(
    "--earlier",
    "earlier_file",
    type=FILE,
    metavar="INPUTS",
    help="Data with the salt that an earlier claim of the same subject rests on, as an issuer wrote them.",
)


def client(folder: Path, srs: str) -> ZkmlClient:
    """Return a client that keys its circuits with this reference string.

    Args:
        folder: The folder for circuits and keys.
        srs: "insecure-local", or "public-ceremony", which `oracle srs fetch` gets.
    """
    from oracle.app.srs import srs_cache
    from oracle.claims import ZkmlClient
    from oracle.proving.srs.files import SrsOrigin

    if srs == SrsOrigin.INSECURE_LOCAL:
        return ZkmlClient(folder)
    return ZkmlClient(folder, srs=srs_cache(folder).source(SrsOrigin(srs)))


def spec_of(model: str, *, weights: bool = True) -> ModelSpec:
    """Return a packaged model by its name, or the one in a file."""
    from oracle.claims.models import PACKAGED, ModelSpec

    return ModelSpec.packaged(model) if model in PACKAGED else ModelSpec.load(Path(model), weights=weights)


def constraint_of(
    spec: ModelSpec, at_least: float | None, at_most: float | None, classes: tuple[str, ...]
) -> Constraint:
    """Return what `--at-least`, `--at-most` and `--class` say of a model's only output.

    Raises:
        DataError: They don't fit the model, or each other.
    """
    return cast("Constraint", constraints_of_options(spec, at_least, at_most, classes, None, None, None))


def constraints_of_options(
    spec: ModelSpec,
    at_least: float | None,
    at_most: float | None,
    classes: tuple[str, ...],
    output: str | None,
    change: tuple[float, float] | None,
    terms_file: Path | None,
) -> Constraints:
    """Return what the options say of a model's outputs.

    Raises:
        DataError: They don't fit the model, or each other.
    """
    from oracle.claims.constraints import constraints_of

    document = constraints_document_of(at_least, at_most, classes, output, change, terms_file)
    unknown = [each for each in classes if each not in spec.classes]
    if unknown:
        raise DataError(
            f"{spec.name} has no class {unknown[0]!r}, only {', '.join(spec.classes)}"
            if spec.classes
            else f"{spec.name} has no classes: state --at-least, --at-most, or both"
        )
    return constraints_of(document, spec.classes)


def constraints_document_of(
    at_least: float | None,
    at_most: float | None,
    classes: tuple[str, ...],
    output: str | None,
    change: tuple[float, float] | None,
    terms_file: Path | None,
) -> Any:
    """Return the constraints of the options as JSON, with classes and outputs as they are named.

    Raises:
        DataError: They don't fit each other, or there are none.
    """
    from oracle.claims import files

    stated: dict[str, Any] = {"at_least": at_least, "at_most": at_most, "classes": list(classes) or None}
    stated |= {"change": None if change is None else list(change)}
    found = {name: value for name, value in stated.items() if value is not None}
    if terms_file is not None:
        if found or output is not None:
            raise DataError("--terms has all constraints: it goes with no other option of them")
        return files.load(terms_file, "JSON object of constraints", lambda loaded: loaded)
    if classes and (at_least is not None or at_most is not None):
        raise DataError("--class goes with no bound")
    if not found:
        raise DataError("state --at-least, --at-most, or both; of a model with classes, --class")
    return found if output is None else {"outputs": {output: found}}


def earlier_of(earlier_file: Path | None) -> Earlier | None:
    """Return the data that changes are measured from.

    Raises:
        DataError: The file can't be read, or has no salt.
    """
    from oracle.claims import Earlier
    from oracle.claims.issuing import read_inputs

    if earlier_file is None:
        return None
    inputs, salt = read_inputs(earlier_file)
    if salt is None:
        raise DataError(f"{earlier_file} has no salt: take the file that an issuer wrote for the earlier claim")
    return Earlier(inputs, salt)


def word_of(text: str, what: str) -> int:
    """Return a 256-bit number that is written as 0x and 64 hexadecimal digits.

    Args:
        text: What was given.
        what: The option or argument, for the message.

    Raises:
        DataError: It is not such a number.
    """
    try:
        if not text.startswith("0x") or len(text) != 66:
            raise ValueError
        return int(text, 16)
    except ValueError:
        raise DataError(f"{what}: {text[:80]!r} is not a 256-bit number: write 0x and 64 hexadecimal digits") from None
