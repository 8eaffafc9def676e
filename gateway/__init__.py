"""A GraphQL gateway that answers with signed, idempotent calls to a card-issuing provider."""

__version__ = "0.1.0"
