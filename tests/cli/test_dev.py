"""`gateway dev`: options alone, loopback names on any address, and pages of this machine."""

from collections.abc import Iterator

import httpx
import pytest

from tests.processes import Process, started

# What a developer's production settings may look like. None of it is for `gateway dev`.
EXPORTED = {
    "GATEWAY_DOCUMENTS_MODE": "only",
    "GATEWAY_DOCUMENT_MODE": "only",
    "GATEWAY_AUTH": "jwt",
    "GATEWAY_PORT": "x",
    "GATEWAY_PROVIDER_URL": "https://api.offblocks.xyz/v1",
    "GATEWAY_SECRETS_DIR": "/nowhere",
    "GATEWAY_INTROSPECTION": "false",
    "GATEWAY_ALLOWED_HOSTS": '["shop.example"]',
    "GATEWAY_CORS_ORIGINS": '["https://shop.example"]',
}


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """`gateway dev` on all addresses, with one more host name, amid settings and a bad .env."""
    folder = tmp_path_factory.mktemp("dev")
    (folder / ".env").write_bytes(b"\xffGATEWAY_GRAPHIQL=false\n")
    arguments = ["--host", "0.0.0.0", "--port", "0", "--allowed-host", "Laptop.example"]  # noqa: S104
    with started("dev", *arguments, cwd=str(folder), **EXPORTED) as process:
        yield process


@pytest.fixture(scope="module")
def url(dev: Process) -> str:
    """The address that it prints."""
    return dev.wait_for(r"http://\S+(?=/graphql)")[0]


@pytest.fixture
def browser(url: str) -> Iterator[httpx.Client]:
    """A client at the printed address."""
    with httpx.Client(base_url=url, trust_env=False) as client:
        yield client


@pytest.mark.process
def test_the_printed_address_can_be_opened(url: str, browser: httpx.Client) -> None:
    """Bound to all addresses, it prints one that a browser can open, and answers there."""
    assert url.startswith("http://127.0.0.1:")
    page = browser.get("/graphql", headers={"Accept": "text/html"})
    assert "GraphiQL" in page.text


@pytest.mark.process
def test_no_setting_reaches_it(browser: httpx.Client) -> None:
    """Exported settings, misspelt ones and .env have no effect: any document runs."""
    answer = browser.post("/graphql", json={"query": "{ __schema { queryType { name } } }"})
    assert answer.json()["data"] == {"__schema": {"queryType": {"name": "Query"}}}


@pytest.mark.process
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8000", 200),
        ("LOCALHOST", 200),
        ("127.0.0.1:8000", 200),
        ("127.1.2.3:80", 200),
        ("[::1]:8000", 200),
        ("app.localhost:3000", 200),
        ("laptop.example:8000", 200),
        ("shop.example", 400),
        ("localhost.example", 400),
        ("127.0.0.1.example", 400),
        ("evillocalhost", 400),
        ("0.0.0.0:8000", 400),
        ("10.0.0.1:8000", 400),
        ("[::2]:8000", 400),
        ("", 400),
    ],
)
def test_hosts(browser: httpx.Client, host: str, status: int) -> None:
    """Loopback names are answered on any address, others only when they are allowed."""
    assert browser.get("/healthz", headers={"Host": host}).status_code == status


@pytest.mark.process
def test_a_single_address_is_answered_by_itself() -> None:
    """Bound to one address, dev prints it and answers to it, and not to all."""
    with started("dev", "--host", "127.0.0.2", "--port", "0") as process:
        where = process.wait_for(r"http://\S+(?=/graphql)")[0]
        assert where.startswith("http://127.0.0.2:")
        assert httpx.get(f"{where}/healthz", trust_env=False).status_code == 200
        evil = httpx.get(f"{where}/healthz", headers={"Host": "evil.example"}, trust_env=False)
        assert evil.status_code == 400


ORIGINS = [
    ("http://localhost:5173", True),
    ("https://localhost:5173", True),
    ("http://localhost", True),
    ("http://app.localhost:3000", True),
    ("http://a.b.localhost", True),
    ("http://127.0.0.1:8080", True),
    ("http://[::1]:5173", True),
    ("https://shop.example", False),
    ("http://localhost.example", False),
    ("http://localhost:5173.example", False),
    ("http://evillocalhost:5173", False),
    ("http://127.0.0.1.example", False),
    ("http://10.0.0.1:5173", False),
    ("http://localhost:5173/", False),
    ("file://localhost", False),
    ("null", False),
]


@pytest.mark.process
@pytest.mark.parametrize(("origin", "allowed"), ORIGINS)
def test_pages_of_this_machine_may_ask(browser: httpx.Client, origin: str, allowed: bool) -> None:
    """A page of a loopback origin may post JSON and read answer and request id; no other may."""
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,idempotency-key,authorization",
    }
    preflight = browser.options("/graphql", headers=asked)
    assert (preflight.status_code == 200) is allowed
    answer = browser.post("/graphql", json={"query": "{__typename}"}, headers={"Origin": origin})
    for one in (preflight, answer):
        assert (one.headers.get("access-control-allow-origin") == origin) is allowed
    assert "X-Request-Id" in answer.headers["access-control-expose-headers"]


@pytest.mark.process
@pytest.mark.parametrize(("origin", "status"), [("http://localhost:5173", 200), ("null", 403)])
def test_they_may_ask_by_get_too(browser: httpx.Client, origin: str, status: int) -> None:
    """A query by GET, which needs no preflight, is for the same origins."""
    headers = {"Origin": origin, "Sec-Fetch-Site": "same-site"}
    answer = browser.get("/graphql?query={__typename}", headers=headers)
    assert answer.status_code == status


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.process
def test_a_browser_is_sent_on_from_the_root(browser: httpx.Client) -> None:
    """`/` leads a browser to GraphiQL, by a path that holds behind any host and port."""
    answer = browser.get("/", headers={"Accept": BROWSER})
    assert (answer.is_redirect, answer.headers["location"]) == (True, "/graphql")
    assert "GraphiQL" in browser.get("/", headers={"Accept": BROWSER}, follow_redirects=True).text


@pytest.mark.process
@pytest.mark.parametrize(
    ("method", "accept"),
    [("GET", "*/*"), ("GET", "application/json"), ("GET", ""), ("POST", BROWSER)],
)
def test_programs_find_nothing_at_the_root(browser: httpx.Client, method: str, accept: str) -> None:
    """`/` is 404 in JSON for whoever is no browser."""
    answer = browser.request(method, "/", headers={"Accept": accept})
    assert (answer.status_code, answer.json()["errors"][0]["message"]) == (404, "Not Found")
