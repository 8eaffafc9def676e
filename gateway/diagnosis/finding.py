"""One line of an examination."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; ``advice`` says what to do where it is bad.

    ``good`` is None for what was not looked at, because something before it is bad.
    """

    good: bool | None
    what: str
    advice: str = ""
