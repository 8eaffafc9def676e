"""Sending a call: attempts under one key and one body, until ``may_repeat`` or the time says stop.

    Call ──► _attempt ──► Outcome ──► may_repeat ──► wait, sign again, repeat
                                         └─► stop ──► value, or the error that fits

A modifying call that left without a clear answer ends as OutcomeUnknown, never as "failed".
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, TypeVar

from gateway import __version__, errors
from gateway.answers import ACCEPTED
from gateway.config import ProviderSettings
from gateway.events import (
    AttemptEnded,
    CardFieldsUnreadable,
    ProviderCallEnded,
    SignerChosen,
    Sink,
    UnexpectedError,
)
from gateway.ledger import Claim, key_in_use, key_of_another_input, unknown
from gateway.provider import refusals, retries
from gateway.provider.access_tokens import FetchedToken, TokenSource
from gateway.provider.breaker import Breaker
from gateway.provider.clock import ProviderClock
from gateway.provider.concurrency import ConcurrencyLimit
from gateway.provider.credentials import Credentials, TooLate
from gateway.provider.endpoints import Access, Call
from gateway.provider.models import AccessToken, unreadable_fields
from gateway.provider.progress import Attempt, Progress
from gateway.provider.retries import Kind, Outcome, Step, may_repeat
from gateway.provider.retry_hints import RetryHint
from gateway.provider.transport import (
    ExchangeFailed,
    Origin,
    Reply,
    Request,
    Timeouts,
    Transport,
    causes,
)
from gateway.runtime import Runtime
from gateway.signing import Signer, fastest
from gateway.telemetry import (
    NO_REQUEST,
    Tracing,
    caller_id,
    request_id,
    server_of,
    trace_context,
)

T = TypeVar("T")

COMMON_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": ACCEPTED,
    "User-Agent": f"card-gateway/{__version__}",
}
_OF_KNOWN_CALLERS = (Outcome.SUCCESS, Outcome.NOT_FOUND)  # no proxy answers so without a token
_CONFLICTS = (400, 409, 422)  # whose text may be about the key
CONFLICT_WAIT = 1.0  # seconds for an earlier request with the same key to be answered


class Sender:
    """Sends calls: repeats within bounds, signs each attempt, tells what came of it."""

    def __init__(
        self,
        transport: Transport,
        origin: Origin,
        settings: ProviderSettings,
        fetch_token: Callable[[], Awaitable[FetchedToken]],
        runtime: Runtime,
        emit: Sink,
        tracing: Tracing,
    ) -> None:
        self._transport = transport
        self._origin = origin
        self._settings = settings
        self._runtime = runtime
        self._emit = emit
        self._tracing = tracing
        self._server = server_of(str(origin))
        key = fastest(settings.private_key)
        emit(SignerChosen(signer=key.library))
        self._credentials = Credentials(
            Signer(key, keyid=settings.signing_key_id),
            origin.authority,
            now=runtime.now,
            backdate=settings.created_backdate,
        )
        self.tokens = TokenSource(
            fetch_token, runtime=runtime, margin=settings.token_margin, emit=emit
        )
        self.clock = ProviderClock(
            now=runtime.now,
            clock=runtime.clock,
            tolerance=settings.clock_tolerance,
            backdate=settings.created_backdate,
            emit=emit,
        )
        self.breaker = Breaker(
            failures=settings.breaker_failures,
            pause=settings.breaker_pause,
            clock=runtime.clock,
            emit=emit,
        )
        self._retry_hint = RetryHint(clock=runtime.clock, emit=emit)
        self.concurrency = ConcurrencyLimit(
            most=settings.max_connections, wait=settings.pool_timeout
        )

    async def send(self, call: Call[T], claim: Claim | None = None) -> T:
        """Carry the call out; raises the ProviderError, Overloaded, DeadlineExceeded or
        IdempotencyConflict that fits its end.

        ``claim`` is the right to send under an idempotency key: a call of that kind needs one.
        """
        if (call.endpoint.kind is Kind.KEYED) is not (claim is not None):
            raise TypeError("a call has a claim where its endpoint takes a key, and only there")
        progress = Progress(claim)
        is_probe = call.endpoint.kind is Kind.READ and self._is_probe(call)
        try:
            with self._tracing.call(call.endpoint.method, call.endpoint.path, self._server):
                return await self._carry_out(call, progress)
        finally:
            if is_probe:
                self.breaker.probed()

    def _is_probe(self, call: Call[T]) -> bool:
        # A token is fetched on behalf of a call that was let through already.
        return call.endpoint.access is Access.SIGNED and self.breaker.admit()

    async def _carry_out(self, call: Call[T], progress: Progress) -> T:
        began = self._runtime.clock()
        try:
            async with asyncio.timeout(self._settings.call_deadline):
                attempt = await self._repeat(call, progress)
        except TimeoutError:
            attempt = Attempt(Outcome.NO_WHOLE_ANSWER, cause=causes.DeadlinePassed())
        except Exception as error:
            if not (call.endpoint.kind is Kind.KEYED and progress.open):
                raise
            # A fault of our own, but a request has left: its outcome is as open as any.
            self._emit(UnexpectedError.of(error))
            attempt = Attempt(Outcome.NO_WHOLE_ANSWER)
        hint = refusals.hint(attempt, self.clock.hint())
        self._tell(call, attempt, progress, self._runtime.clock() - began, hint)
        return self._conclude(call, attempt, progress, hint)

    async def _repeat(self, call: Call[T], progress: Progress) -> Attempt[T]:
        ends = self._runtime.clock() + self._settings.call_deadline
        while True:
            attempt = await self._attempt(call, progress, left=ends - self._runtime.clock())
            step = may_repeat(attempt.outcome, call.endpoint.kind, progress.outcomes)
            progress.outcomes.append(attempt.outcome)
            self._emit(AttemptEnded(**_facts(call, attempt)))
            self.breaker.note(attempt.outcome)
            # Also after the last attempt: the next call needs another token.
            is_renewed = step is Step.RENEW_TOKEN and self._renew(attempt)
            if step is Step.STOP or progress.counted >= self._settings.max_attempts:
                return attempt
            if step is Step.RENEW_TOKEN:
                if not is_renewed:
                    return attempt
                continue
            wait = self._wait(attempt, len(progress.outcomes))
            if self._runtime.clock() + wait >= ends:
                return attempt
            await self._runtime.sleep(wait)

    def _renew(self, attempt: Attempt[Any]) -> bool:
        return attempt.token is not None and self.tokens.forget(attempt.token)

    async def _attempt(self, call: Call[T], progress: Progress, *, left: float) -> Attempt[T]:
        """One attempt, or none while the provider's hint holds for its API.

        The token endpoint has hints of its own, which the token source obeys.
        """
        if call.endpoint.access is Access.NOTHING:
            return await self._ask(call, progress, left=left)
        if wait := self._retry_hint.wait():
            refusal = self._retry_hint.refusal(wait)
            return Attempt(Outcome.HELD_BACK, error=refusal, retry_after=wait)
        with self._retry_hint.request():
            attempt = await self._ask(call, progress, left=left)
            if attempt.reply is not None:
                self._retry_hint.learn(attempt.outcome, attempt.retry_after)
        return attempt

    async def _ask(self, call: Call[T], progress: Progress, *, left: float) -> Attempt[T]:
        token = None
        if call.endpoint.access is not Access.NOTHING:
            try:
                token = await self.tokens.get()
            except errors.GatewayError as error:
                return Attempt(Outcome.NO_TOKEN, error=error, cause=causes.known(error))
        if progress.claim and self.clock.differs_by_more_than(progress.claim.most_skew):
            # One answer may have had a wrong date: without another one, writes would stop for long.
            if token:
                self.tokens.renew(token)
            return Attempt(Outcome.CLOCKS_APART)
        try:
            async with self._place(call):
                await self._runtime.turns.wait(caller_id.get())
                at = self._runtime.now()
                if progress.claim and not await _may_send(progress.claim):
                    return Attempt(Outcome.WITHDRAWN)
                request = self._request(call, token, progress.claim, at)
                progress.in_flight = True
                reply = await self._transport.exchange(request, self._timeouts(left))
        except errors.Overloaded:
            attempt: Attempt[T] = Attempt(Outcome.POOL_EXHAUSTED)
        except TooLate:
            attempt = Attempt(Outcome.TOO_LATE)
        except ExchangeFailed as broken:
            attempt = Attempt(broken.outcome, cause=broken.cause)
        else:
            self.clock.watch(reply)
            attempt = _read(call, reply, token, self.clock.retry_after(reply))
            if token and attempt.outcome in _OF_KNOWN_CALLERS:
                self.tokens.proven(token)
        progress.in_flight = False
        return attempt

    def _place(self, call: Call[T]) -> AbstractAsyncContextManager[None]:
        """The place of an attempt.

        Fetching the token takes none: there is one fetch at a time, and all callers wait for it.
        """
        if call.endpoint.access is Access.NOTHING:
            return nullcontext()
        reads = call.endpoint.kind is Kind.READ
        return self.concurrency.place(caller_id.get(), reads=reads)

    @property
    def is_crowded(self) -> bool:
        """Whether calls wait for a place."""
        return self.concurrency.is_crowded

    def _request(
        self, call: Call[T], token: AccessToken | None, claim: Claim | None, at: float
    ) -> Request:
        """One attempt's request: the call's key and bytes, and a signature made ``at`` this
        time."""
        headers = COMMON_HEADERS.copy()
        if (name := request_id.get()) != NO_REQUEST:
            headers["X-Request-Id"] = name
        if (trace := trace_context.get()) is not None:
            headers |= trace.headers()
        if call.body:
            headers["Content-Type"] = "application/json"
        if claim:
            headers["Idempotency-Key"] = str(claim.key)
        if token:
            headers["Authorization"] = f"Bearer {token.token}"
        request = Request(call.endpoint.method, self._origin.path + call.path, headers, call.body)
        if call.endpoint.access is Access.SIGNED:
            not_after = claim.not_after(self._runtime) if claim else math.inf
            self._credentials.sign(request, at=at, not_after=not_after)
        return request

    def _timeouts(self, left: float) -> Timeouts:
        """What an attempt may take. Getting a connection ends before the call's deadline does:
        only then is it certain that nothing has left."""
        settings, most = self._settings, max(left * 0.4, 0.001)
        return Timeouts(
            connect=min(settings.connect_timeout, most),
            read=settings.read_timeout,
            write=settings.write_timeout,
        )

    def _wait(self, attempt: Attempt[T], number: int) -> float:
        """Never less than the hint, and not as long as all others that got the same one."""
        least = CONFLICT_WAIT if attempt.outcome is Outcome.IN_FLIGHT else 0.0
        spread = retries.backoff(number, random=self._runtime.random)
        return (attempt.retry_after or least) + spread

    def _tell(
        self, call: Call[T], attempt: Attempt[T], progress: Progress, took: float, hint: str
    ) -> None:
        self._emit(
            ProviderCallEnded(
                **_facts(call, attempt),
                attempts=len(progress.outcomes),
                duration=took,
                hint=hint or None,
            )
        )

    def _tell_of_fields(self, call: Call[T], value: T) -> None:
        if fields := unreadable_fields(value):
            self._emit(CardFieldsUnreadable(route=call.endpoint.path, fields=fields))

    def _conclude(self, call: Call[T], attempt: Attempt[T], progress: Progress, hint: str) -> T:
        if attempt.readable:
            self._tell_of_fields(call, attempt.value)
            return attempt.value
        is_open = progress.claim is not None and progress.open
        if is_open or attempt.outcome is Outcome.KEY_REUSED:
            raise _unknown(attempt, progress) from attempt.cause
        found = refusals.refusal(call, attempt)
        raise _own(found, progress, hint) from (attempt.cause or found.__cause__)


def _own(error: errors.GatewayError, progress: Progress, hint: str) -> errors.GatewayError:
    """The error of this call: that of a token fetch is shared by many.

    It has no name where it is raised: an error whose traceback holds itself is garbage that only
    the collector finds.
    """
    own = error.worded(error.message)
    own.sent, own.hint = progress.sent, hint
    return own


def _unknown(attempt: Attempt[Any], progress: Progress) -> errors.OutcomeUnknown:
    """A call that may have been carried out, or whose key somebody has used before.

    Where an earlier attempt may have been carried out, every 422 may be about the key.
    """
    if attempt.outcome is Outcome.KEY_REUSED:
        return key_of_another_input(is_open=progress.open)
    if progress.is_of_another:
        return key_in_use()
    in_flight = Outcome.IN_FLIGHT in progress.outcomes
    return unknown(in_flight=in_flight, key_known=attempt.outcome is Outcome.UNPROCESSABLE)


def _facts(call: Call[Any], attempt: Attempt[Any]) -> dict[str, Any]:
    """What is told of an attempt, and of a call by its last one."""
    return {
        "method": call.endpoint.method,
        "route": call.endpoint.path,
        "status": attempt.reply.status if attempt.reply is not None else None,
        "outcome": attempt.outcome.name.lower(),
        "cause": type(attempt.cause).__name__ if attempt.cause else None,
    }


async def _may_send(claim: Claim) -> bool:
    return claim.may_send is None or await claim.may_send()


def _outcome(call: Call[Any], reply: Reply) -> Outcome:
    """What an answer means; only a call with a key can have a conflict about its key."""
    outcome = retries.outcome_of_status(reply.status, call.endpoint.success)
    if call.endpoint.kind is not Kind.KEYED:
        return Outcome.OTHER_REFUSAL if outcome is Outcome.UNPROCESSABLE else outcome
    return refusals.outcome_of_conflict(call, reply) if reply.status in _CONFLICTS else outcome


def _read(
    call: Call[T], reply: Reply, token: AccessToken | None, retry_after: float | None
) -> Attempt[T]:
    outcome = _outcome(call, reply)
    if reply.flaw is not None and refusals.needs_body(call, outcome):
        flawed = refusals.flawed(call, reply.flaw)
        return Attempt(Outcome.UNREADABLE, reply, token=token, error=flawed, cause=reply.flaw)
    if outcome is not Outcome.SUCCESS and not call.accepts(reply.status, reply.body):
        return Attempt(outcome, reply, token=token, retry_after=retry_after)
    try:
        return Attempt(outcome, reply, call.read(reply.body), token, readable=True)
    except errors.ProviderProtocolError as error:
        return Attempt(Outcome.UNREADABLE, reply, token=token, error=error)
