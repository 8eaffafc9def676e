"""The audits of GraphQL over HTTP that the working group's reference server is held to."""

import json
from pathlib import Path
from typing import Any

from tests.npm import NODE, install, needs_npm, run
from tests.processes import started
from tests.unmeasured import unmeasured

FOLDER = Path(__file__).parent.parent / "audits"
pytestmark = needs_npm


def test_all_server_audits_of_graphql_http() -> None:
    """A gateway on a socket passes all 61 audits of npm's graphql-http: MUST, SHOULD and MAY."""
    install(FOLDER)
    with unmeasured(), started("dev", "--port", "0") as gateway:
        url = gateway.wait_for(r"http://[\d.]+:\d+/graphql")[0]
        results: list[dict[str, Any]] = json.loads(run(FOLDER, NODE, "run.mjs", url))
    failed = [
        f"{one['id']} {one['name']}: {one['status']}, {one.get('reason')}"
        for one in results
        if one["status"] != "ok"
    ]
    assert not failed, "\n".join(failed)
    assert len(results) == 61
