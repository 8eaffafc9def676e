"""The client of the provider's REST API."""

from gateway.provider.accounts import Account, AccountStatus
from gateway.provider.breaker import BreakerState
from gateway.provider.client import ProviderClient
from gateway.provider.clock import ProviderClock
from gateway.provider.endpoints import (
    LIST_CARDS,
    LIST_TRANSACTIONS,
    READ_ACCOUNT,
    READ_AUTHORISATION,
    READ_CARD,
    Call,
    Endpoint,
)
from gateway.provider.models import Address, Card, CardNetwork, CardStatus, CardType, NewCard
from gateway.provider.payments import (
    Authorisation,
    AuthorisationStatus,
    Fee,
    FeeType,
    Merchant,
    NewAuthorisation,
    Transaction,
    TransactionDirection,
    TransactionStatus,
)
from gateway.provider.post_codes import WITHOUT_POST_CODE
from gateway.provider.retries import Kind

__all__ = [
    "LIST_CARDS",
    "LIST_TRANSACTIONS",
    "READ_ACCOUNT",
    "READ_AUTHORISATION",
    "READ_CARD",
    "WITHOUT_POST_CODE",
    "Account",
    "AccountStatus",
    "Address",
    "Authorisation",
    "AuthorisationStatus",
    "BreakerState",
    "Call",
    "Card",
    "CardNetwork",
    "CardStatus",
    "CardType",
    "Endpoint",
    "Fee",
    "FeeType",
    "Kind",
    "Merchant",
    "NewAuthorisation",
    "NewCard",
    "ProviderClient",
    "ProviderClock",
    "Transaction",
    "TransactionDirection",
    "TransactionStatus",
]
