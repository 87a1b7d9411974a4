"""Hooks of the documentation site: MkDocs calls them while it builds (mkdocs.yml, `make docs`).

The pages of docs/ are written for readers of the repository. On the site, files outside of docs/ that a page links to
are copied beside the pages, some pages outside of it are pages of the site, and Mermaid comes from npm's lock file.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

ROOT_PAGES = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "npm/client/README.md": "npm-client.md",
    "npm/contracts/README.md": "npm-contracts.md",
}
"""Pages outside of docs/, and their names on the site."""

SCRIPTS = {
    "assets/mermaid.js": "npm/node_modules/@mermaid-js/tiny/dist/mermaid.tiny.js",
    "assets/iframe-worker.js": "npm/node_modules/iframe-worker/shim/index.js",
}
"""Scripts of npm packages that pages load: what draws the diagrams, and what lets the search work without a server."""

_LINK = re.compile(r"(?<=\]\()(?!https?:|mailto:|#)([^)\s#]+)")


def on_files(files: Any, config: Any) -> Any:
    """Add to the site what lies outside of docs/."""
    from mkdocs.structure.files import File  # type: ignore[import-not-found]  # only the site's environment has it

    def add(name: str, content: str | bytes) -> None:
        files.append(File.generated(config, name, content=content))

    for name, package in SCRIPTS.items():
        add(name, (ROOT / package).read_bytes())
    for source, name in ROOT_PAGES.items():
        add(name, (ROOT / source).read_text(encoding="utf-8"))
    for outside in sorted(files_outside(ROOT)):
        add(f"files/{outside}.txt" if is_text_only(outside) else f"files/{outside}", (ROOT / outside).read_bytes())
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Return a page's text as the site's renderer wants it."""
    return for_site(markdown, page.file.src_uri)


def for_site(markdown: str, page: str) -> str:
    """Return a page's text with links that lead to the same places on the site.

    Args:
        markdown: The text.
        page: The page's path on the site.
    """
    moved = _outside_boxes(markdown, lambda text: _cells(_LINK.sub(lambda found: _moved(found[1], page), text)))
    return _items(moved.replace("<details>", '<details markdown="1">'))


def files_outside(root: Path) -> set[str]:
    """Return the files outside of docs/ that its pages link to, but for pages of the site; relative to the root."""
    found = set()
    sources = {path: path.relative_to(root / "docs").as_posix() for path in (root / "docs").rglob("*.md")}
    sources |= {root / source: name for source, name in ROOT_PAGES.items()}
    for path, page in sources.items():
        for link in _LINK.findall(path.read_text(encoding="utf-8")):
            target = _target(link, page)
            if not target.startswith("docs/") and target not in ROOT_PAGES and (root / target).is_file():
                found.add(target)
    return found


def is_text_only(name: str) -> bool:
    """Return True if browsers would rather save a file than show it, so that its name needs another end."""
    return Path(name).suffix in ("", ".md", ".py", ".sol", ".toml", ".service", ".ts")


def _target(link: str, page: str) -> str:
    """Return the path of a link's target in the repository."""
    source = next((source for source, name in ROOT_PAGES.items() if name == page), f"docs/{page}")
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), link))


def _moved(link: str, page: str) -> str:
    target = _target(link, page)
    if target in ROOT_PAGES:
        target = ROOT_PAGES[target]
    elif target.startswith("docs/"):
        target = target.removeprefix("docs/") + ("/README.md" if not Path(target).suffix else "")
    else:
        target = f"files/{target}.txt" if is_text_only(target) else f"files/{target}"
    return posixpath.relpath(target, posixpath.dirname(page) or ".")


def _outside_boxes(markdown: str, change: Any) -> str:
    """Return a text, changed outside of its boxes of code."""
    parts = re.split(r"(^```.*?^```$)", markdown, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if part.startswith("```") else change(part) for part in parts)


def _cells(text: str) -> str:
    """Return a text whose tables have bare bars in code: the site's renderer would show the backslash."""
    return re.sub(
        r"^\|.*$",
        lambda row: re.sub(r"`[^`]*`", lambda code: code[0].replace("\\|", "|"), row[0]),
        text,
        flags=re.MULTILINE,
    )


def _items(text: str) -> str:
    """Return a text with numbered items as the renderer knows them: indented by four, and apart if they have boxes."""
    lines: list[str] = []
    inside = apart = False
    for line in text.split("\n"):
        if re.match(r"\d+\. ", line):
            if inside and apart and lines[-1]:
                lines.append("")
            inside = True
        elif line and not line.startswith("   "):
            inside = apart = False
        apart = apart or (inside and not line)
        lines.append(f" {line}" if inside and line.startswith("   ") else line)
    return "\n".join(lines)
