"""The schema as frontends know it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLUnionType,
    build_schema,
    is_specified_scalar_type,
)

from gateway.cards import schema_text
from gateway.cli.schema import schema_difference
from gateway.errors import ConfigError
from gateway.graphql.changes import changes
from tests.commands import Command

FILE = Path(__file__).parent.parent.parent / "schema.graphql"
SCHEMA = build_schema(schema_text())
OWN = {
    name: kind
    for name, kind in SCHEMA.type_map.items()
    if not name.startswith("__") and not is_specified_scalar_type(kind)
}


def test_the_file_is_the_codes_schema() -> None:
    """schema.graphql is what the code says; mend it with `gateway schema`."""
    assert schema_difference(FILE.read_text(), schema_text(), FILE.name) == ""


def test_a_changed_field_is_shown_readably() -> None:
    """A changed field shows as its old and its new line, with the type around it."""
    old = FILE.read_text().replace("maskedPan: String\n", "maskedPan: String!\n")
    lines = schema_difference(old, schema_text(), "schema.graphql").splitlines()
    assert "-  maskedPan: String!" in lines
    assert "+  maskedPan: String" in lines
    assert sum(line.startswith(("+ ", "- ")) for line in lines) == 2


def described() -> Iterator[tuple[str, str | None]]:
    """Every element of the schema with its description."""
    for name, kind in OWN.items():
        yield name, kind.description
        if isinstance(kind, GraphQLEnumType):
            yield from ((f"{name}.{one}", value.description) for one, value in kind.values.items())
        if isinstance(kind, GraphQLInputObjectType):
            yield from ((f"{name}.{one}", field.description) for one, field in kind.fields.items())
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            for one, field in kind.fields.items():
                yield f"{name}.{one}", field.description
                for arg, argument in field.args.items():
                    yield f"{name}.{one}({arg})", argument.description


def test_everything_has_a_description() -> None:
    """Every type, field, argument and enum value says what it is."""
    assert [name for name, text in described() if not text] == []


def test_every_enum_has_unknown() -> None:
    """A value that is newer than the schema has a place in every enum."""
    enums = [kind for kind in OWN.values() if isinstance(kind, GraphQLEnumType)]
    assert enums
    assert all("UNKNOWN" in kind.values for kind in enums)


def test_every_custom_scalar_says_where_it_is_specified() -> None:
    """Custom scalars carry @specifiedBy."""
    scalars = {n: k for n, k in OWN.items() if isinstance(k, GraphQLScalarType)}
    assert set(scalars) == {"UUID", "DateTime", "CountryCode", "CurrencyCode", "Decimal"}
    assert all(kind.specified_by_url for kind in scalars.values())


@pytest.mark.parametrize(
    ("union", "members"),
    [
        (
            "IssueVirtualCardResult",
            "IssueVirtualCardSuccess InvalidInput NotFound NotAllowed Refused NotExecuted "
            "IdempotencyConflict RateLimited GatewayUnavailable ProviderUnavailable "
            "OutcomeUnknown",
        ),
        (
            "SimulateCardIssueResult",
            "SimulateCardIssueSuccess InvalidInput NotFound NotAllowed InvalidState "
            "SimulatorDisabled Refused IdempotencyConflict RateLimited GatewayUnavailable "
            "ProviderUnavailable OutcomeUnknown",
        ),
    ],
)
def test_results_are_unions_whose_failures_share_an_interface(union: str, members: str) -> None:
    """All members of a result but its success implement Error."""
    kind = OWN[union]
    assert isinstance(kind, GraphQLUnionType)
    assert {member.name for member in kind.types} == set(members.split())
    for member in kind.types:
        assert ("Error" in {one.name for one in member.interfaces}) != (
            member.name.endswith("Success")
        )


def named() -> Iterator[tuple[str, str]]:
    """Every name of the schema, with the pattern that it has to follow."""
    for name, kind in OWN.items():
        yield name, r"[A-Z][A-Za-z0-9]*"
        if isinstance(kind, GraphQLEnumType):
            yield from ((f"{name}.{value}", r"[A-Z][A-Z0-9_]*") for value in kind.values)
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            yield from ((f"{name}.{one}", r"[a-z][A-Za-z0-9]*") for one in kind.fields)
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            for one, field in kind.fields.items():
                yield from ((f"{name}.{one}.{arg}", r"[a-z][A-Za-z0-9]*") for arg in field.args)


def test_names_follow_the_conventions() -> None:
    """Types are PascalCase, fields and arguments camelCase, enum values UPPER_CASE."""
    wrong = [name for name, form in named() if not re.fullmatch(form, name.split(".")[-1])]
    assert wrong == []


def test_every_deprecation_has_a_reason() -> None:
    """What is @deprecated says what to use instead, in words of its own."""
    lines = [line for line in schema_text().splitlines() if "@deprecated" in line]
    assert [
        line for line in lines if not re.search(r'@deprecated\(reason: "[^"]{10,}"', line)
    ] == []


OLDER = [
    ("  maskedPan: String\n", "  maskedPan: String!\n", "breaking", "Card.maskedPan"),
    ("  status: CardStatus!\n", "  status: CardStatus!\n  gone: ID\n", "breaking", "Card.gone"),
    ("enum CardType {\n", "enum CardType {\n  GONE\n", "breaking", "CardType.GONE"),
    ("  secondLine: String\n", "", "dangerous", "AddressInput.secondLine"),
    ("  maskedPan: String\n", "", "safe", "Card.maskedPan"),
]


@pytest.mark.parametrize(("new", "old", "severity", "what"), OLDER)
def test_changes_are_weighed(new: str, old: str, severity: str, what: str) -> None:
    """What was taken away breaks, what an old client may not expect is dangerous, else safe."""
    lines = re.sub(r' *""".*?"""\n', "", schema_text(), flags=re.DOTALL)
    assert new in lines
    found = changes(lines.replace(new, old), lines, "old.graphql")
    assert [one.severity for one in found if f"{what} " in one.text] == [severity]
    order = ["breaking", "dangerous", "safe"]
    assert [one.severity for one in found] == sorted((o.severity for o in found), key=order.index)


@pytest.mark.parametrize("text", ["type Query {", "type Query { a: None }"])
def test_an_unreadable_older_schema_is_named(text: str) -> None:
    """A file that holds no schema is a sentence with its name."""
    with pytest.raises(ConfigError, match=r"old\.graphql"):
        changes(text, schema_text(), "old.graphql")


def test_against_tells_a_break_and_fails(tmp_path: Path, command: Command) -> None:
    """--against lists the changes in groups and exits with 1 on a break, with 0 without one."""
    old = tmp_path / "old.graphql"
    text = schema_text().replace("  maskedPan: String\n", "  maskedPan: String!\n")
    old.write_text(text)
    code, printed = command("schema", "--against", str(old))
    assert (code, "\x1b" in printed) == (1, False)
    assert "breaking: " in printed
    assert "Card.maskedPan changed type from String! to String" in printed
    code, printed = command("schema", "--against", str(FILE))
    assert (code, "Nothing has changed" in printed) == (0, True)
    code, printed = command("schema", "--against", str(tmp_path / "none.graphql"))
    assert (code, "Cannot read" in printed) == (2, True)
