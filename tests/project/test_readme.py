"""The README and the code say the same."""

import re

import pytest

from gateway.config import Settings
from tools.tables import GROUPS, README, TABLES, renewed

TEXT = README.read_text("utf-8")


@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_as_the_code_has_it(name: str) -> None:
    """Settings, operations and error codes stand in the README as `make tables` writes them."""
    assert TEXT.count(f"<!-- table: {name} -->\n{TABLES[name]()}<!-- end -->\n") == 1
    assert renewed(TEXT) == TEXT


def test_every_setting_is_in_a_group() -> None:
    """The README's groups have all settings, in the order in which they are checked."""
    names = [name for group in GROUPS for name in group.__annotations__]
    assert [name for name in names if name in Settings.model_fields] == [*Settings.model_fields]


def test_the_example_waits_for_the_result_of_a_mutation() -> None:
    """The README's client gives up later than a mutation may take where nothing is set."""
    found = re.search(r"AbortSignal\.timeout\(([\d_]+)\), // longer than (\w+)", TEXT)
    assert found
    deadline = Settings.model_fields[found[2].removeprefix("GATEWAY_").lower()].default
    assert int(found[1]) > deadline * 1000
