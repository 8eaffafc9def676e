"""The schema as a contract: what has changed since another version of it, and whom that hurts."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from graphql import (
    BreakingChange,
    DangerousChange,
    GraphQLError,
    build_schema,
)
from graphql.utilities import find_schema_changes

from gateway.errors import ConfigError

Severity: TypeAlias = Literal["breaking", "dangerous", "safe"]
SEVERITIES: tuple[Severity, ...] = ("breaking", "dangerous", "safe")


@dataclass(frozen=True, slots=True)
class Change:
    """One change: ``breaking`` may refuse a query that worked, ``dangerous`` may surprise one."""

    severity: Severity
    text: str


def changes(old: str, new: str, name: str) -> list[Change]:
    """The changes from one SDL to another, the worst first; raises ConfigError when unreadable.

    ``name`` says in the error what the old SDL is.
    """
    try:
        before = build_schema(old)
    except GraphQLError as error:
        line = error.locations[0].line if error.locations else 1
        raise ConfigError([f"{name}:{line}: {error.message}"]) from error
    except TypeError as error:  # how graphql-core tells that the definitions do not fit together
        reasons = " ".join(str(error).split())
        raise ConfigError([f"{name} is not a GraphQL schema: {reasons}"]) from error
    found = [
        Change(_severity(change), change.description)
        for change in find_schema_changes(before, build_schema(new))
    ]
    return sorted(found, key=lambda one: (SEVERITIES.index(one.severity), one.text))


def _severity(change: object) -> Severity:
    if isinstance(change, BreakingChange):
        return "breaking"
    return "dangerous" if isinstance(change, DangerousChange) else "safe"
