"""The client of the provider's REST API."""

from gateway.provider.breaker import BreakerState
from gateway.provider.client import Issued, ProviderClient
from gateway.provider.models import Address, Card, CardNetwork, CardStatus, CardType

__all__ = [
    "Address",
    "BreakerState",
    "Card",
    "CardNetwork",
    "CardStatus",
    "CardType",
    "Issued",
    "ProviderClient",
]
