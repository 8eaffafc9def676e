"""The client of the provider's REST API."""

from gateway.provider.breaker import BreakerState
from gateway.provider.client import ProviderClient
from gateway.provider.clock import ProviderClock
from gateway.provider.endpoints import LIST_CARDS, READ_CARD, Call, Endpoint
from gateway.provider.models import Address, Card, CardNetwork, CardStatus, CardType, NewCard
from gateway.provider.post_codes import WITHOUT_POST_CODE
from gateway.provider.retries import Kind

__all__ = [
    "LIST_CARDS",
    "READ_CARD",
    "WITHOUT_POST_CODE",
    "Address",
    "BreakerState",
    "Call",
    "Card",
    "CardNetwork",
    "CardStatus",
    "CardType",
    "Endpoint",
    "Kind",
    "NewCard",
    "ProviderClient",
    "ProviderClock",
]
