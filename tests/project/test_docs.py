"""The pages for contributors name what there is."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
ARCHITECTURE = ROOT / "docs" / "architecture.md"
CLIENTS = ROOT / "docs" / "clients.md"
PROVIDER = ROOT / "docs" / "provider.md"
_SECTIONS = r"sections? ([\d.]*\d)(?: and ([\d.]*\d))?"
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


def test_cited_sections_of_the_provider_page_exist() -> None:
    """Each section that the code cites of the provider page is a heading of it."""
    known = set(re.findall(r"^#+ ([\d.]*\d)\.? ", PROVIDER.read_text(), re.MULTILINE))
    cited = set()
    for path in (ROOT / "gateway").rglob("*.py"):
        text = re.sub(r"\s+(?:# )?", " ", path.read_text())
        pattern = rf"provider page,? {_SECTIONS}"
        if "emulator" in path.parts:  # it cites no other page but RFCs
            pattern = rf"(?<!RFC \d{{4}} ){_SECTIONS}"
        cited |= {number for found in re.findall(pattern, text) for number in found if number}
    assert {"5", "6.4", "7", "9"} <= cited
    assert cited <= known


def test_named_targets_of_make_exist() -> None:
    """Every `make …` of CONTRIBUTING.md is a target of the Makefile."""
    named = set(re.findall(r"`make ([\w-]+)", PAGES[1].read_text()))
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert named
    assert named <= targets


def test_what_is_shown_of_clients_is_tried_with_them() -> None:
    """Each block of code on the page about clients stands, word for word, in their tests."""
    shown = re.findall(r"```js\n(.*?)```", CLIENTS.read_text(), re.DOTALL)
    folder = ROOT / "tests" / "clients"
    files = [*folder.glob("*.mjs"), *folder.glob("tools/*.mjs"), *folder.glob("project/*.mjs")]
    tried = [file.read_text() for file in files]
    assert shown
    assert not [block for block in shown if not any(block in text for text in tried)]
