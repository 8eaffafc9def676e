"""Times of the store, as operators read them."""

from datetime import UTC, datetime


def utc_text(seconds: float) -> str:
    """UNIX seconds as a date in UTC, to the second."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
