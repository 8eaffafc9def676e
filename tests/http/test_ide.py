"""GraphiQL as a browser gets it: the page, its policy, and its files from this origin only."""

import gzip
import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.http import ide

STATIC = Path(ide.__file__).parent / "static"
ADDRESS = re.compile(r'(?:src|href)="([^"]+)"')


async def _page(request: Request) -> Response:
    return ide.ide_page(request.url.path)


@pytest.fixture
async def browser() -> AsyncIterator[httpx.AsyncClient]:
    """A client that knows the page and its files, and nothing else."""
    app = Starlette(routes=[Route("/graphql", _page), *ide.ide_routes()])
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway.test") as client:
        yield client


async def _addresses(browser: httpx.AsyncClient) -> list[str]:
    page = (await browser.get("/graphql")).text
    return [found for found in ADDRESS.findall(page) if not found.startswith("data:")]


def _vendored() -> list[tuple[str, str]]:
    """Name and sha256 of every file that README.txt says was vendored."""
    text = (STATIC / "README.txt").read_text(encoding="utf-8")
    return re.findall(r"^(\S+)\n  package .*\n  published .*\n  here +([0-9a-f]{64})$", text, re.M)


async def test_the_page_loads_everything_from_this_origin(browser: httpx.AsyncClient) -> None:
    """Every script and style sheet of the page is a path of the gateway that answers."""
    addresses = await _addresses(browser)
    assert len(addresses) == 6
    assert all(address.startswith("/graphiql/") for address in addresses)
    assert {(await browser.get(address)).status_code for address in addresses} == {200}


async def test_the_page_has_no_inline_code(browser: httpx.AsyncClient) -> None:
    """No script or style stands in the page, so that its policy need not allow any."""
    page = (await browser.get("/graphql")).text
    assert "<style" not in page
    assert not re.search(r"<script(?![^>]*\ssrc=)", page)
    assert not re.search(r"\s(?:style|on\w+)=", page)


async def test_the_page_comes_with_a_strict_policy(browser: httpx.AsyncClient) -> None:
    """The page may load, ask and be framed by nothing but its own origin, and is not stored."""
    headers = (await browser.get("/graphql")).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"


async def test_the_page_asks_the_endpoint_that_it_is_made_for() -> None:
    """The endpoint's path gets into the page escaped, and nowhere else."""
    page = bytes(ide.ide_page('/a"><b').body).decode()
    assert 'data-endpoint="/a&quot;&gt;&lt;b"' in page
    assert page.count("/a&quot;") == 1


@pytest.mark.parametrize("accepted", ["gzip", "br, GZIP;q=0.5", "*", "identity;q=0, *;q=1"])
async def test_who_takes_gzip_gets_it(browser: httpx.AsyncClient, accepted: str) -> None:
    """A client that accepts gzip gets the stored bytes, which are a fraction of the plain ones."""
    for address in await _addresses(browser):
        answer = await browser.get(address, headers={"accept-encoding": accepted})
        assert answer.headers["content-encoding"] == "gzip"
        assert int(answer.headers["content-length"]) < len(answer.content)


@pytest.mark.parametrize("accepted", ["", "identity", "br", "gzip;q=0, *", "gzip;q=much"])
async def test_who_refuses_gzip_gets_plain_bytes(browser: httpx.AsyncClient, accepted: str) -> None:
    """A client that does not accept gzip gets the same file without any content encoding."""
    for address in await _addresses(browser):
        plain = await browser.get(address, headers={"accept-encoding": accepted})
        packed = await browser.get(address, headers={"accept-encoding": "gzip"})
        assert "content-encoding" not in plain.headers
        assert plain.content == packed.content


async def test_files_are_typed_and_cached_for_good(browser: httpx.AsyncClient) -> None:
    """A file's address holds its hash, so it is cached for ever, under its type and per coding."""
    for address in await _addresses(browser):
        answer = await browser.get(address)
        expected = "text/css" if address.endswith(".css") else "text/javascript"
        assert answer.headers["content-type"] == f"{expected}; charset=utf-8"
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["vary"] == "Accept-Encoding"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert hashlib.sha256(answer.content).hexdigest().startswith(address.split("/")[2])


@pytest.mark.parametrize("path", ["/graphiql/0000000000000000/graphiql.min.js", "/graphiql/"])
async def test_no_other_file_is_served(browser: httpx.AsyncClient, path: str) -> None:
    """What the page does not name is not there, an outdated hash included."""
    assert (await browser.get(path)).status_code == 404


def test_vendored_files_are_the_ones_the_readme_names() -> None:
    """Every compressed file has its hash in README.txt, and README.txt names no other."""
    vendored = _vendored()
    assert {f"{name}.gz" for name, _ in vendored} == {p.name for p in STATIC.glob("*.gz")}
    for name, expected in vendored:
        content = gzip.decompress((STATIC / f"{name}.gz").read_bytes())
        assert hashlib.sha256(content).hexdigest() == expected, name


def test_nothing_outside_the_browsers_memory_is_kept() -> None:
    """The start-up script persists no headers and names no store of the browser."""
    script = (STATIC / "graphiql-start.js").read_text(encoding="utf-8")
    assert "shouldPersistHeaders: false" in script
    assert not re.search(r"localStorage|sessionStorage|document\.cookie|https?://", script)
