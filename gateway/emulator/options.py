"""What can be chosen about the emulator: credentials, what exists, and the provider's unknowns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

GUIDE_ACCOUNT = "ae61c362-4136-49af-8e01-544457fe265b"
"""The account of the provider's step-by-step guide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorOptions:
    """Everything that the emulator is told at its start; all times are seconds.

    ``signing_keys`` maps keyid (UUID text, as calls must spell it) to the SPKI PEM of a P-384 key
    that counts as registered from the start. The options after ``any_account`` choose an answer
    where the provider's page, section 11, has none.
    """

    api_key: str
    api_secret: str = field(repr=False)
    signing_keys: Mapping[str, bytes] = field(default_factory=dict)
    accounts: tuple[str, ...] = (GUIDE_ACCOUNT,)
    any_account: bool = False
    """Any UUID is an account: for load tests."""

    one_card_per_account: bool = False
    """The limit of section 6.5."""
    second_card: Literal["409", "400", "issue_failed"] = "409"
    """What a create beyond that limit gets: a status, or a 201 whose card fails later."""
    ended_card_frees_slot: bool = True
    """Whether ``issue_failed`` and ``terminated`` cards no longer count for that limit."""
    inactive_account: Literal["404", "409", "issue_failed"] = "issue_failed"
    """What a create gets on an account that is not active: a status, or a 201 whose card fails."""
    activation_delay: float = 1.0
    """From the simulator's 202 to ``active`` or ``issue_failed``."""
    capture_delay: float = 0.5
    """From an authorisation with ``capture``, or the simulator's 202, to ``captured`` or
    ``released``; and from there until the transaction is ``processed``."""
    rich_cards: bool = True
    """Reads of issued cards show name, network, masked PAN and expiry; the real samples do not."""

    token_lifetime: float = 3600
    clock_tolerance: float = 0
    """How far a signer's clock may run ahead."""
    max_signature_age: float | None = None
    """How long after ``created`` a signature is taken, whatever its ``expires``; None: no limit."""
    bad_signature_status: Literal[400, 401] = 400
    """For a bad content digest too."""
    error_body: Literal["json", "text"] = "json"
    """``{"error": "<text>"}``, or the text alone."""

    reused_key_status: Literal[422, 409] = 422
    """For an idempotency key that comes again with another payload."""
    replay_errors: bool = True
    """Whether a 4xx is kept under its idempotency key, as a 2xx is; a 5xx never is."""
    latency: float = 0
    """How long each call is worked on. A modifying call holds its idempotency key meanwhile."""
    retry_after: float | None = None
    """The ``Retry-After`` of the 409 for a key in flight, rounded up to whole seconds."""
