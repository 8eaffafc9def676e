"""The hooks of pre-commit are make lint, with the tools of the lock."""

import re
from typing import Any

import yaml

from tests.processes import ROOT

CONFIG = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())


def hooks() -> list[dict[str, Any]]:
    """The hooks of all repositories that are named."""
    return [hook for repository in CONFIG["repos"] for hook in repository["hooks"]]


def test_hooks_are_the_commands_of_make_lint() -> None:
    """The hooks run what `make lint` runs, in the same order and over the same files."""
    makefile = (ROOT / "Makefile").read_text()
    [recipe] = re.findall(r"^lint:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    commands = recipe.replace("$(BIN)", ".venv/bin").replace("\t", "").splitlines()
    assert [hook["entry"] for hook in hooks()] == commands
    assert not any(hook["pass_filenames"] for hook in hooks())


def test_hooks_start_programs_of_the_environment() -> None:
    """Each hook is local and starts a program that the lock installs: no version is named twice."""
    assert [repository["repo"] for repository in CONFIG["repos"]] == ["local"]
    for hook in hooks():
        assert hook["language"] == "system"
        assert (ROOT / hook["entry"].split()[0]).is_file()
