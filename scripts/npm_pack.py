"""Pack what is published on npm: `python -m scripts.npm_pack FOLDER`, or `make npm`.

Both packages are put together from this tree, and packed by `npm pack`; the same tree gives the same bytes.
`@verifiable-oracle/contracts` gets the interfaces of contracts/src and the mocks of contracts/mocks, side by side.
`@verifiable-oracle/client` is compiled afresh. In the tree, neither can be published: `private` is taken out here.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from scripts.bootstrap import ROOT, Bootstrap, SetupError

PACKAGES = ("contracts", "client")

INTERFACES = Path("contracts", "src", "interfaces")
MOCKS = Path("contracts", "mocks")


def put_together(package: str, folder: Path, root: Path = ROOT) -> None:
    """Write all files of a package to a new folder.

    Args:
        package: "contracts" or "client".
        folder: It must not be there yet.
        root: The tree.

    Raises:
        SetupError: The client can't be compiled.
    """
    source = root / "npm" / package
    document = json.loads((source / "package.json").read_text(encoding="utf-8"))
    del document["private"]
    folder.mkdir(parents=True)
    (folder / "package.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    shutil.copyfile(root / "LICENSE", folder / "LICENSE")
    shutil.copyfile(source / "README.md", folder / "README.md")
    if package == "contracts":
        _contracts(source, folder, root)
    else:
        _client(source, folder, root)
    # Whoever's umask it was: the packed files have the same modes.
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def pack(folder: Path, packages: Sequence[str] = PACKAGES, root: Path = ROOT) -> list[Path]:
    """Write packages to `folder` as `npm pack` does, and return the paths of the tarballs.

    Raises:
        SetupError: There is no Node.js, or npm refuses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    packed = []
    with tempfile.TemporaryDirectory(prefix="npm-pack-") as temporary:
        for package in packages:
            staged = Path(temporary) / package
            put_together(package, staged, root)
            command = ["pack", "--silent", "--ignore-scripts", "--pack-destination", str(folder.resolve())]
            name = _npm(command, staged, root).split()[-1]
            packed.append(folder / name)
    return packed


def main(argv: Sequence[str] | None = None) -> int:
    """Pack both, and print their hashes; return the exit code."""
    parser = argparse.ArgumentParser(prog="make npm", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="the tarballs are written there")
    options = parser.parse_args(argv)
    try:
        for path in pack(options.folder):
            print(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}")
    except (OSError, SetupError) as error:
        print(f"npm: error: {error}", file=sys.stderr)
        return 1
    return 0


# --- details ------------------------------------------------------------------------------------------------


def _contracts(source: Path, folder: Path, root: Path) -> None:
    for name in ("abi.js", "abi.d.ts", "deployments.json"):
        shutil.copyfile(source / name, folder / name)
    shutil.copytree(source / "abi", folder / "abi")
    shutil.copytree(root / INTERFACES, folder / "interfaces")
    (folder / "mocks").mkdir()
    for path in sorted((root / MOCKS).glob("*.sol")):
        # In the package, the mocks are beside the interfaces.
        text = path.read_text(encoding="utf-8").replace('"../src/interfaces/', '"../interfaces/')
        (folder / "mocks" / path.name).write_text(text, encoding="utf-8")


def _client(source: Path, folder: Path, root: Path) -> None:
    compiler = root / "npm" / "node_modules" / "typescript" / "bin" / "tsc"
    if not compiler.is_file():
        raise SetupError("the npm packages are not installed: run `python scripts/bootstrap.py --web`")
    shutil.copytree(source / "src", folder / "src")
    with tempfile.TemporaryDirectory(prefix="npm-tsc-") as temporary:
        options = ["--outDir", str(folder / "dist"), "--tsBuildInfoFile", str(Path(temporary) / "built.tsbuildinfo")]
        _run([*_node(root), str(compiler), "-p", str(source), *options], source, root)


def _npm(arguments: Sequence[str], folder: Path, root: Path) -> str:
    return _run([*Bootstrap(root).npm(), *arguments], folder, root)


def _node(root: Path) -> list[str]:
    npm = Bootstrap(root).npm()
    return [npm[0]] if len(npm) > 1 else [shutil.which("node") or "node"]


def _run(command: Sequence[str], folder: Path, root: Path) -> str:
    # npm starts `node` by its name: where only `.venv` has one, that comes first.
    path = os.pathsep.join((str(Path(Bootstrap(root).npm()[0]).parent), os.environ.get("PATH", "")))
    done = subprocess.run(
        command, cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SetupError(f"`{' '.join(command)}` failed: {(done.stderr + done.stdout).strip()[-2_000:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
