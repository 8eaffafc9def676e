"""The pages for contributors name what there is."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
ARCHITECTURE = ROOT / "docs" / "architecture.md"
PAGES = [ARCHITECTURE, ROOT / "CONTRIBUTING.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_files_exist(page: Path) -> None:
    """Every file that a page names is in the repository."""
    named = set(re.findall(r"`((?:gateway|tests)/[\w/.]+)`", page.read_text()))
    assert named
    assert not [one for one in named if not (ROOT / one).exists()]


def test_every_package_is_drawn() -> None:
    """Each package and module of gateway/ is in the drawing, and each one drawn is there."""
    drawn = set(re.findall(r'\w+\["(\w+)(?:\.py)?: ', ARCHITECTURE.read_text()))
    there = {path.stem for path in (ROOT / "gateway").iterdir() if path.name[0] not in "_."}
    assert drawn == there


def test_named_targets_of_make_exist() -> None:
    """Every `make …` of CONTRIBUTING.md is a target of the Makefile."""
    named = set(re.findall(r"`make ([\w-]+)", PAGES[1].read_text()))
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert named
    assert named <= targets
