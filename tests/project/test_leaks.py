"""A socket that a test leaves open fails that test, and no other one."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT
from tests.unmeasured import unmeasured
from tests.waiting import PATIENCE

LEAKS = """
import socket

class Holder:
    def __init__(self):
        self.me, self.socket = self, socket.socket()  # freed by the garbage collector alone

def test_that_leaks():
    Holder()

def test_beside_it():
    pass

def test_that_fails_and_leaks():
    holder = Holder()
    assert False

def test_beside_that():
    [bytearray(10) for _ in range(10_000)]
"""


@pytest.mark.process
def test_a_leak_is_reported_with_the_test_that_leaked(tmp_path: Path) -> None:
    """The neighbours of a test that leaks pass, also where the test failed for another reason."""
    (tmp_path / "test_leaks.py").write_text(LEAKS)
    options = ["-p", "tests.conftest", "-c", str(ROOT / "pyproject.toml"), "-p", "no:cacheprovider"]
    with unmeasured():
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, str(tmp_path)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    failed = {line.split("::")[1].split()[0] for line in done.stdout.splitlines() if "::" in line}
    assert failed == {"test_that_leaks", "test_that_fails_and_leaks"}, done.stdout
    assert "1 failed, 3 passed, 2 errors" in done.stdout, done.stdout
