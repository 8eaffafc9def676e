"""Names in messages and events: a caller may make up names of any length."""

import re

NAME_LENGTH = 64  # characters of a name that are shown

_LONG_NAME = re.compile(rf"\w{{{NAME_LENGTH + 1},}}", re.ASCII)


def shortened(text: str) -> str:
    """The text, in which each longer name is cut to its first 64 characters and a mark."""
    return _LONG_NAME.sub(lambda found: f"{found[0][:NAME_LENGTH]}…", text)
