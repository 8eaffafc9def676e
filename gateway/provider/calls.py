"""One call: attempts under one key and one body, until ``may_repeat`` or the time says stop.

    Call ──► _attempt ──► Outcome ──► may_repeat ──► wait, sign again, repeat
                                         └─► stop ──► value, or the error that fits

A modifying call that left without a clear answer ends as OutcomeUnknown, never as "failed".
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import Generic, TypeVar
from uuid import UUID

import httpx
import structlog

from gateway import errors
from gateway.config import Settings
from gateway.provider import idempotency
from gateway.provider.credentials import FetchedToken, SignedRequest, TokenSource
from gateway.provider.idempotency import Kind, Outcome, Step, may_repeat
from gateway.provider.models import AccessToken
from gateway.signing import Signer

T = TypeVar("T")
log = structlog.get_logger()


class Access(Enum):
    """What a call shows of us (provider page, section 1: ``/auth/*`` is not signed)."""

    NOTHING = auto()
    BEARER = auto()
    SIGNED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """One request as it will be sent, however often: key and body bytes are fixed here."""

    method: str
    path: str
    route: str  # the path with placeholders, for logs
    kind: Kind
    success: int
    read: Callable[[bytes], T]
    body: bytes = b""
    key: UUID | None = None
    access: Access = Access.SIGNED
    subject: str = "card"
    conflict: type[errors.ProviderError] = errors.Refused


@dataclass(frozen=True, slots=True)
class Attempt(Generic[T]):
    """What one try came to."""

    outcome: Outcome
    response: httpx.Response | None = None
    value: T | None = None
    token: AccessToken | None = None
    error: errors.GatewayError | None = None


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """A successful call: what was read, when the first attempt began (UTC) and when it ended."""

    value: T
    started: datetime
    ended: float  # UNIX seconds


@dataclass(slots=True)
class Progress:
    """What is known of a call so far."""

    started: datetime
    outcomes: list[Outcome] = field(default_factory=list)
    in_flight: bool = False

    @property
    def open(self) -> bool:
        """Whether an attempt may have been carried out without our knowing."""
        return self.in_flight or not idempotency.OPEN.isdisjoint(self.outcomes)


@dataclass(frozen=True, slots=True)
class Edge:
    """Time and chance, as arguments: ``now`` is UNIX seconds, ``clock`` is monotonic."""

    now: Callable[[], float] = time.time
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: Callable[[], float] = random.random


class Sender:
    """Sends calls: repeats within bounds, signs each attempt, tells what came of it."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        settings: Settings,
        fetch_token: Callable[[], Awaitable[FetchedToken]],
        edge: Edge,
    ) -> None:
        self._http = http
        self._settings = settings
        self._edge = edge
        self._signer = Signer(settings.private_key, keyid=str(settings.signing_key_id))
        self.tokens = TokenSource(fetch_token, clock=edge.clock, margin=settings.token_margin)
        self.clock_skew: float | None = None

    async def send(self, call: Call[T]) -> Answer[T]:
        """Carry the call out; raises the ProviderError, or Overloaded, that fits its end."""
        progress = Progress(self._now())
        began = self._edge.clock()
        try:
            async with asyncio.timeout(self._settings.call_deadline):
                attempt = await self._repeat(call, progress)
        except TimeoutError:
            attempt = Attempt(Outcome.NO_WHOLE_ANSWER)
        self._log(call, attempt, progress, self._edge.clock() - began)
        value = self._conclude(call, attempt, progress)
        return Answer(value, progress.started, self._edge.now())

    async def _repeat(self, call: Call[T], progress: Progress) -> Attempt[T]:
        ends = self._edge.clock() + self._settings.call_deadline
        while True:
            attempt = await self._attempt(call, progress)
            step = may_repeat(attempt.outcome, call.kind, progress.outcomes)
            progress.outcomes.append(attempt.outcome)
            if step is Step.STOP or len(progress.outcomes) >= self._settings.max_attempts:
                return attempt
            if step is Step.RENEW_TOKEN:
                if attempt.token is None:
                    return attempt
                self.tokens.forget(attempt.token)
                continue
            wait = self._wait(attempt, len(progress.outcomes))
            if self._edge.clock() + wait >= ends:
                return attempt
            await self._edge.sleep(wait)

    async def _attempt(self, call: Call[T], progress: Progress) -> Attempt[T]:
        token = None
        if call.access is not Access.NOTHING:
            try:
                token = await self.tokens.get()
            except errors.GatewayError as error:
                return Attempt(Outcome.NO_TOKEN, error=error)
        progress.in_flight = True
        try:
            response = await self._http.send(
                self._request(call, token), auth=self._auth(call, token)
            )
        except (httpx.ConnectError, httpx.ConnectTimeout):
            attempt: Attempt[T] = Attempt(Outcome.NEVER_CONNECTED)
        except httpx.PoolTimeout:
            attempt = Attempt(Outcome.POOL_EXHAUSTED)
        except httpx.RequestError:
            attempt = Attempt(Outcome.NO_WHOLE_ANSWER)
        else:
            self._watch_clock(response)
            attempt = _read(call, response, token)
        progress.in_flight = False
        return attempt

    def _request(self, call: Call[T], token: AccessToken | None) -> httpx.Request:
        headers = {"Accept": "application/json"}
        if call.body:
            headers["Content-Type"] = "application/json"
        if call.key:
            headers["Idempotency-Key"] = str(call.key)
        if token and call.access is Access.BEARER:
            headers["Authorization"] = f"Bearer {token.token}"
        return self._http.build_request(
            call.method, call.path, content=call.body or None, headers=headers
        )

    def _auth(self, call: Call[T], token: AccessToken | None) -> httpx.Auth | None:
        if token is None or call.access is not Access.SIGNED:
            return None
        backdate = self._settings.created_backdate
        return SignedRequest(token, self._signer, now=self._edge.now, backdate=backdate)

    def _wait(self, attempt: Attempt[T], number: int) -> float:
        hint = None
        if attempt.response is not None:
            header = attempt.response.headers.get("Retry-After")
            hint = idempotency.parse_retry_after(header, now=self._now())
        return max(hint or 0.0, idempotency.backoff(number, random=self._edge.random))

    def _watch_clock(self, response: httpx.Response) -> None:
        if (date := _date(response)) is not None:
            # The header has whole seconds: on average the provider's clock is half a second on.
            self.clock_skew = date + 0.5 - self._edge.now()

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._edge.now(), UTC)

    def _log(self, call: Call[T], attempt: Attempt[T], progress: Progress, took: float) -> None:
        log.info(
            "provider_call",
            method=call.method,
            route=call.route,
            status=attempt.response.status_code if attempt.response is not None else None,
            outcome=attempt.outcome.name.lower(),
            attempts=len(progress.outcomes),
            duration_ms=round(took * 1000, 1),
        )

    def _conclude(self, call: Call[T], attempt: Attempt[T], progress: Progress) -> T:
        if attempt.outcome is Outcome.SUCCESS:
            return attempt.value  # type: ignore[return-value]  # T may itself be None
        settled = attempt.outcome in idempotency.SETTLING
        unanswered = progress.open and not settled
        if call.kind is Kind.KEYED and (unanswered or _still_in_flight(attempt)):
            raise _unknown(call, progress)
        raise _refusal(call, attempt)


def _read(call: Call[T], response: httpx.Response, token: AccessToken | None) -> Attempt[T]:
    outcome = idempotency.outcome_of_status(response.status_code, call.success)
    if outcome is not Outcome.SUCCESS:
        return Attempt(outcome, response, token=token)
    try:
        return Attempt(outcome, response, call.read(response.content), token)
    except errors.ProviderProtocolError as error:
        return Attempt(Outcome.UNREADABLE, response, token=token, error=error)


def _date(response: httpx.Response) -> float | None:
    try:
        return parsedate_to_datetime(response.headers.get("Date", "")).timestamp()
    except ValueError:
        return None


def _still_in_flight(attempt: Attempt[T]) -> bool:
    """Whether a 409 speaks of the key and not of the card: only its text could tell (section 5)."""
    if attempt.outcome is not Outcome.CONFLICT or attempt.response is None:
        return False
    text = attempt.response.text.lower()
    return "idempotency" in text or "in flight" in text or "concurren" in text


def _unknown(call: Call[T], progress: Progress) -> errors.OutcomeUnknown:
    return errors.OutcomeUnknown(
        "The provider took the request and did not say what came of it. "
        "Send the same request again with this idempotencyKey before retrySafeUntil.",
        idempotency_key=str(call.key),
        retry_safe_until=progress.started + idempotency.KEY_LIFE - idempotency.KEY_MARGIN,
    )


def _refusal(call: Call[T], attempt: Attempt[T]) -> errors.GatewayError:
    status = attempt.response.status_code if attempt.response is not None else None
    if attempt.error is not None:
        return attempt.error
    match attempt.outcome:
        case Outcome.NOT_FOUND:
            return errors.NotFound(f"The provider knows no such {call.subject}.")
        case Outcome.CONFLICT:
            return call.conflict(f"The state of this {call.subject} does not permit that.")
        case Outcome.KEY_REUSED:
            return errors.IdempotencyConflict(
                "This idempotencyKey was used with another input; use a new one."
            )
        case Outcome.OTHER_REFUSAL:
            return errors.Refused(f"The provider refused the request (status {status}).")
        case Outcome.UNREADABLE | Outcome.UNEXPECTED_STATUS:
            return errors.ProviderProtocolError(
                f"The provider answered with status {status}, which is not documented here. "
                "The operator should check GATEWAY_PROVIDER_URL."
            )
        case _:
            return _no_answer(attempt, status)


def _no_answer(attempt: Attempt[T], status: int | None) -> errors.GatewayError:
    match attempt.outcome:
        case Outcome.POOL_EXHAUSTED:
            return errors.Overloaded("The gateway is busy; try again in a moment.")
        case Outcome.TOO_MANY:
            header = attempt.response.headers.get("Retry-After") if attempt.response else None
            after = idempotency.parse_retry_after(header, now=datetime.now(UTC))
            return errors.RateLimited("The provider asks to slow down.", retry_after=after)
        case Outcome.UNAUTHORISED:
            return errors.ProviderUnavailable(
                "The provider does not accept the gateway's credentials. "
                "The operator should run `gateway doctor`."
            )
        case _:
            what = f"answered with status {status}" if status else "could not be reached"
            return errors.ProviderUnavailable(f"The provider {what}; try again in a moment.")
