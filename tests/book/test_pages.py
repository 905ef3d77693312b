"""The pages as files: headings in order, pictures described, links that lead somewhere, nothing from another host.

Needs no browser; `test_browser.py` looks at the same pages as a reader does.
"""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup

from lib.book.chapter import in_toc
from tests.conftest import built_pages

pytestmark = pytest.mark.xdist_group("site")  # what the module builds is built once, in one process
FROM_ELSEWHERE = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href", "object": "data"}


def parse(text: str) -> BeautifulSoup:
    return BeautifulSoup(text, "html.parser")


def identifiers(page: BeautifulSoup) -> set[str]:
    return {tag["id"] for tag in page.find_all(id=True)}


def problems(page: BeautifulSoup, path: Path, others: dict[Path, set[str]]) -> list[str]:
    """What is wrong with a page at this path; others: the ids of every page."""
    found = []
    article = page.find("article") or page
    levels = [int(tag.name[1]) for tag in article.find_all(re.compile("^h[1-6]$"))]
    if levels.count(1) != 1:
        found.append(f"{levels.count(1)} titles")
    found += [f"h{a} is followed by h{b}" for a, b in zip(levels, levels[1:], strict=False) if b > a + 1]
    for image in page.find_all("img"):
        alt = image.get("alt", "").strip()
        if len(alt) < 15 or " " not in alt or re.search(r"[0-9a-f]{16}|\.(png|svg|jpe?g)$", alt):
            found.append(f"alt text not written: {alt!r}")
    for link in article.find_all("a", href=True):
        pictures = "".join(image.get("alt", "") for image in link.find_all("img"))
        if not (link.get_text() + pictures + link.get("aria-label", "")).strip():
            found.append(f"link without words: {link['href']}")
    for tag, attribute in FROM_ELSEWHERE.items():
        for element in page.find_all(tag):
            if urlsplit(element.get(attribute, "")).netloc:
                found.append(f"from another host: {element[attribute]}")
    for script in page.find_all("script", src=False):
        found += [f"names another host: {url}" for url in re.findall(r"https?://[^\s\"']+", script.get_text())]
    for link in page.find_all("a", href=True):
        parts = urlsplit(link["href"])
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if target != path and not target.exists():
            found.append(f"leads nowhere: {link['href']}")
        elif parts.fragment and target in others and unquote(parts.fragment) not in others[target]:
            found.append(f"no such place: {link['href']}")
    if not (page.html and page.html.get("lang")):
        found.append("no language")
    return list(dict.fromkeys(found))


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Path and parsed text of every page of the site."""
    root = built_pages(tmp_path_factory).resolve()
    paths = [path for path in sorted(root.rglob("*.html")) if "_static" not in path.relative_to(root).parts]
    return {path: parse(path.read_text()) for path in paths}


def test_every_page(pages):
    assert {Path(page).stem for page in in_toc()} <= {path.stem for path in pages}
    others = {path: identifiers(page) for path, page in pages.items()}
    # index.html only sends the reader on
    wrong = {path: problems(page, path, others) for path, page in pages.items() if page.find("article")}
    assert len(wrong) >= len(in_toc())
    lines = [f"{path.name}: {line}" for path, found in wrong.items() for line in found]
    assert not lines, "\n".join(lines)


FINE = (
    '<html lang="en"><article id="top"><h1>A</h1><h2>B</h2><h3>C</h3><h2>D</h2><a href="#top">Up</a>'
    '<a href="https://example.org">elsewhere</a><img src="a.png" alt="A curve that rises"></article></html>'
)


@pytest.mark.parametrize(
    "old, new, problem",
    [
        ("", "", None),
        ("<h2>B</h2>", "", "h1 is followed by h3"),
        ("<h2>D</h2>", "<h1>D</h1>", "2 titles"),
        ("<h1>A</h1>", "", "0 titles"),
        ("A curve that rises", "../_images/0f1e2d3c4b5a69788796a5b4c3d2e1f0.png", "alt text not written"),
        ("A curve that rises", "", "alt text not written"),
        ("A curve that rises", "figure_of_curve.png", "alt text not written"),
        (">Up<", "><", "link without words: #top"),
        ('href="#top"', 'href="#bottom"', "no such place: #bottom"),
        ('href="#top"', 'href="gone.html"', "leads nowhere: gone.html"),
        ('src="a.png"', 'src="https://example.org/a.png"', "from another host: https://example.org/a.png"),
        ("<h1>", '<script src="//cdn.example.org/x.js"></script><h1>', "from another host: //cdn"),
        ("<h1>", '<link rel="stylesheet" href="https://example.org/x.css"><h1>', "from another host"),
        ("<h1>", '<script>load("https://example.org/x")</script><h1>', "names another host"),
        (' lang="en"', "", "no language"),
    ],
)
def test_what_a_fault_looks_like(tmp_path, old, new, problem):
    page = parse(FINE.replace(old, new, 1) if old else FINE)
    path = tmp_path / "page.html"
    found = problems(page, path, {path: identifiers(page)})
    assert len(found) == (problem is not None)
    assert problem is None or found[0].startswith(problem)
