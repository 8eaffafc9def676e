"""A client of the provider without a gateway around it, and the calls that tests make with it."""

import math
import time
import uuid

import httpx
import msgspec

from gateway.cards.operations.issue_virtual_card import CREATE_CARD
from gateway.cards.operations.simulate_card_issue import ISSUE
from gateway.config import Settings
from gateway.ledger import CallResult, Claim
from gateway.provider import Address, Card, NewCard, ProviderClient
from gateway.provider.transport import transport_to
from gateway.runtime import Runtime
from gateway.telemetry import LogSink


def client_of(
    settings: Settings,
    transport: httpx.AsyncBaseTransport | None = None,
    runtime: Runtime | None = None,
) -> ProviderClient:
    """A client on the real network, or over the transport that stands in for it."""
    network = transport_to(
        settings.provider_url, through=transport, ca_file=settings.provider_ca_file
    )
    return ProviderClient(settings, network, runtime or Runtime(), emit=LogSink())


def new_claim() -> Claim:
    """The right to send under a key that nobody has used, whatever the client's own clock shows."""
    return Claim(uuid.uuid4(), time.time(), since=math.inf)


async def create_card(
    client: ProviderClient, account_id: uuid.UUID, address: Address
) -> CallResult[Card]:
    """Create a virtual card under a new key."""
    body = msgspec.json.encode(NewCard(billing_address=address))
    return await client.modify(CREATE_CARD.call(body=body, accountId=account_id), new_claim())


async def simulate_issue(client: ProviderClient, card_id: uuid.UUID) -> CallResult[None]:
    """Let the simulator issue a card, under a new key."""
    return await client.modify(ISSUE.call(cardId=card_id), new_claim())
