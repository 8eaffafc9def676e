"""ProviderClient: one method per provider operation, one private ``_send`` behind them all."""

import base64
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import msgspec

from gateway import errors
from gateway.config import ClientSettings
from gateway.ledger.claims import Claim
from gateway.ledger.ledger import Ledger, MemoryStore, Replay, State
from gateway.ledger.ledger import Outcome as Recorded
from gateway.provider.attempts import Sender
from gateway.provider.breaker import BreakerState
from gateway.provider.calls import Access, Answer, Call
from gateway.provider.clock import ProviderClock
from gateway.provider.credentials import FetchedToken
from gateway.provider.models import AccessToken, Address, Card, NewCard, decode
from gateway.provider.retries import Kind
from gateway.provider.single_flight import SingleFlight
from gateway.provider.transport.network import NetworkTransport
from gateway.provider.transport.transport import Origin, Transport
from gateway.runtime import Runtime
from gateway.signing import PublicKey

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
_TOKEN = re.compile(r"[\x21-\x7e]+")  # what fits into a header


class Issued(msgspec.Struct, frozen=True):
    """A card that a create call answered; ``replayed`` when it is known to be an earlier one."""

    card: Card
    replayed: bool


class ProviderClient:
    """The provider's operations.

    All raise ProviderError subclasses, Overloaded or DeadlineExceeded; those under a key
    IdempotencyConflict, too.
    """

    def __init__(
        self,
        settings: ClientSettings,
        *,
        transport: "httpx.AsyncBaseTransport | None" = None,
        wire: Transport | None = None,
        runtime: Runtime | None = None,
    ) -> None:
        runtime = runtime or Runtime()
        self._settings = settings
        origin = Origin.of(settings.provider_url)
        self._wire = wire or wire_to(origin, transport, settings.provider_ca_file)
        self._sender = Sender(self._wire, origin, settings, self._fetch_token, runtime)
        self._runtime = runtime
        store = MemoryStore(size=settings.max_idempotency_records, clock=runtime.clock)
        self._ledger = Ledger[Answer[Any]](store, runtime=runtime)
        self._reads = SingleFlight(self._card)

    async def aclose(self) -> None:
        """Let the modifying calls in flight end, within their deadline; close all connections."""
        settings = self._settings
        await self._ledger.drain(min(settings.shutdown_grace, settings.call_deadline))
        await self._wire.aclose()

    @property
    def clock(self) -> ProviderClock:
        """The provider's clock beside ours."""
        return self._sender.clock

    def state(self, key: UUID) -> State | None:
        """How far the call under this key has come; None where the key is not known here."""
        record = self._ledger.record(key)
        return record.state if record else None

    def promise(self, key: UUID) -> errors.Promise:
        """Until when a request under this key is sent again; of an unknown key: if sent now."""
        record = self._ledger.record(key)
        claim = record.claim if record else Claim(self._runtime.now(), self._runtime.clock())
        return claim.promise(self._runtime)

    @property
    def breaker(self) -> BreakerState:
        """Whether reads are let through to the provider."""
        return self._sender.breaker.state

    async def check_token(self) -> None:
        """Make sure that an access token can be had; raises what fetching it raises."""
        await self._sender.tokens.get()

    async def card(self, card_id: UUID) -> Card | None:
        """``GET /cards/{cardId}``; None when the provider knows no such card.

        Whoever asks while the same card is being read shares that call.
        """
        return await self._reads.get(card_id)

    async def _card(self, card_id: UUID) -> Card | None:
        try:
            answer = await self._send(
                Call(
                    method="GET",
                    path=f"/cards/{card_id}",
                    route="/cards/{cardId}",
                    kind=Kind.READ,
                    success=200,
                    read=lambda body: _read_card(body, card_id=card_id),
                )
            )
        except errors.NotFound:
            return None
        return answer.value

    async def create_virtual_card(self, account_id: UUID, address: Address, key: UUID) -> Issued:
        """``POST /accounts/{accountId}/cards`` with ``type: virtual``, under the given key.

        Where the key has its card already, that card is read afresh and nothing is sent again.
        """
        ended = await self._modify(
            key,
            Call(
                method="POST",
                path=f"/accounts/{account_id}/cards",
                route="/accounts/{accountId}/cards",
                kind=Kind.KEYED,
                success=201,
                read=lambda body: _read_card(body, account_id=account_id),
                body=msgspec.json.encode(NewCard(billing_address=address)),
                key=key,
                subject="account",
            ),
            card_of=lambda answer: answer.value.id,
        )
        if isinstance(ended, Replay):
            return Issued(await self._issued(ended.card_id), replayed=True)
        return Issued(ended.value.value, ended.replayed or self._is_older(ended.value))

    async def _issued(self, card_id: UUID) -> Card:
        """A card that is there; raises ProviderUnavailable where it is not shown (yet)."""
        card = await self.card(card_id)
        if card is None:
            raise errors.ProviderUnavailable("The provider does not show the card yet.")
        return card

    async def simulate_issue(self, card_id: UUID, key: UUID) -> bool:
        """``PATCH /simulator/cards/{cardId}/issue``: accepted, the card changes later.

        Returns whether this is known to be the answer of an earlier request.
        """
        ended = await self._modify(
            key,
            Call(
                method="PATCH",
                path=f"/simulator/cards/{card_id}/issue",
                route="/simulator/cards/{cardId}/issue",
                kind=Kind.KEYED,
                success=202,
                read=_read_nothing,
                key=key,
                conflict=errors.InvalidState,
            ),
            card_of=lambda _answer: card_id,
            changes=card_id,
        )
        return isinstance(ended, Replay) or ended.replayed

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
            subject="access token",
        )
        try:
            answer = await self._send(call)
        except (errors.NotFound, errors.Refused, errors.ProviderProtocolError) as error:
            # Said of the token, not of the card: a 404 here must not read as "no such card".
            raise errors.ProviderUnavailable(
                f"The gateway gets no access token. {error.message}"
            ) from error
        # The expiry is on the provider's clock; ours may differ from it.
        provider_now = answer.ended + (self.clock.skew or 0.0)
        return FetchedToken(answer.value, answer.value.expires_at - provider_now)

    async def _send(self, call: Call[T]) -> Answer[T]:
        return await self._sender.send(call)

    async def _modify(
        self,
        key: UUID,
        call: Call[T],
        *,
        card_of: Callable[[Answer[T]], UUID],
        changes: UUID | None = None,
    ) -> Recorded[Answer[T]] | Replay:
        """Send a call with a key through the ledger: once at a time, and to its outcome.

        ``changes`` is the card that is another one afterwards, or may be.
        """

        async def act(claim: Claim) -> Answer[T]:
            try:
                return await self._sender.send(call, claim)
            finally:
                if changes:
                    self._reads.forget(changes)

        return await self._ledger.run(key, call.fingerprint, act, card_of)

    def _is_older(self, answer: Answer[Card]) -> bool:
        """Whether the card was there before the call began: another gateway made it."""
        began = answer.began + (self.clock.skew or 0.0)
        return answer.value.created_at.timestamp() < began - self._settings.clock_tolerance


def wire_to(
    origin: Origin,
    transport: "httpx.AsyncBaseTransport | None" = None,
    ca_file: Path | None = None,
) -> Transport:
    """The network, or the transport that stands in for it; ``ca_file`` is trusted in addition."""
    if transport is None:
        return NetworkTransport(origin, ca_file if origin.scheme == "https" else None)
    # Imported where it is used: a gateway on the real network starts without httpx.
    from gateway.provider.transport.httpx_transport import HttpxTransport

    return HttpxTransport(transport, origin)


def _read_card(body: bytes, *, card_id: UUID | None = None, account_id: UUID | None = None) -> Card:
    """The card that was asked for: an answer to somebody else's question is none to ours."""
    card = decode(body, Card)
    if card.id != (card_id or card.id) or card.account_id != (account_id or card.account_id):
        raise errors.ProviderProtocolError("The provider answered with another card")
    return card


def _read_token(body: bytes) -> AccessToken:
    token = decode(body, AccessToken)
    if token.token_type.lower() != "bearer" or not _TOKEN.fullmatch(token.token):
        raise errors.ProviderProtocolError("The provider's access token is not a bearer token")
    return token


def _read_nothing(_body: bytes) -> None:
    return None
