"""What a document costs: the CPU time of its preparation and of one execution, without calls."""

import gc
import time
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from gateway import errors, ledger
from gateway.cards import build_schema
from gateway.events import to_nobody
from gateway.graphql import Documents, Executor, GraphQLRequest, engine_schema
from gateway.turns import Turns
from tests.hostile_documents import CARD, Maker, operation_of
from tests.stack import DOCUMENT_LIMITS

_TIME = datetime(2026, 1, 1, tzinfo=UTC)
_PROMISE = errors.Promise(_TIME, 600)


def _card(card_id: UUID) -> Any:
    address = SimpleNamespace(
        first_line="1 Test Avenue",
        second_line=None,
        city="London",
        state=None,
        country="GB",
        post_code="SW1 1AA",
    )
    return SimpleNamespace(
        id=card_id,
        account_id=card_id,
        type=SimpleNamespace(name="VIRTUAL"),
        status=SimpleNamespace(name="ACTIVE"),
        name="N",
        network=None,
        masked_pan="530518******9871",
        expiration_date="01/2030",
        billing_address=address,
        created_at=_TIME,
        updated_at=_TIME,
    )


class _Context:
    """What resolvers get where the provider answers at once."""

    deadline = float("inf")
    request_id, header_key, accounts = "request", None, None
    simulator_allowed, key_required = True, False

    def __init__(self) -> None:
        self.provider = self.ledger = self.cards = self.caller = self.limits = self
        self.id = self.caller_id = "caller"
        self.failures: list[str] = []
        self.emit = to_nobody

    async def count_document(self) -> None:
        """Nobody is too fast."""

    def must_end_at(self, deadline: float) -> None:
        """There is time."""

    def require(self, _scope: str) -> None:
        """The caller may do anything."""

    def may_use(self, _account: object) -> bool:
        """The caller may use every account."""
        return True

    async def count(self, *_: object) -> None:
        """Nobody is too fast."""

    is_kept = True

    async def look(self, _key: object) -> None:
        """No key is known."""

    def is_new(self, *_: object) -> bool:
        """Every click is the first."""
        return True

    def promise(self, _key: object) -> errors.Promise:
        """The same for every key."""
        return _PROMISE

    async def load(self, card_id: UUID) -> Any:
        """A card at once."""
        return _card(card_id)

    card = load

    def prime(self, _card: object) -> None:
        """Keep nothing."""

    clear = prime

    async def modify(self, *_: object) -> None:
        """Nothing is sent."""

    async def run(self, *_: object) -> Any:
        """A new card at once."""
        return ledger.CallResult(_card(UUID(CARD)), UUID(CARD))


class Gateway:
    """Documents and their execution; ``told`` is what was answered last."""

    def __init__(self, *, introspection: bool, suggestions: bool) -> None:
        documents = Documents(
            engine_schema(build_schema()),
            DOCUMENT_LIMITS,
            introspection=introspection,
            suggestions=suggestions,
        )
        self._executor = Executor(documents, query_deadline=60, mutation_deadline=60, turns=Turns())
        self.told = ""
        gc.collect()
        gc.freeze()  # as `gateway serve` does

    async def cost(self, maker: Maker, serial: int) -> float:
        """The seconds of CPU that one document takes from its text to the answer."""
        source, variables = maker(serial)
        request, context = GraphQLRequest(source, variables, operation_of(source)), _Context()
        began = time.process_time()
        answer = await self._executor.execute(request, context)
        took = time.process_time() - began
        errors = answer.body.get("errors", [{"message": "data"}])
        self.told = f"{len(source)} {len(errors)} {errors[-1]['message']}"
        return took
