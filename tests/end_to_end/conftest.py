"""The gateway that most of the clients of frontends ask."""

from collections.abc import Iterator

import pytest

from tests.clients.frontend import Site, site
from tests.unmeasured import unmeasured


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A gateway without a manifest, which shows no schema and leaves repeating to its clients."""
    folder = tmp_path_factory.mktemp("gateway")
    with unmeasured(), site(folder, max_attempts="1") as served:
        yield served
