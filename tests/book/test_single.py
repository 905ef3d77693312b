"""The book as one file: everything is inside, links stay inside; without Chromium the PDF is refused in one line."""

import os
import re
import shutil

import pytest

from lib import __main__
from lib.book import single
from lib.errors import BookError
from lib.paths import BOOK
from tests.conftest import one_line

PAGE = """<!DOCTYPE html><html><head><script src="x.js"></script></head><body><nav><a href="b.html">menu</a></nav>
<article><h1 id="top">{title}<a class="headerlink" href="#top">#</a></h1>
<p>See <a href="{other}.html">that page</a>, <a href="{other}.html#top">its top</a>, <a href="#top">up</a>,
<a href="../_sources/{other}.ipynb">source</a>, <a href="https://example.org/paper">paper</a>,
<span class="math">\\(x\\)</span></p>
<details><summary>Code</summary><pre>1 &lt; 2</pre></details><script>alert(1)</script>
<img src="../_images/p.svg" alt="Two squares"></article></body></html>"""


@pytest.fixture
def site(tmp_path):
    """A built site of two pages."""
    root = tmp_path / "_build" / "html"
    for folder in ("book", "_images", "_static/mathjax"):
        (root / folder).mkdir(parents=True)
    for name, other in (("a", "b"), ("b", "a")):
        (root / "book" / f"{name}.html").write_text(PAGE.format(title=f"Page {name} & co", other=other))
    shutil.copy(BOOK / "_static" / "favicon.svg", root / "_images" / "p.svg")
    for style in single.STYLES:
        (root / "_static" / style).write_text(f"/* {style} */")
    (root / "_static" / single.MATHJAX).write_text("/* MathJax */")
    return root


def test_one_document_out_of_two_pages(site):
    text = single.html(site, ["book/a", "book/b"])
    for style in single.STYLES:
        assert f"/* {style} */" in text
    assert "/* MathJax */" in text and "<title>Page a &amp; co</title>" in text
    assert re.findall(r'<section class="page" id="(\w+)">', text) == ["a", "b"]
    assert '<li><a href="#b">Page b &amp; co</a></li>' in text and "menu" not in text
    assert text.count("<details open") == 2 and "1 &lt; 2" in text and "alert" not in text
    identifiers = re.findall(r'\bid="([^"]+)"', text)
    assert len(set(identifiers)) == len(identifiers)
    links = re.findall(r'href="([^"]+)"', text)
    assert {"#b", "#b.top", "#a.top", "https://example.org/paper"} <= set(links)
    assert all(link[1:] in identifiers for link in links if link.startswith("#"))
    assert not [link for link in links if not link.startswith(("#", "https://example.org/"))]
    sources = re.findall(r'\bsrc="([^"]+)"', text)
    assert len(sources) == 2 and all(source.startswith("data:image/svg+xml;base64,") for source in sources)


@pytest.mark.parametrize("gone, names", [("book/b.html", "b.html"), ("_images/p.svg", "p.svg")])
def test_what_is_not_there_is_named(site, gone, names):
    (site / gone).unlink()
    with pytest.raises(BookError, match=names):
        single.html(site, ["book/a", "book/b"])


def test_without_chromium_one_line_names_the_package(monkeypatch, capsys):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr("lib.book.site.build", lambda execute: pytest.fail("it works first and refuses later"))
    assert __main__.main(["single", "--pdf"]) == 1
    assert "apt-get install chromium" in one_line(capsys.readouterr().err)


def test_a_print_that_fails_overwrites_nothing(tmp_path):
    document, output = tmp_path / "book.html", tmp_path / "book.pdf"
    document.write_text("<p>text</p>")
    output.write_bytes(b"the last one")
    with pytest.raises(BookError, match="did not print"):
        single.pdf(document, output, shutil.which("false"))
    assert output.read_bytes() == b"the last one" and sorted(os.listdir(tmp_path)) == ["book.html", "book.pdf"]


@pytest.mark.skipif(not any(map(shutil.which, single.BROWSERS)), reason="needs Chromium (Debian: chromium)")
def test_a_print(tmp_path):
    """Scripts have run when it is printed: what one of them writes a second later makes the PDF longer by a page."""
    pages = []
    for script in (
        "",
        "setTimeout(() => { document.body.innerHTML += '<p style=\"break-before: page\">late</p>' }, 1000)",
    ):
        document, output = tmp_path / "book.html", tmp_path / "book.pdf"
        document.write_text(f"<!doctype html><title>T</title><body><p>text</p><script>{script}</script>")
        single.pdf(document, output, single.chromium())
        content = output.read_bytes()
        assert content.startswith(b"%PDF-")
        pages.append(len(re.findall(rb"/Type\s*/Page\b", content)))
    assert pages == [1, 2]
