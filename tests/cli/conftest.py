"""What the tests of several commands share."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the ledger is set to be, and nothing else is set."""
    monkeypatch.chdir(tmp_path)
    for name in [one for one in os.environ if one.upper().startswith("GATEWAY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GATEWAY_LEDGER", f"sqlite:{tmp_path / 'ledger.db'}")
    return tmp_path / "ledger.db"
