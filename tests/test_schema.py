"""The schema as frontends know it."""

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

from gateway.__main__ import schema_difference
from gateway.api import schema_text

FILE = Path(__file__).parent.parent / "schema.graphql"
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
    assert set(scalars) == {"UUID", "DateTime", "CountryCode"}
    assert all(kind.specified_by_url for kind in scalars.values())


@pytest.mark.parametrize(
    ("union", "members"),
    [
        (
            "IssueVirtualCardResult",
            "IssueVirtualCardSuccess InvalidInput NotFound NotAllowed Refused "
            "IdempotencyConflict ProviderUnavailable OutcomeUnknown",
        ),
        (
            "SimulateCardIssueResult",
            "SimulateCardIssueSuccess InvalidInput NotFound NotAllowed InvalidState "
            "SimulatorDisabled Refused IdempotencyConflict ProviderUnavailable OutcomeUnknown",
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
