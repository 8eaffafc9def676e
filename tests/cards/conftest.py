"""The tests of cards hold in this process and over the network alike."""

import pytest

from tests import stack


@pytest.fixture(
    autouse=True,
    params=[False, pytest.param(True, marks=pytest.mark.process)],
    ids=["in process", "network"],
)
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the test's stacks with the transport that stands in for the network, and with it."""
    monkeypatch.setattr(stack, "NETWORK", request.param)
