"""Room 2: how we talk to the provider. The only room that knows httpx."""

from gateway.provider.calls import Edge
from gateway.provider.client import Issued, ProviderClient
from gateway.provider.models import Address, Card, CardNetwork, CardStatus, CardType

__all__ = [
    "Address",
    "Card",
    "CardNetwork",
    "CardStatus",
    "CardType",
    "Edge",
    "Issued",
    "ProviderClient",
]
