"""What a caller is told of a key: its outcome is unknown, or it is bound to another input."""

from gateway import errors


def unknown(promise: errors.Promise) -> errors.OutcomeUnknown:
    """A modifying call that may have happened."""
    return errors.OutcomeUnknown(
        "The provider took the request and did not say what came of it. "
        "Send the same request again with this idempotencyKey within retrySafeSeconds.",
        promise=promise,
    )


def key_reused() -> errors.IdempotencyConflict:
    """The key is bound to another input, whoever remembers that: we or the provider."""
    return errors.IdempotencyConflict(
        "This idempotencyKey was used with another input; use a new one."
    )


def too_late(promise: errors.Promise) -> errors.OutcomeUnknown:
    """A retry that came when the provider may have forgotten the key: it was not sent."""
    return errors.OutcomeUnknown(
        "It is too late to retry this request safely, and it was not sent. An earlier one with "
        "this idempotencyKey may have worked: look whether it did before you send a new one.",
        promise=promise,
        retryable=False,
    )
