"""Room 2: how we talk to the provider. The only room that knows how its network is spoken."""

from gateway.provider.admission import BreakerState
from gateway.provider.calls import Edge
from gateway.provider.client import Issued, ProviderClient
from gateway.provider.idempotency import field_key, provider_key
from gateway.provider.ledger import State
from gateway.provider.models import Address, Card, CardNetwork, CardStatus, CardType
from gateway.provider.refusals import too_late

__all__ = [
    "Address",
    "BreakerState",
    "Card",
    "CardNetwork",
    "CardStatus",
    "CardType",
    "Edge",
    "Issued",
    "ProviderClient",
    "State",
    "field_key",
    "provider_key",
    "too_late",
]
