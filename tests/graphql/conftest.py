"""What tests of the plan share."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def collected_after_each_test_only() -> Iterator[None]:
    """Coroutines that nobody awaited must not end inside a namedtuple, where no warning works."""
    gc.disable()
    yield
    gc.enable()
