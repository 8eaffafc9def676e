"""How many examples a property is tried with, and how many rows a table."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import settings


def examples(share: float) -> int:
    """So many times the number of the profile that is in force: "short", or "long"."""
    profile = settings.get_profile(settings.get_current_profile_name())
    return int(share * profile.max_examples)


def mostly_long(rows: Iterable[Any], *short: Any) -> list[Any]:
    """The rows of a table as parameters; all but the ``short`` ones are in `make test-long` only.

    A row is named by itself or, where it is a tuple, by its first value.
    """
    named = [(row[0] if isinstance(row, tuple) else row, row) for row in rows]
    names = [name for name, _ in named]
    assert all(name in names for name in short), "a row of the short form is not in the table"
    return [row if name in short else _long(row) for name, row in named]


def _long(row: Any) -> Any:
    values = row if isinstance(row, tuple) else (row,)
    return pytest.param(*values, marks=pytest.mark.long)
