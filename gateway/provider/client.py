"""ProviderClient: one method per provider operation, one private ``_send`` behind them all."""

import base64
from datetime import timedelta
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TypeVar
from uuid import UUID

import httpx
import msgspec

from gateway import __version__, errors
from gateway.config import Settings
from gateway.provider.calls import Access, Answer, Call, Edge, Sender
from gateway.provider.credentials import FetchedToken
from gateway.provider.idempotency import Kind
from gateway.provider.models import AccessToken, Address, Card, NewCard, decode
from gateway.signing import PublicKey

T = TypeVar("T")


class Issued(msgspec.Struct, frozen=True):
    """A card that a create call answered; ``replayed`` when it is known to be an earlier one."""

    card: Card
    replayed: bool


class ProviderClient:
    """The provider's operations. All raise ProviderError subclasses, or Overloaded."""

    def __init__(
        self,
        settings: Settings,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        edge: Edge | None = None,
    ) -> None:
        self._settings = settings
        self._http = _http_client(settings, transport)
        self._sender = Sender(self._http, settings, self._fetch_token, edge or Edge())

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    @property
    def clock_skew(self) -> float | None:
        """How far the provider's clock is ahead of ours, in seconds, as last seen."""
        return self._sender.clock_skew

    async def check_token(self) -> None:
        """Make sure that an access token can be had; raises what fetching it raises."""
        await self._sender.tokens.get()

    async def card(self, card_id: UUID) -> Card | None:
        """``GET /cards/{cardId}``; None when the provider knows no such card."""
        try:
            answer = await self._send(
                Call(
                    method="GET",
                    path=f"/cards/{card_id}",
                    route="/cards/{cardId}",
                    kind=Kind.READ,
                    success=200,
                    read=_read_card,
                )
            )
        except errors.NotFound:
            return None
        return answer.value

    async def create_virtual_card(self, account_id: UUID, address: Address, key: UUID) -> Issued:
        """``POST /accounts/{accountId}/cards`` with ``type: virtual``, under the given key."""
        answer = await self._send(
            Call(
                method="POST",
                path=f"/accounts/{account_id}/cards",
                route="/accounts/{accountId}/cards",
                kind=Kind.KEYED,
                success=201,
                read=_read_card,
                body=msgspec.json.encode(NewCard(billing_address=address)),
                key=key,
                subject="account",
            )
        )
        tolerance = timedelta(seconds=self._settings.clock_tolerance)
        return Issued(answer.value, answer.value.created_at < answer.started - tolerance)

    async def simulate_issue(self, card_id: UUID, key: UUID) -> None:
        """``PATCH /simulator/cards/{cardId}/issue``: accepted, the card changes later."""
        await self._send(
            Call(
                method="PATCH",
                path=f"/simulator/cards/{card_id}/issue",
                route="/simulator/cards/{cardId}/issue",
                kind=Kind.KEYED,
                success=202,
                read=_read_nothing,
                key=key,
                conflict=errors.InvalidState,
            )
        )

    async def register_signing_key(self, key: PublicKey) -> None:
        """``PUT /auth/signing``: the public key, under the key id of the settings (section 3)."""
        body = {
            "signingKeyId": str(self._settings.signing_key_id),
            "signingKey": base64.b64encode(key.to_pem()).decode("ascii"),
        }
        await self._send(
            Call(
                method="PUT",
                path="/auth/signing",
                route="/auth/signing",
                kind=Kind.UNKEYED,
                success=204,
                read=_read_nothing,
                body=msgspec.json.encode(body),
                access=Access.BEARER,
                subject="signing key",
            )
        )

    async def _fetch_token(self) -> FetchedToken:
        body = {
            "apiKey": self._settings.provider_api_key.get_secret_value(),
            "apiSecret": self._settings.provider_api_secret.get_secret_value(),
        }
        call = Call(
            method="POST",
            path="/auth/token",
            route="/auth/token",
            kind=Kind.READ,  # a second token costs nothing: as repeatable as a read
            success=200,
            read=_read_token,
            body=msgspec.json.encode(body),
            access=Access.NOTHING,
        )
        try:
            answer = await self._send(call)
        except (errors.NotFound, errors.Refused, errors.ProviderProtocolError) as error:
            # Said of the token, not of the card: a 404 here must not read as "no such card".
            raise errors.ProviderUnavailable(
                f"The gateway gets no access token. {error.message}"
            ) from error
        # The expiry is on the provider's clock; ours may differ from it.
        provider_now = answer.ended + (self._sender.clock_skew or 0.0)
        return FetchedToken(answer.value, answer.value.expires_at - provider_now)

    async def _send(self, call: Call[T]) -> Answer[T]:
        return await self._sender.send(call)


def _http_client(
    settings: Settings, transport: httpx.AsyncBaseTransport | None
) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=settings.provider_url,
        transport=transport,
        timeout=httpx.Timeout(
            connect=settings.connect_timeout,
            read=settings.read_timeout,
            write=settings.write_timeout,
            pool=settings.pool_timeout,
        ),
        limits=httpx.Limits(
            max_connections=settings.max_connections,
            max_keepalive_connections=settings.max_connections,
        ),
        # Identity: a compressed answer would save nothing here and can be made to explode.
        headers={"User-Agent": f"card-gateway/{__version__}", "Accept-Encoding": "identity"},
        # No cookie of one caller's answer may travel with the next caller's request.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        follow_redirects=False,  # the signature covers the path: it must not go elsewhere
        trust_env=False,
    )


def _read_card(body: bytes) -> Card:
    return decode(body, Card)


def _read_token(body: bytes) -> AccessToken:
    token = decode(body, AccessToken)
    if token.token_type.lower() != "bearer" or not token.token.isprintable():
        raise errors.ProviderProtocolError("The provider's access token is not a bearer token")
    return token


def _read_nothing(_body: bytes) -> None:
    return None
