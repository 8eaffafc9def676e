"""Packages of npm that tests run: each folder has its own, locked."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.waiting import PATIENCE

NODE, NPM = shutil.which("node"), shutil.which("npm")

needs_npm = [
    pytest.mark.process,
    pytest.mark.skipif(
        NODE is None or NPM is None,
        reason="Node.js is missing (on Debian: apt-get install nodejs npm)",
    ),
]
"""Marks of tests that run packages."""


def run(folder: Path, *command: str | None, stdin: str = "", **environment: str) -> str:
    """The output of a command in a folder, with more in its environment; fails with all it said."""
    words = [word for word in command if word is not None]
    done = subprocess.run(
        words,
        cwd=folder,
        env=os.environ | environment,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, f"{words} failed:\n{done.stdout}{done.stderr}"
    return done.stdout


def install(folder: Path) -> None:
    """Install the locked packages, unless that was done since the lock was changed last.

    Several processes of pytest may ask for it at once: the first one does it, the others wait.
    """
    lock = folder / "package-lock.json"
    installed = folder / "node_modules" / ".package-lock.json"  # npm writes it last
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
            run(folder, NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
