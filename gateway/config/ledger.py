"""Idempotency keys: whether mutations need one, and how many are remembered."""

from pydantic import Field

from gateway.config.loading import Loadable


class LedgerSettings(Loadable):
    """Whether mutations need an idempotency key, and how many are remembered."""

    require_idempotency_key: bool = Field(
        default=False,
        description="Refuse mutations without an idempotency key. A load balancer that sends a "
        "POST again makes a second card where there is none.",
    )
    max_idempotency_records: int = Field(
        default=1_000_000,
        ge=1,
        description="Most idempotency keys that are remembered, each for 24 hours in some 290 "
        "bytes; when they are reached, new keys are refused (`OVERLOADED`).",
    )
