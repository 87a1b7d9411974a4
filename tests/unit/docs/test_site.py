"""Tests of how the documentation site is made: links, items and cells as its renderer wants them, checks that can fail.

`make check` builds the site, and runs the checks on all pages.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt

from scripts import site, site_hooks
from scripts.site_hooks import for_site


@pytest.mark.parametrize(
    ("page", "link", "moved"),
    [
        ("verify.md", "audit.md", "audit.md"),
        ("verify.md", "audit.md#json", "audit.md#json"),
        ("verify.md", "../SECURITY.md", "security.md"),
        ("tutorials/read-a-feed.md", "../contracts.md#adapters", "../contracts.md#adapters"),
        ("tutorials/read-a-feed.md", "../../CONTRIBUTING.md", "../contributing.md"),
        ("contributing.md", "docs/glossary.md", "glossary.md"),
        ("contributing.md", "docs/decisions", "decisions/README.md"),
        ("contributing.md", "tests/README.md", "files/tests/README.md.txt"),
        ("configuration.md", "../config.example.toml", "files/config.example.toml.txt"),
        ("claims.md", "../examples/claims.ipynb", "files/examples/claims.ipynb"),
        ("npm-client.md", "../../docs/claims.md", "claims.md"),
        ("tutorials/read-a-feed.md", "../../npm/client/README.md", "../npm-client.md"),
        ("index.md", "https://example.org/a", "https://example.org/a"),
        ("index.md", "#here", "#here"),
    ],
)
def test_a_link_leads_to_the_same_place(page: str, link: str, moved: str) -> None:
    assert for_site(f"See [it]({link}).", page) == f"See [it]({moved})."


def test_what_is_in_a_box_stays_as_it_is() -> None:
    text = "```sh\necho '[a](../SECURITY.md) | `x \\| y`'\n```\n"
    assert for_site(text, "verify.md") == text


def test_a_bar_in_a_cell_needs_no_backslash_on_the_site() -> None:
    assert for_site("| `a \\| b` | c \\| d |", "cli.md") == "| `a | b` | c \\| d |"


def test_boxes_stay_in_their_items() -> None:
    text = "1. One:\n\n   ```sh\n   ls\n   ```\n2. Two\n\nAfter\n   it\n"
    assert for_site(text, "verify.md") == "1. One:\n\n    ```sh\n    ls\n    ```\n\n2. Two\n\nAfter\n   it\n"


def test_every_page_is_in_the_navigation(project_root: Path) -> None:
    class Loader(yaml.SafeLoader):
        """Reads what MkDocs reads, and ignores its Python objects."""

    Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)
    settings = yaml.load((project_root / "mkdocs.yml").read_text(encoding="utf-8"), Loader)

    def leaves(node: object) -> list[str]:
        if isinstance(node, str):
            return [node]
        inner = node.values() if isinstance(node, dict) else node
        assert not isinstance(inner, str)
        return [leaf for each in inner for leaf in leaves(each)]  # type: ignore[attr-defined]

    listed = leaves(settings["nav"])
    docs = project_root / "docs"
    pages = [path.relative_to(docs).as_posix() for path in docs.rglob("*.md")]
    wanted = [each for each in pages if not re.match(r"decisions/\d", each)]
    assert sorted(listed) == sorted([*wanted, *site_hooks.ROOT_PAGES.values()])


def page(body: str) -> str:
    return f"<html><head></head><body><article>{body}</article></body></html>"


def test_a_page_that_shows_its_source_has_no_difference() -> None:
    source = "# A\n\n- b\n- ~~c~~\n\n| d |\n|---|\n| e |\n\n```sh\nls\n```\n"
    assert (
        site.differences(source, page(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(source))) == []
    )
    marked = MarkdownIt().render("# A\n").replace("</h1>", '<a class="headerlink" href="#a">¶</a></h1>')
    assert site.differences("# A\n", page(marked)) == []


@pytest.mark.parametrize(
    ("source", "html", "said"),
    [
        ("- a\n- b\n", "<ul><li>a - b</li></ul>", "2 <li> in the source, 1 on the site"),
        ("1. a\n\n   ```\n   b\n   ```\n", "<ol><li>a</li></ol><p>b</p>", "1 <pre> in the source, 0 on the site"),
        ("one two\n", "<p>one three</p>", "“wo” in the source is “hree” on the site"),
        ("one two\n", "<p>one</p>", "“two” in the source is “” on the site"),
    ],
)
def test_what_is_lost_is_told(source: str, html: str, said: str) -> None:
    assert said in " ".join(site.differences(source, page(html)))
    assert site.differences(source, "<html></html>") == ["there is no text"]


@pytest.mark.parametrize(
    "element",
    [
        '<script src="https://cdn.example/a.js"></script>',
        '<img src="//cdn.example/a.png">',
        '<link rel="stylesheet" href="http://cdn.example/a.css">',
        '<iframe src="https://cdn.example"></iframe>',
    ],
)
def test_what_is_loaded_from_elsewhere_is_told(element: str) -> None:
    assert len(site.from_elsewhere(element)) == 1


def test_links_load_nothing() -> None:
    assert (
        site.from_elsewhere('<a href="https://example.org">x</a><img src="a.png"><script src="../b.js"></script>') == []
    )


# --- links and anchors, also of pages that are not on the site -----------------------------------------------------


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)
    found: dict[str, int] = {}
    for heading in re.findall(r"^#{1,6} +(.*?)\s*$", text, re.MULTILINE):
        bare = re.sub(r"\[([^\]]*)\]\([^)]*\)|[`*]", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", bare.lower()).replace(" ", "-")
        found[name] = found.get(name, -1) + 1
        if found[name]:
            found[f"{name}-{found[name]}"] = 0
    return set(found)


def test_every_anchor_that_a_page_links_to_is_there(project_root: Path) -> None:
    pages = [project_root / "README.md", project_root / "CONTRIBUTING.md", *(project_root / "docs").rglob("*.md")]
    checked = 0
    for path in pages:
        for link, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)", path.read_text(encoding="utf-8")):
            target = (path.parent / link) if link else path
            assert anchor in anchors(target.read_text(encoding="utf-8")), f"{path.name}: {link}#{anchor}"
            checked += 1
    assert checked > 150


def test_an_anchor_is_that_of_its_heading() -> None:
    text = "# A `b` & c\n\n## [D](e.md), f?\n\n```sh\n# no heading\n```\n## A b  c\n"
    assert anchors(text) == {"a-b--c", "d-f", "a-b--c-1"}
