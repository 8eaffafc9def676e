"""The audits of GraphQL over HTTP that the working group's reference server is held to."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.processes import started
from tests.unmeasured import unmeasured
from tests.waiting import PATIENCE

FOLDER = Path(__file__).parent.parent / "audits"
LOCK = FOLDER / "package-lock.json"
INSTALLED = FOLDER / "node_modules" / ".package-lock.json"  # npm writes it last
NODE, NPM = shutil.which("node"), shutil.which("npm")

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(
        NODE is None or NPM is None,
        reason="Node.js is missing (on Debian: apt-get install nodejs npm)",
    ),
]


def run(*command: str | None) -> str:
    """The output of a command in the audits' folder; fails with all it said."""
    words = [word for word in command if word is not None]
    done = subprocess.run(words, cwd=FOLDER, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, f"{words} failed:\n{done.stdout}{done.stderr}"
    return done.stdout


def install() -> None:
    """Install the locked packages, unless that was done since the lock was changed last."""
    if not INSTALLED.exists() or INSTALLED.stat().st_mtime < LOCK.stat().st_mtime:
        run(NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund")


def test_all_server_audits_of_graphql_http() -> None:
    """A gateway on a socket passes all 61 audits of npm's graphql-http: MUST, SHOULD and MAY."""
    install()
    with unmeasured(), started("dev", "--port", "0") as gateway:
        url = gateway.wait_for(r"http://[\d.]+:\d+/graphql")[0]
        results: list[dict[str, Any]] = json.loads(run(NODE, "run.mjs", url))
    failed = [
        f"{one['id']} {one['name']}: {one['status']}, {one.get('reason')}"
        for one in results
        if one["status"] != "ok"
    ]
    assert not failed, "\n".join(failed)
    assert len(results) == 61
