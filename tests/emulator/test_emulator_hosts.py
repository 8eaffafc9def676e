"""Which hosts the emulator answers to: a page that rebinds its name to our address gets nothing."""

import http.client
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

import httpx
import pytest

from gateway.emulator import EmulatorOptions, create_emulator
from tests.emulator_client import API_KEY, API_SECRET
from tests.processes import started

OTHER = "the emulator does not answer to this Host: --allowed-host adds a name"
MALFORMED = "Host is not a name or address with an optional port"
ONE = "the request must have exactly one Host"
PATHS = [
    ("GET", "/v1/cards"),
    ("POST", "/v1/auth/token"),
    ("PUT", "/_emulator/faults"),
    ("GET", "/_emulator/ledger"),
    ("PUT", "/_emulator/cards/123e4567-e89b-12d3-a456-426614174000"),
    ("GET", "/nothing"),
]


async def ask(
    *hosts: str, method: str = "GET", path: str = "/_emulator/faults", error_body: str = "json"
) -> httpx.Response:
    """The answer to a request with these ``Host`` fields; it is bound to an address and a name."""
    options = EmulatorOptions(api_key=API_KEY, api_secret=API_SECRET, error_body=error_body)  # type: ignore[arg-type]
    app = create_emulator(options, hosts=("192.0.2.7", "2001:db8:0::7", "Emulator"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app)) as client:
        request = client.build_request(method, f"http://x{path}", content=b'{"only_call": 7}')
        del request.headers["host"]
        request.headers = httpx.Headers(
            [*request.headers.raw, *((b"host", host.encode("latin-1")) for host in hosts)]
        )
        answer = await client.send(request)
    assert app.state.emulator.fate.faults.only_call == (
        7 if (method, answer.status_code) == ("PUT", 200) else None
    )
    return answer


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LocalHost:8001",
        "emulator.localhost",
        "a.b.localhost:1",
        "127.0.0.1",
        "127.0.0.1:8001",
        "127.255.3.4:65535",
        "[::1]",
        "[::1]:8001",
        "[0:0:0:0:0:0:0:1]",
        "192.0.2.7:8001",
        "[2001:db8::7]",
        "[2001:DB8:0:0::7]:8001",
        "emulator",
        "EMULATOR:8001",
    ],
)
async def test_loopback_and_allowed_hosts_are_answered(host: str) -> None:
    """Loopback names and addresses, what it is bound to and what was allowed, with any port."""
    assert (await ask(host)).status_code == 200
    assert (await ask(host, method="PUT")).status_code == 200


@pytest.mark.parametrize(
    ("host", "text"),
    [
        ("evil.example", OTHER),
        ("evil.example:8001", OTHER),
        ("localhost.evil.example", OTHER),
        ("127.0.0.1.evil.example", OTHER),
        ("evillocalhost", OTHER),
        ("emulator.evil.example", OTHER),
        ("xemulator", OTHER),
        (".localhost", OTHER),
        ("a..localhost", OTHER),
        ("127.1", OTHER),
        ("2130706433", OTHER),
        ("0177.0.0.1", OTHER),
        ("0.0.0.0", OTHER),  # noqa: S104
        ("192.0.2.8", OTHER),
        ("[2001:db8::8]", OTHER),
        ("[127.0.0.1]", MALFORMED),
        ("[localhost]", MALFORMED),
        ("::1", MALFORMED),
        ("[::1", MALFORMED),
        ("[::1]x", MALFORMED),
        ("localhost:x", MALFORMED),
        ("localhost:1:2", MALFORMED),
        ("evil.example/.localhost", MALFORMED),
        ("evil.example\\.localhost", MALFORMED),
        ("user@localhost", MALFORMED),
        ("evil.example,localhost", MALFORMED),
        ("évil.localhost", MALFORMED),
        ("localhost localhost", MALFORMED),
        ("", MALFORMED),
    ],
)
async def test_other_hosts_are_refused(host: str, text: str) -> None:
    """Another name, also one that looks alike, gets 421; what is no host gets 400."""
    answer = await ask(host)
    status = 421 if text == OTHER else 400
    assert (answer.status_code, answer.json()) == (status, {"error": text})


@pytest.mark.parametrize(
    "hosts", [(), ("localhost", "localhost"), ("localhost", "evil.example"), ("evil.example", "::")]
)
async def test_there_is_exactly_one_host(hosts: Sequence[str]) -> None:
    """RFC 9112 section 3.2: no Host, or more than one, gets 400."""
    answer = await ask(*hosts)
    assert (answer.status_code, answer.json()) == (400, {"error": ONE})


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_nothing_is_reached_under_another_host(method: str, path: str) -> None:
    """Neither the provider's calls nor the control of faults, and the error has the chosen form."""
    answer = await ask("evil.example", method=method, path=path, error_body="text")
    assert (answer.status_code, answer.text) == (421, OTHER)
    assert "date" in answer.headers


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """An emulator that is bound to all addresses and has a name, as in a container."""
    every = "0.0.0.0"  # noqa: S104
    names = ("--allowed-host", "emulator", "--allowed-host", "[2001:db8::1]")
    with started("emulator", "--port", "0", "--host", every, *names) as process:
        yield process.wait_for(r"PROVIDER_URL=(http://127\.0\.0\.1:\d+)/v1")[1]


@pytest.mark.process
@pytest.mark.parametrize(
    ("host", "status"),
    [
        (None, 200),
        ("localhost:8001", 200),
        ("emulator:8001", 200),
        ("0.0.0.0", 200),  # noqa: S104
        ("[2001:db8::1]:1", 200),
        ("provider.test", 421),
        ("evil.example", 421),
        ("192.0.2.1", 421),
    ],
)
def test_the_command_looks_at_the_host(url: str, host: str | None, status: int) -> None:
    """On any bind address: loopback names, that address and what --allowed-host adds."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    connection.request("GET", "/_emulator/ledger", headers={"Host": host} if host else {})
    assert connection.getresponse().status == status
    connection.close()
