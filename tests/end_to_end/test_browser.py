"""GraphiQL as a person meets it: the system's Chromium against real gateways."""

import contextlib
import gc
import itertools
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

from tests.pair import serving
from tests.processes import ROOT, started
from tests.tokens import IdentityProvider
from tests.unmeasured import unmeasured
from tests.waiting import PATIENCE

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
NO_CARD = "123e4567-e89b-12d3-a456-426614174000"
# What Chromium itself logs, whatever the page then does with such an answer.
REFUSED = "Failed to load resource: the server responded with a status of 401 (Unauthorized)"
TEXTS = """() => [...document.querySelectorAll(".CodeMirror")]
  .map(one => one.CodeMirror.getValue()).join("\\n")"""
# Wherever a page can keep something for its next visit, and its address.
KEPT = """async () => [
  ...Object.entries(localStorage),
  ...Object.entries(sessionStorage),
  document.cookie,
  ...(await indexedDB.databases()),
  ...(await caches.keys()),
  ...(await navigator.serviceWorker.getRegistrations()),
  JSON.stringify(history.state),
  location.pathname + location.search + location.hash,
]"""
NOTHING_KEPT = ["", "null", "/graphql"]
# A tenth of a second after a tab is opened or a key pressed GraphiQL looks which operations there
# are; until then it asks for the one from before. Nobody is so fast, but Playwright is.
OPERATION_KNOWN = r"""() => {
  const editor = document.querySelector(".graphiql-query-editor .CodeMirror").CodeMirror;
  const named = editor.getValue().match(/^(?:query|mutation) (\w+)/m);
  return editor.operationName === (named ? named[1] : null);
}"""

CAPTURE, RELEASE = "SimulateAuthorisationCapture", "SimulateAuthorisationRelease"
ASKED_AT_MOST = 1000  # for what takes place a moment later

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None, reason="Chromium is not installed (on Debian: apt-get install chromium)"
    ),
]


LIMIT = PATIENCE * 1000  # milliseconds
expect.set_options(timeout=LIMIT)


class Visit:
    """GraphiQL on a page, and what it did that it should not."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.origin = origin
        self.complaints: list[str] = []
        page.set_default_timeout(LIMIT)
        page.on("console", lambda message: self._heard(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self._asked(request.url))

    def _heard(self, kind: str, text: str) -> None:
        if kind == "error" or "Content Security Policy" in text:
            self.complaints.append(text)

    def _asked(self, url: str) -> None:
        if not url.startswith((self.origin, "data:", "blob:")):
            self.complaints.append(f"a request left the origin: {url}")

    def load(self) -> None:
        """Load the page, or load it again."""
        self.page.goto(f"{self.origin}/graphql")
        expect(self.page.locator(".graphiql-tab")).not_to_have_count(0)

    def press(self, name: str) -> None:
        """Press the button whose name begins so."""
        self.page.get_by_role("button", name=re.compile(f"^{name}")).click()

    def editor(self, name: str) -> Locator:
        """The editor with this name, once its tab is open."""
        region = self.page.get_by_role("region", name=name)
        return region.locator(".CodeMirror").filter(visible=True)

    def fill(self, name: str, text: str) -> None:
        """Paste a text in the place of what an editor holds."""
        self.editor(name).click()
        self.page.keyboard.press("ControlOrMeta+A")
        self.page.keyboard.insert_text(text)

    def texts(self) -> str:
        """What all editors hold, shown or not."""
        return str(self.page.evaluate(TEXTS))

    def expect_text(self, text: str) -> None:
        """Wait until an editor holds this text."""
        self.page.wait_for_function(f"text => ({TEXTS})().includes(text)", arg=text)

    def open_tab(self, number: int) -> None:
        """Choose one of the ready tabs, from 1."""
        self.page.locator(".graphiql-tab-button").nth(number - 1).click()

    def open_tab_of(self, operation: str) -> None:
        """Choose the ready tab of an operation."""
        tabs = self.page.locator(".graphiql-tab-button")
        tabs.filter(has_text=re.compile(f"^{operation}$")).click()

    def run_tab(self, operation: str, answer: str) -> None:
        """Run the ready tab of an operation, again until its answer holds this text."""
        self.open_tab_of(operation)
        for _ in range(ASKED_AT_MOST):
            with self.page.expect_response("**/graphql") as answered:
                self.run()
            if answer in answered.value.text():
                break
        self.expect_answer(answer.replace('":', '": '))

    def run(self) -> None:
        """Press the play button, as soon as GraphiQL knows which operation is meant."""
        self.page.wait_for_function(OPERATION_KNOWN)
        self.press("Execute query")

    def expect_answer(self, text: str) -> None:
        """Wait until the answer pane holds this text."""
        expect(self.page.locator(".result-window")).to_contain_text(text)


@contextlib.contextmanager
def visiting(origin: str) -> Iterator[Visit]:
    """GraphiQL, loaded in a browser that knows nothing yet."""
    with sync_playwright() as playwright:
        sandbox = [] if os.geteuid() else ["--no-sandbox"]  # root cannot have the sandbox
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*QUIET, *sandbox], timeout=LIMIT
        )
        visit = Visit(browser.new_page(viewport={"width": 1280, "height": 760}), origin)
        visit.load()
        yield visit
        browser.close()
    # Its greenlets end here, and not while another test compiles a module: CPython 3.11 would take
    # the change of stacks for an error.
    del visit, browser, playwright
    gc.collect()


@pytest.fixture
def visit() -> Iterator[Visit]:
    """GraphiQL on `gateway dev`."""
    with (
        unmeasured(),
        started("dev", "--port", "0", "--activation-delay", "0") as dev,
        visiting(dev.wait_for(r"http://[\d.]+:\d+")[0]) as visit,
    ):
        yield visit


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
    if os.environ.get("TEST_PICTURE"):
        shutil.copy(tmp_path / "graphiql.png", PICTURE)
    assert visit.complaints == []


@pytest.mark.parametrize("step", [2, 3, 5])
def test_a_later_step_asks_for_the_first(visit: Visit, step: int) -> None:
    """Without a card later tabs send nothing and say to run step 1 first; after it they run."""
    sent: list[str] = []
    visit.page.on("request", lambda request: sent.append(request.url))
    visit.open_tab(step)
    visit.run()
    visit.expect_answer("Run step 1 first")
    assert sent == []

    visit.open_tab(1)
    visit.run()
    visit.expect_answer('"status": "ISSUING"')
    visit.open_tab(step)
    visit.run()
    visit.expect_answer(
        {2: "SimulateCardIssueSuccess", 3: '"maskedPan"', 5: '"replayed": true'}[step]
    )
    assert visit.complaints == []


def test_a_card_lives_and_ends_in_graphiql(visit: Visit) -> None:
    """One visit spends with a card, freezes, unfreezes and ends it; ids go from tab to tab."""
    for settlement in CAPTURE, RELEASE:
        visit.open_tab_of(settlement)
        visit.run()
        visit.expect_answer("Run the tab SimulateCardAuthorisation first")
    visit.run_tab("IssueVirtualCard", '"status":"ISSUING"')
    visit.run_tab("SimulateCardIssueFailure", "SimulateCardIssueFailureSuccess")
    visit.run_tab("Card", '"status":"ISSUE_FAILED"')
    visit.run_tab("IssueVirtualCard", '"status":"ISSUING"')
    visit.run_tab("SimulateCardIssue", "SimulateCardIssueSuccess")
    for settlement in CAPTURE, RELEASE:
        visit.run_tab("SimulateCardAuthorisation", '"status":"PENDING"')
        visit.run_tab(settlement, f"{settlement}Success")
    visit.run_tab("Transactions", '"direction":"DEBIT"')
    visit.run_tab("DeactivateCard", '"status":"INACTIVE"')
    visit.run_tab("SimulateCardAuthorisation", '"code":"INVALID_STATE"')
    visit.expect_answer('"status": "INACTIVE"')
    visit.run_tab("ActivateCard", '"status":"ACTIVE"')
    visit.run_tab("TerminateCard", '"status":"TERMINATED"')
    visit.run_tab("Cards", '"status":"TERMINATED"')
    visit.expect_answer('"status": "ISSUE_FAILED"')
    assert visit.complaints == []


def test_panes_stand_one_below_the_other_on_a_phone(visit: Visit, tmp_path: Path) -> None:
    """On 390 × 844 pixels query, variables and answer share the width, all within the page."""
    visit.page.set_viewport_size({"width": 390, "height": 844})
    visit.load()
    visit.run()
    visit.expect_answer('"status": "ISSUING"')
    visit.page.screenshot(path=tmp_path / "phone.png")
    panes = [
        box_of(visit.editor("Query Editor")),
        box_of(visit.editor("Variables")),
        box_of(visit.page.locator(".result-window")),
    ]
    assert all(left >= 0 and left + width <= 390 for left, _, width, _ in panes), panes
    assert all(width >= 300 and height >= 150 for _, _, width, height in panes), panes
    assert all(upper[1] + upper[3] <= lower[1] for upper, lower in itertools.pairwise(panes)), panes
    assert panes[-1][1] + panes[-1][3] <= 844, panes
    assert visit.page.evaluate("document.scrollingElement.scrollWidth") <= 390
    for tab in visit.page.locator(".graphiql-tab-button").all():
        tab.scroll_into_view_if_needed()
        left, _, width, _ = box_of(tab)
        assert left + width <= 390


def test_the_docs_take_the_place_of_the_panes_on_a_phone(visit: Visit) -> None:
    """Opened on a phone the documentation has the page's width, and gives it back when closed."""
    visit.page.set_viewport_size({"width": 390, "height": 844})
    visit.load()
    visit.press("Show Documentation Explorer")
    docs = visit.page.get_by_role("region", name="Documentation Explorer")
    expect(docs.get_by_role("link", name="Query", exact=True)).to_be_in_viewport()
    assert box_of(visit.page.locator(".graphiql-plugin"))[2] == 390
    visit.press("Hide Documentation Explorer")
    assert box_of(visit.editor("Query Editor"))[2] >= 300
    visit.run()
    visit.expect_answer('"status": "ISSUING"')


def box_of(element: Locator) -> tuple[float, float, float, float]:
    """Left, top, width and height of what an element shows, in pixels."""
    box = element.bounding_box()
    assert box is not None
    return box["x"], box["y"], box["width"], box["height"]


def test_a_query_is_completed_and_its_docs_are_shown(visit: Visit) -> None:
    """The docs explorer explains the schema; what is typed is completed from it, and runs."""
    visit.press("Show Documentation Explorer")
    docs = visit.page.get_by_role("region", name="Documentation Explorer")
    docs.get_by_role("link", name="Query", exact=True).click()
    expect(docs).to_contain_text("A card by its id; null when there is no such card.")

    query = visit.editor("Query Editor")
    query.click()
    visit.page.keyboard.press("ControlOrMeta+A")
    visit.page.keyboard.type("{ ca")
    visit.page.locator(".CodeMirror-hints").get_by_text("card", exact=True).wait_for()
    visit.page.keyboard.press("Enter")
    visit.page.keyboard.type(f'(id: "{NO_CARD}") {{ status }}')
    expect(query).to_contain_text(f'{{ card(id: "{NO_CARD}") {{ status }}')
    visit.run()
    visit.expect_answer('"card": null')
    assert visit.complaints == []


def test_a_token_is_sent_and_kept_nowhere(tmp_path: Path) -> None:
    """The token of the headers editor lets its owner in; no storage of the browser ever holds it,
    and after a reload the page has forgotten it."""
    idp = IdentityProvider(tmp_path)
    jwt = {name: str(value) for name, value in idp.settings().items()}
    with (
        unmeasured(),
        serving(tmp_path, **jwt, graphiql="true", introspection="true") as both,
        visiting(both.url) as visit,
    ):
        visit.run()
        visit.expect_answer("NOT_AUTHENTICATED")
        visit.press("Headers")
        token = idp.token()
        visit.fill("Headers", f'{{"Authorization": "Bearer {token}"}}')
        visit.expect_text(token)
        assert set(visit.complaints) == {REFUSED}
        visit.complaints.clear()

        visit.run()
        visit.expect_answer('"status": "ISSUING"')
        visit.press("Re-fetch GraphQL schema")
        visit.press("Show Documentation Explorer")
        expect(visit.page.get_by_role("link", name="Query", exact=True)).to_be_visible()
        assert visit.complaints == []
        assert visit.page.evaluate(KEPT) == NOTHING_KEPT

        visit.load()
        assert token not in visit.texts()
        visit.run()
        visit.expect_answer("NOT_AUTHENTICATED")
        assert set(visit.complaints) == {REFUSED}
        assert visit.page.evaluate(KEPT) == NOTHING_KEPT
        assert visit.page.context.cookies() == []
