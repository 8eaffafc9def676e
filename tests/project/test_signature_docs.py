"""docs/signatures.md shows what the command prints."""

import re
import shlex
from pathlib import Path

import pytest

from tests.commands import Command
from tests.processes import ROOT
from tests.signing.test_signing import PUBLIC_KEY

PAGE = (ROOT / "docs" / "signatures.md").read_text("utf-8")


def test_the_example_is_what_the_command_prints(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's command, with the page's captures, prints what the page shows."""
    monkeypatch.chdir(tmp_path)
    captures = re.findall(r"^`([\w.]+)`.*?```http\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)
    for name, text in captures:
        Path(name).write_bytes(text.encode())
    Path("public.pem").write_bytes(PUBLIC_KEY.to_pem())
    [(line, shown)] = re.findall(r"```console\n\$ gateway (.*?)\n(.*?)```", PAGE, re.DOTALL)
    assert command(*shlex.split(line)) == (1, shown)
