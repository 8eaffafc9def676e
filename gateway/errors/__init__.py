"""The error tree: what can go wrong, under a stable code, in words that are safe to show.

    GatewayError                      code, retryable, message, .extensions
    ├─ InternalError                  a fault of the gateway
    ├─ ConfigError                    start-up only: every problem of the settings at once
    ├─ BadRequest                     the HTTP request is not one that can be answered
    │  └─ DocumentNotFound · DocumentsNotSupported · DocumentNotTrusted
    ├─ RequestInvalid · DocumentTooLarge        the document cannot be executed
    ├─ InvalidInput                   + field: which part of the caller's input is wrong
    ├─ NotAuthenticated · IdentityUnavailable · NotAllowed
    ├─ SimulatorDisabled              the simulator exists in test environments only
    ├─ IdempotencyConflict            same key, other input
    ├─ RateLimited                    + who limits, the gateway or the provider, and for how long
    ├─ Overloaded · DeadlineExceeded  the gateway is full, or out of time: not carried out
    ├─ LedgerUnavailable              what is known of keys cannot be read: not carried out
    ├─ MutationsPaused                the operator has switched mutations off: not carried out
    ├─ AuditUnavailable               the audit trail cannot be written: not carried out
    ├─ NotExecuted                    a write that never happened, and never will
    ├─ SigningError · SignatureInvalid
    └─ ProviderError
       ├─ NotFound · InvalidState · Refused     the provider said no (final)
       ├─ ProviderUnavailable                   a read failed, or this write was not carried out
       ├─ OutcomeUnknown                        a write left, no answer: how long to repeat
       └─ ProviderProtocolError                 answered, but not as documented

A class with a code of its own says what it means and what to do. ``CODES`` has them all: the enum
of the GraphQL schema and the table of the documentation are made from it.

Messages name fields and next steps, never a value, a header, a body or card data: whoever
raises an error may rely on its message reaching the caller and the log. graphql-core copies a
dict-valued ``extensions`` from the original exception, so nothing here imports GraphQL.
"""

from gateway.errors.base import (
    CODES,
    ConfigError,
    GatewayError,
    InternalError,
)
from gateway.errors.clicks import (
    AuditUnavailable,
    DeadlineExceeded,
    IdempotencyConflict,
    LedgerUnavailable,
    LimitedBy,
    MutationsPaused,
    NotExecuted,
    Overloaded,
    RateLimited,
)
from gateway.errors.provider import (
    InvalidState,
    NotFound,
    OutcomeUnknown,
    Promise,
    ProviderError,
    ProviderProtocolError,
    ProviderUnavailable,
    Refused,
)
from gateway.errors.requests import (
    BadRequest,
    DocumentNotFound,
    DocumentNotTrusted,
    DocumentsNotSupported,
    DocumentTooLarge,
    IdentityUnavailable,
    InvalidInput,
    NotAllowed,
    NotAuthenticated,
    RequestInvalid,
    SignatureInvalid,
    SigningError,
    SimulatorDisabled,
)

__all__ = [
    "CODES",
    "AuditUnavailable",
    "BadRequest",
    "ConfigError",
    "DeadlineExceeded",
    "DocumentNotFound",
    "DocumentNotTrusted",
    "DocumentTooLarge",
    "DocumentsNotSupported",
    "GatewayError",
    "IdempotencyConflict",
    "IdentityUnavailable",
    "InternalError",
    "InvalidInput",
    "InvalidState",
    "LedgerUnavailable",
    "LimitedBy",
    "MutationsPaused",
    "NotAllowed",
    "NotAuthenticated",
    "NotExecuted",
    "NotFound",
    "OutcomeUnknown",
    "Overloaded",
    "Promise",
    "ProviderError",
    "ProviderProtocolError",
    "ProviderUnavailable",
    "RateLimited",
    "Refused",
    "RequestInvalid",
    "SignatureInvalid",
    "SigningError",
    "SimulatorDisabled",
]
