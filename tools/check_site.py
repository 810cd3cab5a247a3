"""Check the built site: every link and picture is there, every page fits a desk and a phone.

    python -m tools.check_site [--browser] site

Addresses of other sites are not fetched. `--browser` opens pages in Chromium (Selenium).
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urlsplit

__all__ = ["check_links", "main"]

WIDTHS = (1280, 390)
LOOKED_AT = (
    *("index", "tutorial", "commands", "audit", "api", "types", "ci", "platforms"),
    *("how-a-call-travels", "commands/idoldbg-call", "commands/idoldbg-farm"),
    *("python/idoldbg.device", "idol-rules/no-access"),
)
SEARCHED = "stackmargin"


class _Page(HTMLParser):
    """What a page links to, and the anchors that it has."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value is None:
                continue
            if name in ("href", "src"):
                self.links.append(value)
            elif name == "id" or (tag == "a" and name == "name"):
                self.anchors.add(value)


def _read(path: Path) -> _Page:
    page = _Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def check_links(site: Path) -> Iterator[str]:
    """Yield a sentence for each link inside of the site that leads nowhere."""
    pages = {path.resolve(): _read(path) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        shown = path.relative_to(site.resolve())
        if shown.name == "404.html":  # its links are for wherever it is shown
            continue
        for link in page.links:
            address, anchor = urldefrag(link)
            if urlsplit(link).scheme:
                continue
            target = (path.parent / unquote(address)).resolve() if address else path
            if not target.exists():
                yield f"{shown}: {link} leads nowhere"
            elif (
                anchor
                and target in pages
                and unquote(anchor) not in pages[target].anchors
                and not anchor.startswith("__")  # made by the theme's script
            ):
                yield f"{shown}: {link}: there is no such place on that page"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of each request."""


def check_in_browser(site: Path) -> Iterator[str]:
    """Yield what is wider than the window, and what the console says."""
    handler = partial(_Quiet, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield from _open_browser(f"http://127.0.0.1:{server.server_port}")
        server.shutdown()


def _open_browser(address: str) -> Iterator[str]:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService("/usr/bin/chromedriver")
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield from _look(driver, address)
    finally:
        driver.quit()


def _look(driver: Any, address: str) -> Iterator[str]:
    for width in WIDTHS:
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        for name in LOOKED_AT:
            driver.get(f"{address}/{name}.html")
            wide = driver.execute_script("return document.documentElement.scrollWidth")
            if wide > width:
                yield f"{name}: {wide} pixels wide in a window of {width}"
            broken = driver.execute_script(
                "return [...document.images].filter(i => i.complete && !i.naturalWidth).length"
            )
            if broken:
                yield f"{name}: {broken} pictures do not load"
            for entry in driver.get_log("browser"):
                yield f"{name}: {entry['message'][:200]}"
    yield from _search(driver, address)


def _search(driver: Any, address: str) -> Iterator[str]:
    from selenium.common.exceptions import TimeoutException
    from selenium.webdriver.support.ui import WebDriverWait

    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    driver.set_window_size(1280, 900)
    driver.get(f"{address}/index.html?q={SEARCHED}")
    try:
        WebDriverWait(driver, 30).until(
            lambda d: d.find_elements("css selector", ".md-search-result__link")
        )
    except TimeoutException:
        yield f"the search finds nothing for `{SEARCHED}`"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Check the built documentation site.")
    parser.add_argument("site", type=Path)
    parser.add_argument("--browser", action="store_true")
    options = parser.parse_args(arguments)
    if not (options.site / "index.html").is_file():
        sys.exit(f"{options.site}: has no site: `make site` builds it")
    problems = list(check_links(options.site))
    if options.browser:
        problems += check_in_browser(options.site)
    for problem in problems:
        print(problem)
    pages = len(list(options.site.rglob("*.html")))
    print(f"{pages} pages, {len(problems)} problems", end="")
    print(f"; {len(LOOKED_AT)} looked at in Chromium, {WIDTHS} wide" if options.browser else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
