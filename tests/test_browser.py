"""GraphiQL as a person meets it: the system's Chromium against a real `gateway dev`."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.processes import ROOT, started

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# Chromium's own background traffic has nothing to do with the page.
QUIET = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PICTURE = ROOT / "docs" / "graphiql.png"

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is not installed (on Debian: apt-get install chromium)"
)


class Visit:
    """A page on `gateway dev`, and what it did that it should not."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.origin = origin
        self.complaints: list[str] = []
        page.on("console", lambda message: self._heard(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self._asked(request.url))

    def _heard(self, kind: str, text: str) -> None:
        if kind == "error" or "Content Security Policy" in text:
            self.complaints.append(text)

    def _asked(self, url: str) -> None:
        if not url.startswith((self.origin, "data:", "blob:")):
            self.complaints.append(f"a request left the origin: {url}")

    def open_tab(self, number: int) -> None:
        """Choose one of the ready tabs, from 1."""
        self.page.locator(".graphiql-tab-button").nth(number - 1).click()

    def run(self) -> None:
        """Press the play button."""
        self.page.get_by_role("button", name=re.compile("^Execute query")).click()

    def expect_answer(self, text: str) -> None:
        """Wait until the answer pane holds this text."""
        expect(self.page.locator(".result-window")).to_contain_text(text, timeout=15_000)


@pytest.fixture
def visit() -> Iterator[Visit]:
    """GraphiQL, loaded."""
    with started("dev", "--port", "0", "--activation-delay", "0") as dev:
        origin = dev.wait_for(r"http://[\d.]+:\d+")[0]
        with sync_playwright() as playwright:
            sandbox = [] if os.geteuid() else ["--no-sandbox"]  # root cannot have the sandbox
            browser = playwright.chromium.launch(
                executable_path=CHROMIUM, args=[*QUIET, *sandbox]
            )
            page = browser.new_page(viewport={"width": 1280, "height": 760})
            visit = Visit(page, origin)
            page.goto(f"{origin}/graphql")
            expect(page.locator(".graphiql-tab")).to_have_count(3, timeout=15_000)
            yield visit
            browser.close()


def test_the_three_steps_in_graphiql(visit: Visit, tmp_path: Path) -> None:
    """The ready tabs issue, simulate and read a card ACTIVE; nothing leaves the origin."""
    visit.run()
    visit.expect_answer('"status": "ISSUING"')
    visit.open_tab(2)
    visit.run()
    visit.expect_answer("SimulateCardIssueSuccess")
    visit.open_tab(3)
    visit.run()
    visit.expect_answer('"status": "ACTIVE"')
    visit.expect_answer("530518******")
    visit.page.screenshot(path=tmp_path / "graphiql.png")
    if os.environ.get("GATEWAY_PICTURE"):
        shutil.copy(tmp_path / "graphiql.png", PICTURE)
    assert visit.complaints == []
