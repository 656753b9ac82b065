"""Check that all links inside a built site lead somewhere: ``python tests/links.py FOLDER``.

Nothing is fetched: of links to other sites, only the scheme is checked.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LINKS = {("a", "href"), ("link", "href"), ("img", "src"), ("script", "src"), ("source", "src")}


class Page(HTMLParser):
    """The links of a page, and the anchors that others may link to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect the links and anchors of a tag."""
        for name, value in attrs:
            if value and (tag, name) in LINKS:
                self.links.append(value)
            elif value and (name == "id" or (tag, name) == ("a", "name")):
                self.anchors.add(value)


def broken(site: Path) -> list[str]:
    """Return a line for each link of the site's pages that leads nowhere."""
    paths = sorted(set(site.rglob("*.html")) - set((site / "_static").rglob("*")))
    pages = {path: Page(path) for path in paths}
    found = []
    for path, page in pages.items():
        for link in dict.fromkeys(page.links):
            parts = urlsplit(link)
            if parts.scheme in ("https", "mailto", "data"):
                continue
            target = path
            if parts.path:
                target = (path.parent / unquote(parts.path)).resolve()
            exists = not parts.scheme and not parts.netloc and target.is_file()
            if exists and parts.fragment and target in pages:
                exists = unquote(parts.fragment) in pages[target].anchors
            if not exists:
                found.append(f"{path.relative_to(site)}: {link}")
    return found


if __name__ == "__main__":
    folder = Path(sys.argv[1]).resolve()
    if not (folder / "index.html").exists():
        sys.exit(f"no site in {folder}")
    if found := broken(folder):
        sys.exit("\n".join(("links that lead nowhere:", *found)))
