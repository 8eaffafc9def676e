"""The emulator's composition root: the table of operations, and the way of a call through it.

request → Host → faults → Call → guard → body → idempotency key → latency → operation → Answer →
Date → observer
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.emulator.answers import Answer, Refusal
from gateway.emulator.calls import ReceivedCall, read_call
from gateway.emulator.control import control_routes
from gateway.emulator.faults import Faults
from gateway.emulator.faulty import Faulty
from gateway.emulator.guards import bearer, check_body, idempotency_key, open_to_all, signed
from gateway.emulator.hosts import AnsweredHosts
from gateway.emulator.idempotency import keep
from gateway.emulator.observed import Observed, Observer
from gateway.emulator.operations import accounts, auth, authorisations, cards, transactions
from gateway.emulator.options import EmulatorOptions
from gateway.emulator.state import Emulator


@dataclass(frozen=True, slots=True)
class Handler:
    """What a method does on a path, and what it asks for; ``keyed``: an idempotency key."""

    perform: Callable[[Emulator, ReceivedCall], Answer]
    guard: Callable[[Emulator, ReceivedCall], None] = signed
    takes_body: bool = False
    keyed: bool = False


OPERATIONS: Mapping[str, Mapping[str, Handler]] = {
    "/v1/auth/token": {"POST": Handler(auth.issue_token, open_to_all, takes_body=True)},
    "/v1/auth/signing": {
        "PUT": Handler(auth.register_key, bearer, takes_body=True),
        "DELETE": Handler(auth.remove_key, bearer, takes_body=True),
    },
    "/v1/accounts": {"GET": Handler(accounts.list_accounts)},
    "/v1/accounts/{accountId}": {"GET": Handler(accounts.read_account)},
    "/v1/accounts/{accountId}/cards": {
        "POST": Handler(cards.create_card, takes_body=True, keyed=True),
        "GET": Handler(cards.list_account_cards),
    },
    "/v1/accounts/{accountId}/transactions": {
        "GET": Handler(transactions.list_account_transactions)
    },
    "/v1/cards": {"GET": Handler(cards.list_cards)},
    "/v1/cards/{cardId}": {
        "GET": Handler(cards.read_card),
        "DELETE": Handler(cards.terminate_card, keyed=True),
    },
    "/v1/cards/{cardId}/activate": {"PATCH": Handler(cards.activate_card, keyed=True)},
    "/v1/cards/{cardId}/deactivate": {"PATCH": Handler(cards.deactivate_card, keyed=True)},
    "/v1/cards/{cardId}/transactions": {"GET": Handler(transactions.list_card_transactions)},
    "/v1/authorisations/{authorisationId}": {"GET": Handler(authorisations.read_authorisation)},
    "/v1/transactions/{transactionId}": {"GET": Handler(transactions.read_transaction)},
    "/v1/simulator/cards/{cardId}/issue": {"PATCH": Handler(cards.simulate_issue, keyed=True)},
    "/v1/simulator/cards/{cardId}/fail": {"PATCH": Handler(cards.simulate_fail, keyed=True)},
    "/v1/simulator/cards/{cardId}/authorisation": {
        "POST": Handler(authorisations.simulate_authorisation, takes_body=True, keyed=True)
    },
    "/v1/simulator/authorisations/{authorisationId}/capture": {
        "PATCH": Handler(authorisations.simulate_capture, keyed=True)
    },
    "/v1/simulator/authorisations/{authorisationId}/release": {
        "PATCH": Handler(authorisations.simulate_release, keyed=True)
    },
}


def create_emulator(
    options: EmulatorOptions,
    *,
    faults: Faults | None = None,
    hosts: Iterable[str] | None = None,
    observe: Observer | None = None,
    now: Callable[[], float] = time.time,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Starlette:
    """The emulator as an ASGI application; its state is at ``app.state.emulator``.

    ``faults`` go wrong from the start. ``hosts`` are names and addresses that are answered beside
    the loopback names; without them every Host is, which is for use within a process. ``observe``
    is told of each request when it has ended; it must not wait. ``now`` gives UNIX seconds,
    ``sleep`` waits out latencies. Every answer has a ``Date`` of its own: run it with the server's
    switched off. Raises SigningError when a preset signing key is not P-384.
    """
    emulator = Emulator(options, now=now, sleep=sleep, faults=faults)
    refuse = partial(_refuse, emulator)
    app = Starlette(
        routes=[
            *(Route(path, _Resource(emulator, path)) for path in OPERATIONS),
            *control_routes(emulator),
        ],
        exception_handlers=dict.fromkeys(
            (Refusal, HTTPException, ClientDisconnect, Exception),
            refuse,
        ),
    )
    # The provider's paths are exact: a redirected call would carry a signature for another path.
    app.router.redirect_slashes = False
    app.state.emulator = emulator
    # Around Starlette's own layers, which would hide the server's ``send`` from the faults.
    app.middleware_stack = _wrap(app.build_middleware_stack(), emulator, hosts, observe)
    return app


def _wrap(
    app: ASGIApp, emulator: Emulator, hosts: Iterable[str] | None, observe: Observer | None
) -> ASGIApp:
    app = Faulty(app, emulator)
    if hosts is not None:
        app = AnsweredHosts(app, emulator, hosts)
    return Observed(app, observe, emulator.clock) if observe else app


class _Resource:
    """One path: finds the operation for the method and takes the call through it."""

    def __init__(self, emulator: Emulator, path: str) -> None:
        self._emulator = emulator
        self._path = path
        self._operations = OPERATIONS[path]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        operation = self._operations.get(request.method)
        if operation is None:
            raise HTTPException(405, headers={"Allow": ", ".join(sorted(self._operations))})
        self._emulator.calls[request.method, self._path] += 1
        answer = await self._answer(operation, await read_call(request))
        await answer.to_response(scope, self._emulator.now())(scope, receive, send)

    async def _answer(self, operation: Handler, call: ReceivedCall) -> Answer:
        operation.guard(self._emulator, call)
        check_body(call, takes_body=operation.takes_body)
        if operation.keyed:
            return await self._answer_once(operation, call, idempotency_key(call))
        await self._emulator.work(call.latency)
        return operation.perform(self._emulator, call)

    async def _answer_once(self, operation: Handler, call: ReceivedCall, key: str) -> Answer:
        emulator = self._emulator
        now, options = emulator.now(), emulator.options
        with emulator.ledger.hold(key, call, now=now, options=options) as entry:
            if entry.answer is not None:
                return entry.answer
            await emulator.work(call.latency)
            # From here on nothing awaits: the change and its kept answer are one step.
            answer = _perform(operation, emulator, call)
            keep(entry, answer, replay_errors=options.replay_errors)
            return answer


def _perform(operation: Handler, emulator: Emulator, call: ReceivedCall) -> Answer:
    try:
        return operation.perform(emulator, call)
    except Refusal as refusal:
        return refusal.to_answer(emulator.options.error_body)


_REASONS = {404: "there is no such path", 405: "this path does not take this method"}


async def _refuse(emulator: Emulator, request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        text = _REASONS.get(error.status_code, error.detail)
        error = Refusal(error.status_code, text, headers=error.headers)
    elif isinstance(error, ClientDisconnect):
        error = Refusal(499, "the client left before its request was read")  # it hears nothing
    elif not isinstance(error, Refusal):
        error = Refusal(500, "internal error")
    answer = error.to_answer(emulator.options.error_body)
    return answer.to_response(request.scope, emulator.now())
