"""Build the documentation site into build/site, and check it: `make docs`.

MkDocs says if a page is not in the navigation, or a link or an anchor leads nowhere. Afterwards each page is compared
with its source, as another renderer understands it, so that nothing that the repository shows is lost on the site; and
no page may load anything from elsewhere.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

from markdown_it import MarkdownIt

from scripts.bootstrap import ROOT, Bootstrap
from scripts.site_hooks import ROOT_PAGES

SITE = ROOT / "build" / "site"
COUNTED = ("h1", "h2", "h3", "h4", "li", "ol", "pre", "table", "td", "tr", "ul")
"""Elements of which a page has as many as its source."""

LOADED = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src"}
"""Elements that load something, and the attributes that name it."""


class Shown(HTMLParser):
    """A document as a reader sees it.

    Attributes:
        words: Its text, without white space and without marks beside headings.
        elements: How many elements there are of each name.
        loaded: The addresses of what it loads.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self._text: list[str] = []
        self._mark = False
        self.elements: Counter[str] = Counter()
        self.loaded: list[str] = []
        self.feed(html)
        self.words = re.sub(r"\s", "", "".join(self._text))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Count an element, and keep what it loads."""
        self.elements[tag] += 1
        given = dict(attrs)
        if given.get("class") == "headerlink":
            self._mark = True
        if (address := given.get(LOADED.get(tag, ""))) and given.get("rel") not in ("canonical", "prev", "next"):
            self.loaded.append(address)

    def handle_endtag(self, tag: str) -> None:
        """End the mark beside a heading."""
        if tag == "a":
            self._mark = False

    def handle_data(self, data: str) -> None:
        """Keep text."""
        if not self._mark:
            self._text.append(data)


def differences(source: str, html: str) -> list[str]:
    """Return what a page of the site shows otherwise than its source.

    Args:
        source: The page's Markdown.
        html: The page of the site.
    """
    body = re.search(r"<article[^>]*>(.*?)</article>", html, re.DOTALL)
    if body is None:
        return ["there is no text"]
    # Diagrams are text until the browser draws them.
    wanted = Shown(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(source))
    found = Shown(body[1])
    said = [
        f"{wanted.elements[tag]} <{tag}> in the source, {found.elements[tag]} on the site"
        for tag in COUNTED
        if wanted.elements[tag] != found.elements[tag]
    ]
    if wanted.words != found.words:
        pairs = enumerate(zip(wanted.words, found.words, strict=False))
        at = next((at for at, (one, other) in pairs if one != other), min(len(wanted.words), len(found.words)))
        said.append(f"“{wanted.words[at : at + 40]}” in the source is “{found.words[at : at + 40]}” on the site")
    return said


def from_elsewhere(html: str) -> list[str]:
    """Return the addresses outside of the site that a page loads something from."""
    return [each for each in Shown(html).loaded if re.match(r"(https?:)?//", each)]


def check(root: Path = ROOT, site: Path = SITE) -> list[str]:
    """Return what is wrong with the built site, a line each."""
    said = []
    sources = {path: path.relative_to(root / "docs") for path in sorted((root / "docs").rglob("*.md"))}
    for path, name in (sources | {root / source: Path(name) for source, name in ROOT_PAGES.items()}).items():
        page = name.with_name("index.html") if name.name == "README.md" else name.with_suffix(".html")
        html = (site / page).read_text(encoding="utf-8")
        said += [f"{page}: {each}" for each in differences(path.read_text(encoding="utf-8"), html)]
    for path in sorted(site.rglob("*.html")):
        strange = from_elsewhere(path.read_text(encoding="utf-8"))
        said += [f"{path.relative_to(site)}: loads {each}" for each in strange]
    return said


def main() -> int:
    """Build and check the site; return the exit code."""
    mkdocs = [str(Bootstrap().checker_python("docs")), "-m", "mkdocs", "build", "--strict", "--quiet"]
    # Its authors announce a successor at each build.
    done = subprocess.run(mkdocs, cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, check=False)
    if done.returncode:
        return done.returncode
    said = check()
    for each in said:
        print(each, file=sys.stderr)
    if not said:
        print(f"{len(list(SITE.rglob('*.html')))} pages: {SITE / 'index.html'}")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
