"""Fixtures that the tests of telemetry share."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from gateway.telemetry import configure_logging


@pytest.fixture
def lines() -> Iterator[Any]:
    """Log as `serve` does at debug level; call the fixture to read what was written."""
    stream = io.StringIO()
    configure_logging("debug", readable=False, stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.getLogger().handlers.clear()
    structlog.reset_defaults()
