"""docs/emulator.md says what the code does, and its examples work."""

import itertools
import json
import re
import shlex
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import typer

from gateway.cli import cli
from gateway.emulator.command_line import read_command_line
from gateway.emulator.fault_texts import describe_faults
from tests.processes import ROOT, started

PAGE = (ROOT / "docs" / "emulator.md").read_text()
BLOCKS = re.findall(r"^```(sh|json)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
COMMANDS = [line for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]
STARTS = [line for line in COMMANDS if line.startswith("gateway")]


def command() -> Any:
    """The command as it is parsed."""
    group: Any = typer.main.get_command(cli)
    return group.commands["emulator"]


def option_rows() -> list[str]:
    """One row of the page's table for each option, in the order of the code."""
    rows = []
    for option in command().params:
        takes = (option.metavar or "").replace("|", ", ")
        default = "" if option.default in (None, False) else f"`{option.default}`"
        rows.append(f"| `{option.opts[0]}` | {takes} | {default} | {option.help} |")
    return rows


def fault_rows() -> list[str]:
    """One row of the page's table for each fault."""
    return [
        f"| `{fault.name}` | {fault.value} | `{fault.default}` | {fault.meaning} |"
        for fault in describe_faults()
    ]


def test_every_option_is_listed() -> None:
    """Each option stands in the page with its default and what the help says of it."""
    assert [row for row in option_rows() if row not in PAGE] == []


def test_every_fault_is_listed() -> None:
    """Each fault stands in the page with its values, its default and its meaning."""
    assert [row for row in fault_rows() if row not in PAGE] == []


@pytest.mark.parametrize("line", STARTS)
def test_examples_of_the_command_are_taken(line: str) -> None:
    """Each `gateway emulator` of the page is one that the command accepts."""
    program, name, *arguments = shlex.split(line)
    assert (program, name) == ("gateway", "emulator")
    read_command_line(command().make_context(name, arguments).params)


def requests_with_answers() -> Iterator[tuple[str, str]]:
    """Each curl command of the page with the JSON block that follows it."""
    for (kind, text), (next_kind, answer) in itertools.pairwise(BLOCKS):
        if kind == "sh" and text.startswith("curl"):
            assert next_kind == "json", text
            yield text, answer


def send(client: httpx.Client, line: str) -> httpx.Response:
    """What curl would do with these arguments."""
    program, *rest = shlex.split(line)
    assert program == "curl"
    words = iter(rest)
    given = {word: "" if word == "-s" else next(words) for word in words if word.startswith("-")}
    assert given.keys() <= {"-s", "-X", "-d"}, line
    url = re.search(r"http://127\.0\.0\.1:8001(/\S*)", line)
    assert url is not None, line
    return client.request(given.get("-X", "GET"), url[1].rstrip("'"), content=given.get("-d"))


@pytest.mark.process
def test_examples_of_requests_are_answered_as_the_page_says() -> None:
    """The page's curl commands, one after the other, get exactly the JSON that is shown."""
    examples = list(requests_with_answers())
    assert len(examples) == 4
    with started("emulator", "--port", "0") as emulator:
        url = emulator.wait_for(r"PROVIDER_URL=(http://\S+)/v1")[1]
        with httpx.Client(base_url=url, trust_env=False) as client:
            for line, answer in examples:
                assert send(client, line).json() == json.loads(answer), line


def test_the_readme_links_the_page() -> None:
    """The README leads to the page."""
    assert "(docs/emulator.md)" in (ROOT / "README.md").read_text()
