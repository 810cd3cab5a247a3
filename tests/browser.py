"""A real browser for HTML reports: Debian's Chromium, driven by Selenium.

    def test_report(browser, tmp_path):
        page = browser.open(path_of_report)
        assert page.texts("h1") == ["all is well"]

`page.requests()` is what the page loads besides itself, `page.problems()` what its console says:
of a self-contained report, nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tools import need

__all__ = ["Browser", "browser"]


class Browser:
    """One window; `driver` is Selenium's."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, path: Path, *, width: int = 1280, height: int = 900) -> Browser:
        """Show a file."""
        self.driver.set_window_size(width, height)
        self.driver.get(path.absolute().as_uri())
        return self

    def text_of(self, selector: str) -> list[str]:
        """Return the visible text of each element that a CSS selector finds and that is shown."""
        found = self.driver.find_elements("css selector", selector)
        return [element.text for element in found if element.is_displayed()]

    def click(self, selector: str) -> None:
        """Click the first element that a CSS selector finds."""
        self.driver.find_element("css selector", selector).click()

    def type(self, selector: str, text: str) -> None:
        """Type into a field."""
        self.driver.find_element("css selector", selector).send_keys(text)

    def script(self, code: str) -> Any:
        """Run JavaScript (`return …` gives a value)."""
        return self.driver.execute_script(code)

    def screenshot(self, path: Path) -> None:
        """Write the whole page as a PNG, not just what fits the window."""
        size = self.script("return [innerWidth, document.documentElement.scrollHeight]")
        self.driver.set_window_size(size[0], min(size[1] + 150, 8000))
        path.parent.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(path))

    def problems(self) -> list[str]:
        """Return what the page's console says beyond mere remarks, such as failed requests."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Return the addresses of everything that the page has loaded besides itself."""
        found: list[str] = self.script(
            "return performance.getEntriesByType('resource').map((e) => e.name)"
        )
        return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A browser, or a skip that says what is missing."""
    chromium = need("chromium", "chromedriver", of="chromium chromium-driver")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(
        options=options, service=webdriver.ChromeService(shutil.which("chromedriver"))
    )
    driver.set_page_load_timeout(60)
    yield Browser(driver)
    driver.quit()
