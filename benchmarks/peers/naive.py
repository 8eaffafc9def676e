"""The naive peer: what a Strawberry user would write, following the documentation.

Strawberry's own ASGI view, one shared httpx client with room for every connection, the signature as
an ``httpx.Auth``, one DataLoader per request. Nothing in it is slow on purpose.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Generator
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import httpx
import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.dataloader import DataLoader

from benchmarks.peers.signing import Settings, Signer

_MARGIN = 60  # seconds before its expiry that a token is renewed


@strawberry.enum
class CardStatus(Enum):
    """Where a card is in its life."""

    ISSUING = "issuing"
    ISSUE_FAILED = "issue_failed"
    ACTIVE = "active"
    INACTIVE = "inactive"
    SUSPENDED = "suspended"
    BLOCKED = "blocked"
    TERMINATED = "terminated"


@strawberry.enum
class CardType(Enum):
    """Whether a card exists in plastic."""

    VIRTUAL = "virtual"
    PHYSICAL = "physical"


@strawberry.enum
class CardNetwork(Enum):
    """The card scheme."""

    VISA = "visa"
    MASTERCARD = "mastercard"


@strawberry.type
class Address:
    """A postal address."""

    first_line: str
    second_line: str | None
    city: str
    state: str | None
    country: str
    post_code: str

    @classmethod
    def from_wire(cls, wire: dict[str, Any]) -> "Address":
        """Read the provider's JSON."""
        return cls(
            first_line=wire["firstLine"],
            second_line=wire.get("secondLine"),
            city=wire["city"],
            state=wire.get("state"),
            country=wire["country"],
            post_code=wire["postCode"],
        )


@strawberry.type
class Card:
    """A payment card."""

    id: strawberry.ID
    account_id: strawberry.ID
    type: CardType
    status: CardStatus
    created_at: datetime
    updated_at: datetime
    name: str | None
    network: CardNetwork | None
    masked_pan: str | None
    expiration_date: str | None
    billing_address: Address | None

    @classmethod
    def from_wire(cls, wire: dict[str, Any]) -> "Card":
        """Read the provider's JSON."""
        network, address = wire.get("network"), wire.get("billingAddress")
        return cls(
            id=strawberry.ID(wire["id"]),
            account_id=strawberry.ID(wire["accountId"]),
            type=CardType(wire["type"]),
            status=CardStatus(wire["status"]),
            created_at=datetime.fromisoformat(wire["createdAt"]),
            updated_at=datetime.fromisoformat(wire["updatedAt"]),
            name=wire.get("name"),
            network=CardNetwork(network) if network else None,
            masked_pan=wire.get("maskedPan"),
            expiration_date=wire.get("expirationDate"),
            billing_address=Address.from_wire(address) if address else None,
        )


@strawberry.input
class AddressInput:
    """A postal address to put on a card."""

    first_line: str
    city: str
    country: str
    post_code: str
    second_line: str | None = None
    state: str | None = None

    def as_wire(self) -> dict[str, str]:
        """As the provider takes it."""
        wire = {
            "firstLine": self.first_line,
            "secondLine": self.second_line,
            "city": self.city,
            "state": self.state,
            "country": self.country,
            "postCode": self.post_code,
        }
        return {name: value for name, value in wire.items() if value is not None}


@strawberry.input
class IssueVirtualCardInput:
    """What a new virtual card needs."""

    account_id: strawberry.ID
    billing_address: AddressInput
    idempotency_key: UUID


@strawberry.interface
class Error:
    """What every failure says."""

    code: str
    message: str


@strawberry.type
class Refused(Error):
    """The provider said no."""


@strawberry.type
class IssueVirtualCardSuccess:
    """The new card."""

    card: Card
    idempotency_key: UUID


IssueVirtualCardResult: TypeAlias = Annotated[
    IssueVirtualCardSuccess | Refused, strawberry.union("IssueVirtualCardResult")
]
Info: TypeAlias = strawberry.Info[dict[str, Any], None]


@strawberry.type
class Query:
    """What can be read."""

    @strawberry.field
    async def card(self, info: Info, id: strawberry.ID) -> Card | None:  # noqa: A002
        """A card by its id."""
        found: Card | None = await info.context["cards"].load(id)
        return found


@strawberry.type
class Mutation:
    """What can be done."""

    @strawberry.mutation
    async def issue_virtual_card(
        self,
        info: Info,
        input: IssueVirtualCardInput,  # noqa: A002
    ) -> IssueVirtualCardResult:
        """Ask for a new virtual card."""
        provider: Provider = info.context["provider"]
        try:
            card = await provider.issue(input)
        except httpx.HTTPStatusError as error:
            return Refused(code="REFUSED", message=f"HTTP {error.response.status_code}")
        return IssueVirtualCardSuccess(card=card, idempotency_key=input.idempotency_key)


class Signed(httpx.Auth):
    """Signs each request, over the body that is sent."""

    requires_request_body = True

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Complete the headers."""
        path = request.url.raw_path.decode()
        request.headers.update(self._signer.headers(request.method, path, request.content))
        yield request


class Provider:
    """The provider's API over one shared client."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._http = httpx.AsyncClient(
            base_url=settings.provider_url,
            limits=httpx.Limits(max_connections=500, max_keepalive_connections=500),
            timeout=httpx.Timeout(10, pool=30),
        )
        self._auth = Signed(Signer(settings))
        self._renewing = asyncio.Lock()
        self._token, self._expires_at = "", 0.0

    async def aclose(self) -> None:
        """Close the client."""
        await self._http.aclose()

    async def card(self, card_id: str) -> Card | None:
        """Read a card."""
        answer = await self._http.get(
            f"/cards/{card_id}", headers=await self._bearer(), auth=self._auth
        )
        if answer.status_code == 404:
            return None
        return Card.from_wire(answer.raise_for_status().json())

    async def issue(self, new: IssueVirtualCardInput) -> Card:
        """Create a card."""
        answer = await self._http.post(
            f"/accounts/{new.account_id}/cards",
            json={"type": "virtual", "billingAddress": new.billing_address.as_wire()},
            headers={**await self._bearer(), "Idempotency-Key": str(new.idempotency_key)},
            auth=self._auth,
        )
        return Card.from_wire(answer.raise_for_status().json())

    async def _bearer(self) -> dict[str, str]:
        if time.time() > self._expires_at - _MARGIN:
            async with self._renewing:
                if time.time() > self._expires_at - _MARGIN:
                    await self._renew()
        return {"Authorization": f"Bearer {self._token}"}

    async def _renew(self) -> None:
        answer = await self._http.post("/auth/token", json=self._settings.credentials)
        token = answer.raise_for_status().json()
        self._token, self._expires_at = token["token"], token["expiresAt"]


class View(GraphQL[dict[str, Any], None]):
    """The stock view with the provider and a loader in its context."""

    def __init__(self, schema: strawberry.Schema, provider: Provider) -> None:
        super().__init__(schema, graphql_ide=None)
        self._provider = provider

    async def get_context(
        self, request: Request | WebSocket, response: Response | WebSocket
    ) -> dict[str, Any]:
        """Per request: a loader that reads each card once, all at the same time."""

        async def read(ids: list[str]) -> list[Card | None]:
            return await asyncio.gather(*(self._provider.card(each) for each in ids))

        return {"provider": self._provider, "cards": DataLoader(load_fn=read)}


def create_app(settings: Settings) -> Starlette:
    """The whole application."""
    provider = Provider(settings)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await provider.aclose()

    view = View(strawberry.Schema(query=Query, mutation=Mutation), provider)
    return Starlette(routes=[Route("/graphql", view)], lifespan=lifespan)


def main() -> None:
    """Serve on the port of the environment."""
    settings = Settings.load()
    uvicorn.run(create_app(settings), port=settings.port, access_log=False)


if __name__ == "__main__":
    main()
