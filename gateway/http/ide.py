"""GraphiQL, served by the gateway itself: nothing is loaded from, or told to, another host."""

import gzip
import hashlib
from collections.abc import Mapping
from functools import cache, partial
from html import escape
from importlib.resources import files
from string import Template
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from gateway.http.negotiation import is_browser, takes_gzip
from gateway.http.routes import ExactRoute

# The account of the provider's guide, which the emulator has from its start.
GUIDE_ACCOUNT_ID = "ae61c362-4136-49af-8e01-544457fe265b"

# Scripts and styles are files of this origin, so 'unsafe-inline' is not needed. The hash is that
# of the one style sheet that GraphiQL's dialogs write into the page: it stops the page's scrolling.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; "
    "style-src 'self' 'sha256-nzTgYzXYDNe6BAHiiI7NNlfK8n/auuOAhh2t92YvuXo='; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_PAGE_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_ASSET_HEADERS = {
    # The address holds a hash of the content: what it names can never change.
    "Cache-Control": "public, max-age=31536000, immutable",
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
}

# The page's name for each file, and the file. README.txt in their folder says where they are from.
_FILES = {
    "react_js": "react.production.min.js.gz",
    "react_dom_js": "react-dom.production.min.js.gz",
    "graphiql_js": "graphiql.min.js.gz",
    "graphiql_css": "graphiql.min.css.gz",
    "start_js": "graphiql-start.js",
    "page_css": "graphiql-page.css",
}


class Asset(NamedTuple):
    """One file of the page, ready to be sent either way."""

    path: str
    media_type: str
    plain: bytes
    gzipped: bytes


def ide_routes() -> list[BaseRoute]:
    """``/`` for browsers, and the page's scripts and styles, whose addresses hold their hashes."""
    assets = [ExactRoute(asset.path, partial(_send, asset)) for asset in _assets().values()]
    return [ExactRoute("/", _ToGraphiQL()), *assets]


def ide_page(path: str = "/graphql") -> Response:
    """The GraphiQL page, for a GraphQL endpoint that answers at ``path``."""
    return HTMLResponse(_page(path), headers=_PAGE_HEADERS)


@cache
def _page(path: str) -> str:
    """The page's text: the template with the addresses of its files filled in."""
    addresses = {name: asset.path for name, asset in _assets().items()}
    values = addresses | {"endpoint": path, "account_id": GUIDE_ACCOUNT_ID}
    template = Template(_read("graphiql.html").decode())
    return template.substitute({name: escape(value) for name, value in values.items()})


@cache
def _assets() -> Mapping[str, Asset]:
    """Every file of the page by the page's name for it; read once, and not before it is needed."""
    return {name: _asset(file) for name, file in _FILES.items()}


def _asset(file: str) -> Asset:
    """Read one file, whichever way it is stored."""
    stored = _read(file)
    packed = file.endswith(".gz")
    plain = gzip.decompress(stored) if packed else stored
    gzipped = stored if packed else gzip.compress(stored, mtime=0)
    name = file.removesuffix(".gz")
    path = f"/graphiql/{hashlib.sha256(plain).hexdigest()[:16]}/{name}"
    return Asset(path, _media_type(name), plain, gzipped)


def _read(file: str) -> bytes:
    """The bytes of a file that ships inside this package."""
    return (files(__package__) / "static" / file).read_bytes()


def _media_type(name: str) -> str:
    """Said outright: the table of the standard library depends on the machine."""
    return "text/css" if name.endswith(".css") else "text/javascript"


async def _send(asset: Asset, request: Request) -> Response:
    """Send a file gzipped to those who take it, else plain."""
    if takes_gzip(request.headers):
        headers = {**_ASSET_HEADERS, "Content-Encoding": "gzip"}
        return Response(asset.gzipped, media_type=asset.media_type, headers=headers)
    return Response(asset.plain, media_type=asset.media_type, headers=_ASSET_HEADERS)


class _ToGraphiQL:
    """Sends browsers on to the page; for programs there is nothing at ``/``."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        accepts = Request(scope).headers.get("accept", "")
        if scope["method"] not in {"GET", "HEAD"} or not is_browser(accepts):
            raise HTTPException(404)
        headers = {"Cache-Control": "no-store", "Vary": "Accept"}
        await RedirectResponse("/graphql", headers=headers)(scope, receive, send)
