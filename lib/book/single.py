"""The whole book as one file: the articles of the built pages, one after the other, with everything they need inside.

`book.html` opens anywhere, without a network or a folder beside it. `book.pdf` is its print by a headless Chromium.
"""

import base64
import mimetypes
import os
import shutil
import subprocess
import tempfile
from html import escape
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lib import files
from lib.book.chapter import in_toc
from lib.errors import BookError, last_line

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
STYLES = ("pygments.css", "exercise.css", "proof.css", "single.css")
# the formulas as paths: unlike those made of fonts, they need no other file
MATHJAX = "mathjax/tex-svg.js"
CONFIGURATION = "window.MathJax = {options: {processHtmlClass: 'math'}};"


def chromium() -> str:
    """The path of an installed Chromium; BookError where there is none."""
    for name in BROWSERS:
        if path := shutil.which(name):
            return path
    raise BookError("no Chromium to print the PDF with; install it (Debian: apt-get install chromium)")


def html(folder: Path, pages: list[str] | None = None) -> str:
    """One HTML document out of the pages of a built site.

    folder: that of the site. pages: names as in the table of contents, `book/ising` (default: all, in order).
    BookError where a page or a picture is not there.
    """
    from bs4 import BeautifulSoup

    pages = in_toc() if pages is None else pages
    names = {(folder / f"{page}.html").resolve(): Path(page).name for page in pages}
    articles, contents, title = [], [], None
    for path, name in names.items():
        if not path.is_file():
            raise BookError(f"no page {path}; run: python -m lib read")
        soup = BeautifulSoup(files.read_text(path), "html.parser")
        article = soup.find("article")
        heading = article.h1.get_text().removesuffix("#").strip()
        title = title or heading
        contents.append(f'<li><a href="#{name}">{escape(heading)}</a></li>')
        _make_own(article, path, name, names)
        articles.append(f'<section class="page" id="{name}">{article.decode_contents()}</section>')
    static = folder / "_static"
    styles = "\n".join(files.read_text(static / style) for style in STYLES)
    articles.insert(1, f'<nav aria-label="Contents"><h2>Contents</h2><ol>{"".join(contents[1:])}</ol></nav>')
    return (
        '<!DOCTYPE html>\n<html lang="en" data-theme="light"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title or '')}</title><style>\n{styles}\n</style></head><body>\n"
        + "\n".join(articles)
        + f"\n<script>{CONFIGURATION}</script>\n<script>{files.read_text(static / MATHJAX)}</script>\n</body></html>\n"
    )


def _make_own(article, path: Path, name: str, names: dict[Path, str]) -> None:
    """Change an article in place: ids carry its name, links lead inside the document, pictures are in it."""
    for tag in article.select("a.headerlink, script, style"):
        tag.decompose()
    for tag in article.find_all(id=True):
        tag["id"] = f"{name}.{tag['id']}"
    for tag in article.find_all("details"):
        tag["open"] = ""
    for image in article.find_all("img"):
        parts = urlsplit(image["src"])
        if not parts.scheme:
            file = path.parent / unquote(parts.path)
            if not file.is_file():
                raise BookError(f"{path.name} shows {image['src']}, which is not there; run: python -m lib read")
            kind = mimetypes.guess_type(file.name)[0] or "image/png"
            image["src"] = f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode()}"
    for link in article.find_all("a", href=True):
        parts = urlsplit(link["href"])
        if parts.scheme or parts.netloc:
            continue
        target = names.get((path.parent / unquote(parts.path)).resolve() if parts.path else path)
        if target is None:  # a page of the site that is none of the book
            del link["href"]
        else:
            link["href"] = f"#{target}.{parts.fragment}" if parts.fragment else f"#{target}"


def pdf(document: Path, output: Path, browser: str) -> None:
    """Print an HTML file to PDF. document, output: paths; browser: that of a Chromium. BookError if it does not."""
    with tempfile.TemporaryDirectory() as folder:
        command = [browser, "--headless", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={folder}"]
        command += ["--no-sandbox"] * (os.geteuid() == 0)  # Chromium refuses to run as root with one
        command += [
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--no-pdf-header-footer",
            "--generate-pdf-document-outline",
        ]
        part = Path(folder) / "book.pdf"
        # virtual time runs on until the scripts are done, so the formulas are there when it prints
        command += ["--virtual-time-budget=600000", f"--print-to-pdf={part}", document.resolve().as_uri()]
        try:
            result = subprocess.run(command, capture_output=True, text=True, timeout=600)
        except subprocess.TimeoutExpired:
            raise BookError(f"{browser} did not print {document} within ten minutes") from None
        if result.returncode or not part.is_file():
            raise BookError(f"{browser} did not print {document}: {last_line(result.stderr)}")
        shutil.move(part, output)


def build(build_folder: Path, browser: str | None) -> list[Path]:
    """Write `book.html` from `html/` in this folder, and `book.pdf` if there is a Chromium. The paths of both."""
    document = build_folder / "book.html"
    files.write_text(document, html(build_folder / "html"))
    if browser is None:
        return [document]
    output = build_folder / "book.pdf"
    pdf(document, output, browser)
    return [document, output]
