"""ProviderClient: sends calls of endpoints, shares reads of one card, keeps the access token."""

import base64
from typing import TypeVar
from uuid import UUID

import msgspec

from gateway import errors
from gateway.config import ProviderSettings
from gateway.events import Sink, UnexpectedError
from gateway.ledger import CallResult, Claim
from gateway.provider.access_tokens import FetchedToken
from gateway.provider.attempts import Sender
from gateway.provider.breaker import BreakerState
from gateway.provider.clock import ProviderClock
from gateway.provider.concurrency import ConcurrencyLimit
from gateway.provider.endpoints import (
    DELETE_KEY,
    FETCH_TOKEN,
    LIST_CARDS,
    READ_AUTHORISATION,
    READ_CARD,
    REGISTER_KEY,
    Call,
)
from gateway.provider.models import Card
from gateway.provider.payments import Authorisation
from gateway.provider.single_flight import SingleFlight
from gateway.provider.transport import Origin, Transport
from gateway.runtime import Runtime
from gateway.signing import PublicKey
from gateway.telemetry import NO_TRACING, Tracing

T = TypeVar("T")
_CREATED = 201


class ProviderClient:
    """The provider's operations.

    All raise ProviderError subclasses, Overloaded or DeadlineExceeded; those under a key
    IdempotencyConflict, too.
    """

    def __init__(
        self,
        settings: ProviderSettings,
        transport: Transport,
        runtime: Runtime,
        *,
        emit: Sink,
        tracing: Tracing = NO_TRACING,
    ) -> None:
        origin = Origin.of(settings.provider_url)
        self._settings = settings
        self._transport = transport
        self._runtime = runtime
        self._emit = emit
        self._sender = Sender(
            transport, origin, settings, self._fetch_token, runtime, emit, tracing
        )
        self._reads = SingleFlight(self._read_card, is_crowded=lambda: self._sender.is_crowded)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()

    @property
    def clock(self) -> ProviderClock:
        """The provider's clock beside ours."""
        return self._sender.clock

    @property
    def breaker(self) -> BreakerState:
        """Whether reads are let through to the provider."""
        return self._sender.breaker.state

    @property
    def concurrency(self) -> ConcurrencyLimit:
        """The places for calls in progress."""
        return self._sender.concurrency

    @property
    def token_age(self) -> float | None:
        """Seconds since the access token was fetched; None: there is none."""
        return self._sender.tokens.age

    async def check_token(self) -> None:
        """Make sure that an access token can be had; raises what fetching it raises.

        After a fetch that failed this is what is known of it, until it is time for another one.
        """
        await self._sender.tokens.get()

    async def card(self, card_id: UUID) -> Card | None:
        """``GET /cards/{cardId}``; None when the provider knows no such card.

        Whoever asks while the same card is being read shares that call.
        """
        return await self._reads.get(card_id)

    async def _read_card(self, card_id: UUID) -> Card | None:
        try:
            return await self.read(READ_CARD.call(cardId=card_id))
        except errors.GatewayError:
            raise
        except Exception as error:
            self._emit(UnexpectedError.of(error))  # once, however many wait for this read
            raise errors.InternalError from error

    async def cards_of(self, account_id: UUID) -> list[Card]:
        """``GET /accounts/{accountId}/cards``: all cards of an account."""
        return await self._sender.send(LIST_CARDS.call(accountId=account_id))

    async def authorisation(self, authorisation_id: UUID) -> Authorisation | None:
        """``GET /authorisations/{authorisationId}``; None when the provider knows no such one."""
        return await self.read(READ_AUTHORISATION.call(authorisationId=authorisation_id))

    async def read(self, call: Call[T]) -> T | None:
        """The answer of a read; None when the provider knows no such object."""
        try:
            return await self._sender.send(call)
        except errors.NotFound:
            return None

    async def modify(self, call: Call[T], claim: Claim) -> CallResult[T]:
        """Send a modifying call under the claim of its idempotency key.

        Nobody joins a read of its card that began before the call ended: it may have changed.
        """
        began = self._runtime.clock()
        try:
            value = await self._sender.send(call, claim)
        finally:
            if changed := call.ids.get("cardId"):
                self._reads.forget(changed)
        if isinstance(value, Authorisation | Card):
            replayed = call.endpoint.success == _CREATED and self._is_older(value, began)
            return CallResult(value, value.id, replayed)
        assert call.target is not None  # noqa: S101 (a call makes something or is about something)
        return CallResult(value, call.target)

    def _is_older(self, made: Authorisation | Card, began: float) -> bool:
        """Whether it was there before the call began: another gateway made it.

        ``began`` is of the monotonic clock, so that a wall clock that was set meanwhile changes
        nothing.
        """
        if made.created_at is None:
            return False
        ours = self._runtime.now() - (self._runtime.clock() - began)
        began_there = ours + (self.clock.skew or 0.0)
        return made.created_at.timestamp() < began_there - self._settings.clock_tolerance

    async def register_signing_key(self, key: PublicKey) -> None:
        """``PUT /auth/signing``: the public key, under the key id of the settings (section 3)."""
        body = {
            "signingKeyId": self._settings.signing_key_id,
            "signingKey": base64.b64encode(key.to_pem()).decode("ascii"),
        }
        await self._sender.send(REGISTER_KEY.call(body=msgspec.json.encode(body)))

    async def delete_signing_key(self, key_id: str) -> None:
        """``DELETE /auth/signing``: nothing can be signed under this id any more (section 3).

        ``key_id`` is a UUID as text.
        """
        await self._sender.send(DELETE_KEY.call(body=msgspec.json.encode({"signingKeyId": key_id})))

    async def _fetch_token(self) -> FetchedToken:
        body = {
            "apiKey": self._settings.provider_api_key.get_secret_value(),
            "apiSecret": self._settings.provider_api_secret.get_secret_value(),
        }
        try:
            token = await self._sender.send(FETCH_TOKEN.call(body=msgspec.json.encode(body)))
        except (errors.NotFound, errors.Refused, errors.ProviderProtocolError) as error:
            # Said of the token, not of the card: a 404 here must not read as "no such card".
            unavailable = errors.ProviderUnavailable(
                f"The gateway gets no access token. {error.message}", refuses_us=True
            )
            unavailable.hint, unavailable.retry_after = error.hint, error.retry_after
            raise unavailable from error
        # The expiry is on the provider's clock; ours may differ from it.
        provider_now = self._runtime.now() + (self.clock.skew or 0.0)
        return FetchedToken(token, token.expires_at - provider_now)
