"""The pages as a reader's browser shows them: Chromium without a network, desktop and phone, light and dark.

Every page is loaded once and inspected in each of four states. What is wrong comes back as a list of short
sentences, so that one page made with all the faults can show that each of them is seen.
"""

import functools
import http.server
import json
import os
import re
import shutil
import threading

import nbformat
import pytest

from lib.book import editor, single
from lib.book.chapter import chapters, in_toc
from lib.page import slider
from lib.paths import BOOK
from tests.conftest import built_pages

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER), reason="needs Chromium and its driver (Debian: chromium, chromium-driver)"
    ),
    pytest.mark.xdist_group("site"),  # in one process with test_pages.py: the site is built once
]

STATES = [(1280, "light"), (1280, "dark"), (390, "dark"), (390, "light")]

# What is wrong on the page as it stands. Runs in the browser; returns a list of sentences.
INSPECT = r"""
const found = new Set(), say = (...words) => found.add(words.join(' ')), all = s => [...document.querySelectorAll(s)];
const brief = e => (e.textContent || '').trim().replace(/\s+/g, ' ').slice(0, 40);
const visible = e => e.checkVisibility({visibilityProperty: true}) && e.getClientRects().length > 0;
const article = document.querySelector('article') || document.body;

// formulas
for (const e of all('.math')) if (!e.querySelector('mjx-container')) say('formula not rendered:', brief(e));
for (const e of all('mjx-merror, mjx-container [data-mjx-error], mjx-container [style*="color: red"]'))
  say('formula with an error:', brief(e) || e.getAttribute('data-mjx-error'));
const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const texts = [];
while (words.nextNode()) {
  const node = words.currentNode, parent = node.parentElement;
  if (!node.data.trim() || parent.closest('script, style, noscript, mjx-container, template, svg')) continue;
  texts.push(node);
  if (!parent.closest('pre, code, title') && /\\\(|\\\[|\$\$|\\begin\{|\$[^$\s][^$]*\$/.test(node.data))
    say('TeX left over:', node.data.trim().slice(0, 40));
}

// pictures
for (const e of all('img')) {
  const name = (e.getAttribute('src') || '').slice(0, 40);
  if (!(e.complete && e.naturalWidth > 0)) say('image not loaded:', name);
  const alt = (e.getAttribute('alt') || '').trim();
  if (alt.length < 15 || /[0-9a-f]{16}|\.(png|svg|jpe?g)$/i.test(alt) || !alt.includes(' '))
    say('alt text not written:', JSON.stringify(alt), name);
}

// headings and links
const levels = all('h1, h2, h3, h4, h5, h6').filter(e => article.contains(e)).map(e => +e.tagName[1]);
if (levels.filter(n => n == 1).length != 1) say('not one h1:', levels.filter(n => n == 1).length);
levels.forEach((n, k) => {
  if (k && n > levels[k - 1] + 1) say('heading level skipped: h' + levels[k - 1], 'to h' + n);
});
for (const e of all('a[href], button, summary, input, select')) {
  const label = e.labels && e.labels.length ? e.labels[0].textContent : '';
  const inside = [...e.querySelectorAll('img, svg')].map(x => x.getAttribute('alt') || '').join('');
  const named = e.textContent + label + inside + (e.getAttribute('aria-label') || '') + (e.title || '') +
    (e.placeholder || '');
  if (visible(e) && !named.trim()) say('nothing says what this does:', e.outerHTML.slice(0, 60));
}

// width
const width = document.documentElement.clientWidth;
if (document.documentElement.scrollWidth > width + 1 || innerWidth > width + 1)
  say('page wider than the screen:', document.documentElement.scrollWidth, 'of', width);
const scrolls = e => e && e !== document.body && (/auto|scroll|hidden/.test(getComputedStyle(e).overflowX) ||
  scrolls(e.parentElement));
for (const e of article.querySelectorAll('p, pre, table, figure, img, h1, h2, h3, li, dl, div, input, mjx-container')) {
  if (visible(e) && e.getBoundingClientRect().right > width + 1 && !scrolls(e.parentElement) && !scrolls(e))
    say('sticks out:', e.tagName, brief(e));
}

// contrast: WCAG 2.1, 4.5 for text, 3 for large text
const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
canvas.canvas.width = canvas.canvas.height = 1;
const cache = {};
const rgba = text => cache[text] ||= (() => {
  canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255];
})();
const over = (top, below) => [0, 1, 2].map(k => top[k] * top[3] + below[k] * (1 - top[3])).concat(1);
const light = c => [0.2126, 0.7152, 0.0722].reduce((sum, w, k) => {
  const v = c[k] / 255; return sum + w * (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); }, 0);
const ground = new Map();
const behind = e => {
  if (!e) return [255, 255, 255, 1];
  if (!ground.has(e)) {
    const own = rgba(getComputedStyle(e).backgroundColor);
    ground.set(e, own[3] == 1 ? own : over(own, behind(e.parentElement)));
  }
  return ground.get(e);
};
const faded = e => e ? getComputedStyle(e).opacity * faded(e.parentElement) : 1;
const done = new Set();
for (const node of texts) {
  const e = node.parentElement, style = getComputedStyle(e);
  const key = [e.className, style.color, behind(e), faded(e), style.fontSize].join();
  if (done.has(key) || !visible(e) || e.closest('[disabled], [aria-hidden=true], .visually-hidden')) continue;
  done.add(key);
  const below = behind(e), ink = [...rgba(style.color)];
  ink[3] *= faded(e);
  const [a, b] = [light(over(ink, below)), light(below)], ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
  if (ratio < (large ? 3 : 4.5))
    say('contrast', ratio.toFixed(1) + ':', e.tagName.toLowerCase() + '.' + e.className, JSON.stringify(brief(e)));
}
return [...found];
"""
SETTLE = """
const done = arguments[arguments.length - 1];
Promise.resolve(window.MathJax && MathJax.startup && MathJax.startup.promise).then(() => document.fonts.ready)
  .then(() => setTimeout(done, 50));
"""


class Browser:
    """A headless Chromium that can reach nothing but this machine, and what it noticed on its way."""

    def __init__(self, downloads):
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        arguments = ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
        arguments += ["--disable-background-networking", "--disable-component-update", "--no-first-run"]
        arguments += ["--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost"]
        arguments += ["--no-sandbox"] * (os.geteuid() == 0)  # Chromium refuses to run as root with one
        for argument in arguments:
            options.add_argument(argument)
        self.driver = webdriver.Chrome(options=options, service=Service(DRIVER))
        self.driver.set_script_timeout(60)
        self.command("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(downloads))

    def command(self, name, **arguments):
        return self.driver.execute_cdp_cmd(name, arguments)

    def look(self, width, theme):
        """Set the width of the screen and the colours its owner prefers."""
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        self.command(
            "Emulation.setEmulatedMedia",
            features=[
                {"name": "prefers-color-scheme", "value": theme},
                {"name": "prefers-reduced-motion", "value": "reduce"},  # no colours half way
            ],
        )

    def load(self, address, width=1280, theme="light"):
        """Load a page and wait for its formulas. Problems of the network and of scripts, as sentences."""
        self.open(address, width, theme)
        self.driver.execute_async_script(SETTLE)
        return self.noticed(address)

    def open(self, address, width=1280, theme="light"):
        """Go to a page, forgetting what was noticed before."""
        for log in ("performance", "browser"):
            self.driver.get_log(log)
        self.look(width, theme)
        self.driver.get(address)

    def noticed(self, address) -> list[str]:
        """What the network and the console had to say since the last call."""
        origin = address if address.startswith("file:") else "/".join(address.split("/")[:3]) + "/"
        origin = "file:///" if address.startswith("file:") else origin
        found, asked = [], {}
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            event, data = message["method"], message["params"]
            if event == "Network.requestWillBeSent":
                asked[data["requestId"]] = url = data["request"]["url"]
                if not url.startswith((origin, "data:", "blob:")):
                    found.append(f"request to another host: {url}")
            elif event == "Network.loadingFailed" and not data.get("canceled"):
                found.append(f"request failed: {asked.get(data['requestId'], '?')[:100]}")
            elif event == "Network.responseReceived" and data["response"]["status"] >= 400:
                found.append(f"request failed: {data['response']['url']} ({data['response']['status']})")
        for entry in self.driver.get_log("browser"):
            if entry["level"] == "SEVERE":
                found.append(f"console: {entry['message']}")
        return found

    def inspect(self, width, theme) -> list[str]:
        """Problems of the page that is open, in this state."""
        self.look(width, theme)
        self.driver.execute_async_script(SETTLE)
        found = self.driver.execute_script(INSPECT)
        if (shown := self.driver.execute_script("return document.documentElement.dataset.theme")) != theme:
            found.append(f"asked for {theme}, shows {shown}")
        return found

    def sliders(self) -> list[str]:
        """Problems of the sliders: each must be labelled and follow the keyboard from frame to frame."""
        from selenium.webdriver.common.by import By
        from selenium.webdriver.common.keys import Keys

        found = []
        for control in self.driver.find_elements(By.CSS_SELECTOR, "article input[type=range]"):
            name = control.get_attribute("aria-label") or ""
            if len(name) < 15:
                found.append(f"slider without a label: {name!r}")
            seen = [self._frame(control)]
            for key in (Keys.ARROW_RIGHT, Keys.END):
                control.send_keys(key)
                seen.append(self._frame(control))
            if len(set(seen)) < 3 or any(shown != 1 for shown, _, _ in seen):
                found.append(f"slider does not respond: {name[:40]!r}")
        return found

    def _frame(self, control) -> tuple:
        """How many frames show, the alt text of the first that does, and the words beside the slider."""
        return tuple(
            self.driver.execute_script(
                "const box = arguments[0].parentElement, shown = [...box.querySelectorAll('img')]"
                ".filter(x => x.checkVisibility());"
                "return [shown.length, shown.length ? shown[0].alt : '', box.querySelector('output')?.textContent]",
                control,
            )
        )

    def problems(self, address) -> list[str]:
        """Everything that is wrong with a page, in all four states."""
        found = self.load(address)
        for width, theme in STATES:
            found += [f"{problem} ({width}, {theme})" for problem in self.inspect(width, theme)]
        found += self.sliders()
        return list(dict.fromkeys(found + self.noticed(address)))


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    return built_pages(tmp_path_factory)


@pytest.fixture(scope="module")
def server(pages):
    """The address of the built site on this machine."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(pages))
    with http.server.ThreadingHTTPServer(("localhost", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://localhost:{running.server_port}"
        running.shutdown()


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def browser(downloads):
    running = Browser(downloads)
    yield running
    running.driver.quit()


def test_every_page_without_a_network(browser, server, pages):
    """At desktop and phone width, light and dark: nothing asked for elsewhere, nothing missing, nothing illegible."""
    names = [path.relative_to(pages).as_posix() for path in sorted(pages.rglob("*.html"))]
    names = [name for name in names if not name.startswith("_static/") and name != "index.html"]
    assert {f"{page}.html" for page in in_toc()} <= set(names)
    wrong = {name: found for name in names if (found := browser.problems(f"{server}/{name}"))}
    assert not wrong, "\n" + "\n".join(f"{name}: {line}" for name, lines in wrong.items() for line in lines)


def test_the_root_leads_to_the_first_page(browser, server, pages):
    """And has an icon: without one a browser that is slow to leave asks for /favicon.ico, which is not there."""
    from selenium.webdriver.support.ui import WebDriverWait

    icon = re.search(r'rel="icon" href="([^"]+)"', (pages / "index.html").read_text())
    assert icon and (pages / icon[1]).is_file()
    browser.open(f"{server}/")
    WebDriverWait(browser.driver, 60).until(lambda driver: driver.current_url.endswith("/book/intro.html"))
    browser.driver.execute_async_script(SETTLE)
    assert browser.noticed(f"{server}/") == []


FAULTS = """
<p id="text">This page has a number of faults. <a href="#text"></a> Left over: $$x^2$$ and \\(y\\).</p>
<h5>A level too deep</h5>
<h1>A second title</h1>
<span class="math notranslate nohighlight">\\(\\frac{1\\)</span>
<span class="math notranslate nohighlight">\\(\\left( x\\)</span>
<span class="math notranslate nohighlight">\\(\\nosuchmacro\\)</span>
<script src="https://cdn.example.org/library.js"></script>
<script src="missing.js"></script>
<script>undefinedFunction();</script>
<img src="missing.png" alt="A picture that is not there">
<img src="../_static/favicon.svg" alt="../_images/0a1b2c3d4e5f60718293a4b5c6d7e8f9.png">
<p style="color: #999; background: white">Pale words</p>
<div style="opacity: 0.4">Faded words</div>
<div style="width: 900px">As wide as a desk</div>
<p><input type="range" min="0" max="3" value="0"></p>
"""
SEEN = [
    "nothing says what this does: <a",
    "TeX left over: Left over: $$x^2$$",
    "TeX left over: \\(\\frac{1",
    "formula not rendered: \\(\\frac{1",
    "formula with an error: Extra",
    "formula with an error:  (",  # an unknown macro, in red
    "heading level skipped: h1 to h5",
    "not one h1: 2",
    "formula with an error: ",
    "request to another host: https://cdn.example.org/library.js",
    "request failed: https://cdn.example.org/library.js",
    "request failed: http://localhost:",
    "console: ",
    "image not loaded: missing.png",
    'alt text not written: "../_images/0a1b',
    'contrast 2.8: p. "Pale words"',
    'div. "Faded words"',
    "sticks out: DIV As wide as a desk (390",
    "page wider than the screen: ",
    "nothing says what this does: <input",
    "slider without a label: ''",
    "slider does not respond: ''",
]


def test_every_fault_is_seen(browser, server, pages):
    """The faults below the title of a page that is fine: each is named, and nothing else."""
    head, body = (pages / "book" / "notation.html").read_text().split("<article", 1)
    (pages / "book" / "faults.html").write_text(head + "<article" + body.replace("</h1>", "</h1>" + FAULTS, 1))
    try:
        found = browser.problems(f"{server}/book/faults.html")
    finally:
        (pages / "book" / "faults.html").unlink()
    assert [fault for fault in SEEN if not any(fault in line for line in found)] == [], "\n".join(found)
    assert [line for line in found if not any(fault in line for fault in SEEN)] == []


def test_a_slider_that_works_is_not_a_fault(browser, server, pages):
    """With scripts the frames follow the keys. Without, the first one stays, and its words."""
    pixel = (BOOK / "one_temperature.png").read_bytes()
    made = slider.text([pixel] * 3, ["T = 1", "T = 2", "T = 3"], "The same picture three times at", "same")
    page = (
        "<!doctype html><html lang=en><title>Slider</title><article><h1>Slider</h1><div><div>{}</div></div></article>"
    )
    (pages / "slider.html").write_text(page.format(made))
    try:
        browser.load(f"{server}/slider.html", 390)
        assert browser.sliders() == []
        frame = browser.driver.execute_script("return document.querySelector('img').getBoundingClientRect().right")
        assert frame <= 390
        browser.command("Emulation.setScriptExecutionDisabled", value=True)
        browser.driver.get(f"{server}/slider.html")
        shown = [image.is_displayed() for image in browser.driver.find_elements("css selector", "img")]
        assert shown == [True, False, False]
        assert browser.driver.find_element("css selector", "output").text == "T = 1"
    finally:
        browser.command("Emulation.setScriptExecutionDisabled", value=False)
        (pages / "slider.html").unlink()


def test_a_page_opened_as_a_file(browser, pages):
    """Without any server: formulas, pictures and scripts come from the folder."""
    assert browser.problems((pages / "book" / "notation.html").as_uri()) == []


def test_the_search_works_without_a_server_of_its_own(browser, server):
    """A word of the book finds pages; nonsense finds none."""
    from selenium.webdriver.support.ui import WebDriverWait

    for word, some in (("Kaufman", True), ("xyzzyplugh", False)):
        assert browser.load(f"{server}/search.html?q={word}") == []
        done = "return /[Ff]inished|did not match/.test(document.querySelector('#search-results').textContent)"
        WebDriverWait(browser.driver, 20).until(lambda driver, done=done: driver.execute_script(done))
        links = browser.driver.find_elements("css selector", "#search-results a")
        assert bool(links) is some, word


def test_each_chapter_hands_out_its_notebook(browser, server, pages, downloads):
    """The link below the download button is there on every chapter; a click on one of them delivers the notebook.

    The notebook is the committed one for an editor: code and outputs as they are, the text without MyST.
    """
    import urllib.request

    from selenium.webdriver.support.ui import WebDriverWait

    book = editor.Book(BOOK)
    for name, chapter in ((chapter.name, chapter) for chapter in chapters()):
        expected = nbformat.writes(editor.plain(chapter.notebook, name, book)) + "\n"
        address, file = f"{server}/book/{name}.html", f"{name}.ipynb"
        assert f'href="../_sources/book/{file}"' in (pages / "book" / f"{name}.html").read_text(), name
        with urllib.request.urlopen(f"{server}/_sources/book/{file}") as answer:
            same = answer.read().decode() == expected
        # not compared in the assert: to print how two notebooks differ takes minutes
        assert same, f"{file}: not the committed notebook"
    browser.load(address)
    browser.driver.find_element("css selector", ".dropdown-download-buttons > button").click()
    browser.driver.find_element("css selector", ".btn-download-source-button").click()
    arrived = downloads / file
    WebDriverWait(browser.driver, 20).until(lambda _: arrived.exists())
    same = arrived.read_text(encoding="utf-8") == expected
    assert same, f"{file}: not the committed notebook"


def test_the_book_as_one_file(browser, pages, tmp_path):
    """Two pages in one document, opened where nothing else is: formulas and pictures are in it."""
    document = tmp_path / "book.html"
    document.write_text(single.html(pages, ["book/intro", "book/notation"]))
    assert browser.load(document.as_uri()) == []
    for width in (1280, 390):
        found = [line for line in browser.inspect(width, "light") if not line.startswith("not one h1: 2")]
        assert found == []
