"""The limit: no GraphQL at all. It parses the JSON, signs, forwards and answers.

What a gateway in this stack could reach at most: Starlette under uvicorn, msgspec, and aiohttp's
own client, the fastest transport that was tried. It serves the documents of the benchmark by their
variables alone: ``input`` is a new card, ``accountId`` a list, anything else are ids of cards.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiohttp
import msgspec
import uvicorn
import yarl
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.peers.signing import Settings, Signer


class NewCard(msgspec.Struct):
    """The input of the mutation."""

    account_id: str = msgspec.field(name="accountId")
    address: msgspec.Raw = msgspec.field(name="billingAddress")
    key: str = msgspec.field(name="idempotencyKey")


class Asked(msgspec.Struct):
    """The part of a GraphQL request that is looked at."""

    variables: dict[str, msgspec.Raw]


_ASKED = msgspec.json.Decoder(Asked)
_NEW_CARD = msgspec.json.Decoder(NewCard)
_ID = msgspec.json.Decoder(str)


class Limit:
    """Forwards to the provider; anything but its success is an error here."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._signer = Signer(settings)
        self._origin, _, prefix = settings.provider_url.partition("/v1")
        self._prefix = f"/v1{prefix}"

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        """One client and one access token for as long as the process lives (the token's hour)."""
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )
        async with self._http:
            url = f"{self._settings.provider_url}/auth/token"
            async with self._http.post(url, json=self._settings.credentials) as answer:
                self._bearer = f"Bearer {(await answer.json())['token']}"
            yield

    async def graphql(self, request: Request) -> Response:
        """``POST /graphql``."""
        variables = _ASKED.decode(await request.body()).variables
        if "input" in variables:
            data = await self._issue(_NEW_CARD.decode(variables["input"]))
        elif "id" in variables:
            data = b'"card":' + await self._card(_ID.decode(variables["id"]))
        elif "accountId" in variables:
            path = f"{self._prefix}/accounts/{_ID.decode(variables['accountId'])}/cards"
            data = b'"cards":' + await self._call("GET", path, 200)
        else:
            data = await self._cards(variables)
        return Response(b'{"data":{' + data + b"}}", media_type="application/json")

    async def _cards(self, variables: dict[str, msgspec.Raw]) -> bytes:
        found = await asyncio.gather(*(self._card(_ID.decode(each)) for each in variables.values()))
        names = (name.replace("id", "card") for name in variables)
        return b",".join(
            b'"%s":%s' % (name.encode(), card) for name, card in zip(names, found, strict=True)
        )

    async def _card(self, card_id: str) -> bytes:
        return await self._call("GET", f"{self._prefix}/cards/{card_id}", 200)

    async def _issue(self, new: NewCard) -> bytes:
        body = b'{"type":"virtual","billingAddress":' + bytes(new.address) + b"}"
        path = f"{self._prefix}/accounts/{new.account_id}/cards"
        card = await self._call("POST", path, 201, body, new.key)
        head = (
            '"issueVirtualCard":{"__typename":"IssueVirtualCardSuccess",'
            f'"idempotencyKey":"{new.key}","card":'
        )
        return head.encode() + card + b"}"

    async def _call(
        self, method: str, path: str, success: int, body: bytes = b"", key: str = ""
    ) -> bytes:
        headers = self._signer.headers(method, path, body)
        headers["Authorization"] = self._bearer
        if body:
            headers |= {"Idempotency-Key": key, "Content-Type": "application/json"}
        url = yarl.URL(self._origin + path, encoded=True)
        call = self._http.request(
            method, url, headers=headers, data=body or None, allow_redirects=False
        )
        async with call as answer:
            if answer.status != success:
                raise RuntimeError(f"the provider answered {answer.status}")
            return await answer.read()


def main() -> None:
    """Serve on the port of the environment."""
    settings = Settings.load()
    limit = Limit(settings)
    app = Starlette(
        routes=[Route("/graphql", limit.graphql, methods=["POST"])], lifespan=limit.lifespan
    )
    uvicorn.run(app, port=settings.port, access_log=False)


if __name__ == "__main__":
    main()
