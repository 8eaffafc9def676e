"""With suggestions off nobody learns the schema by asking for things and reading the errors."""

import itertools
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    build_schema,
)

from gateway.cards import schema_text
from tests.processes import started
from tests.stack import Stack, environment, running
from tests.waiting import PATIENCE

SCHEMA = build_schema(schema_text())
TYPES = sorted(name for name in SCHEMA.type_map if not name.startswith("__"))
FIELDS = sorted(
    {
        name
        for kind in SCHEMA.type_map.values()
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType)
        and not kind.name.startswith("__")
        for name in kind.fields
    }
)
ARGUMENTS = ["id", "input"]
NONSENSE = ["nonsense", "cards", "Cart"]

# The shapes in which clairvoyance and its like ask; none is a document that fits the schema.
PROBES = [
    "{ FIELD }",
    "{ FIELD { lol } }",
    "{ FIELD(ARGUMENT: 7) }",
    "{ FIELD(ARGUMENT: {}) { lol } }",
    '{ FIELD(ARGUMENT: "42") { lol: id lol: status } }',
    "{ lol FIELD }",
    "{ card(id: 1) { FIELD { lol } } }",
    "{ card(id: 1) { FIELD(ARGUMENT: 7) } }",
    "mutation { FIELD }",
    "mutation { FIELD(ARGUMENT: {FIELD: 1}) { lol } }",
    "subscription { FIELD }",
    "{ ... on TYPE { lol } }",
    "{ card(id: 1) { ... on TYPE { lol } } }",
    "{ ...F } fragment F on TYPE { lol { lol } }",
    "{ ...F } fragment F on Card { FIELD { lol } }",
    "query($x: TYPE) { card(id: $x) { lol } }",
    "query($x: [TYPE!]!) { lol(x: $x) }",
    "query($x: TYPE = lol) { lol(x: $x) }",
    "{ __typename @include(ARGUMENT: 7) }",
    "{ __typename @FIELD }",
]


def asked(probe: str) -> list[str]:
    """The probe with every name of the schema in it, and with names that are not."""
    words = {"FIELD": FIELDS, "TYPE": TYPES, "ARGUMENT": ARGUMENTS}
    places = [place for place in words if place in probe]
    documents = []
    for chosen in itertools.product(*(words[place] + NONSENSE for place in places)):
        document = probe
        for place, word in zip(places, chosen, strict=True):
            document = document.replace(place, word)
        documents.append(document)
    return documents


async def errors(stack: Stack, document: str) -> str:
    """The answer without the request's id."""
    body: Any = (await stack.post(document)).json()
    for error in body["errors"]:
        del error["extensions"]["requestId"]
    return json.dumps(body)


@pytest.mark.slow
@pytest.mark.parametrize("probe", PROBES)
async def test_existing_and_made_up_names_get_the_same_answer(probe: str) -> None:
    """Whether a field, an argument or a type exists makes no difference to the error."""
    async with running(introspection=False, suggestions=False) as stack:
        answers = {await errors(stack, document) for document in asked(probe)}
    assert len(answers) == 1
    assert "does not fit the schema" in answers.pop()


def widely(name: str) -> dict[str, str]:
    """Documents of a kind that a name of the schema could change, with this name in them."""
    many = " ".join(f"a{i}: {name}" for i in range(120))
    return {
        "many": f"{{ {many} }}",
        "many below": f"{{ card(id: 1) {{ lol {many} }} }}",
        "costly": "{ " + " ".join(f"a{i}: {name} {{ lol }}" for i in range(90)) + " }",
        "deep": f"{{ lol {{ {name} {{ {name} {{ lol }} }} }} }}",
        "conflict": f"{{ lol a: {name} a: __typename }}",
        "conflicts": "{ lol " + " ".join(f"a: {name}(x: {i})" for i in range(30)) + " }",
        "fragments": "{ lol ...F ...G } fragment F on Query { x: NAME } "
        "fragment G on Query { x: lol }".replace("NAME", name),
        "undefined": f"{{ {name}(id: $nobody) }}",
        "unused": f"query($v: ID) {{ {name} }}",
        "two": f"query A {{ {name} }} query A {{ {name} }}",
        "introspection": f"{{ {name} {{ __schema {{ types {{ name }} }} }} }}",
        "literal": f"mutation {{ issueVirtualCard(input: {{{name}: [{'1 ' * 300}]}}) {{ lol }} }}",
        "literals": f"mutation {{ {name}(input: {{{name}: {{{name}: 1}} {name}: 2}}) {{ lol }} }}",
        "syntax": f"{{ {name}( }}",
        "variable": f"query($v: ID = [1]) {{ {name}(id: $v) {{ lol }} }}",
        "condition": f"query($v: Boolean = true) {{ {name} @skip(if: $v) lol }}",
        "mutations": "mutation { " + " ".join(f"a{i}: {name}" for i in range(9)) + " }",
        "too many mutations": "mutation { " + " ".join(f"a{i}: {name}" for i in range(20)) + " }",
        "names an operation": f"query {name} {{ lol }}",
    }


@pytest.mark.slow
@pytest.mark.parametrize("kind", widely(""))
async def test_nothing_but_success_tells_names_apart(kind: str) -> None:
    """Neither limits, own errors, numbers nor places differ between a name that exists and not."""
    names = ["card", "issueVirtualCard", "status", "accountId", *NONSENSE]
    async with running(introspection=False, suggestions=False) as stack:
        answers = {name: await errors(stack, widely(name)[kind]) for name in names}
    told = {answer.replace(name, "NAME") for name, answer in answers.items()}
    places = {re.sub(r'"(column|line)": \d+', "", answer) for answer in told}
    assert len(places) == 1


@pytest.mark.parametrize("suggestions", [True, False])
@pytest.mark.parametrize(
    "document",
    [
        "query NAME { __typename } query NAME { __typename }",
        "{ ...NAME }",
        "{ __typename } fragment NAME on Query { __typename }",
        "{ ...NAME } fragment NAME on Query { ...NAME }",
        "query($NAME: ID) { __typename }",
        "{ card(id: $NAME) { id } }",
        "query Q($a: ID) { card(id: $NAME) { id } }",
        '{ card(id: 1 NAME: "x" NAME: "y") { id } }',
        "{ __typename @NAME }",
        "{ __typename @skip(NAME: true) }",
        "{ NAME }",
        "{ card(id: 1) { a: id NAME: id NAME: status } }",
        "query($v: NAME) { card(id: $v) { id } }",
        "mutation { issueVirtualCard(input: {NAME: 1 NAME: 2}) { __typename } }",
        "mutation { issueVirtualCard(input: {NAME: 1}) { __typename } }",
        "{ card(id: NAME) { id } }",
        "{ card(id: 1) NAME: }",
        "NAME",
        "query($NAME: Int!) { card(id: 1) { id @skip(if: $NAME) } }",
        "query($NAME: Boolean!) { __typename @skip(if: $NAME) }",
    ],
)
async def test_long_names_are_cut(document: str, suggestions: bool) -> None:
    """No error has more than 64 characters of a name that a caller made up."""
    name = "n" * 5_000
    async with running(suggestions=suggestions) as stack:
        response = await stack.post(document.replace("NAME", name), {name: "x"})
    assert "errors" in response.json()
    assert "n" * 65 not in response.text


@pytest.mark.parametrize(
    "document", ["{ __schema { types { name } } }", '{ __type(name: "Card") { name } }']
)
async def test_introspection_is_refused(document: str) -> None:
    """With introspection off, neither the schema nor a type can be read."""
    async with running(introspection=False) as stack:
        body = (await stack.post(document)).json()
    assert "data" not in body
    assert all("introspection" in error["message"] for error in body["errors"])


async def test_where_suggestions_are_on_errors_help() -> None:
    """With suggestions on, an error says where it is and what may have been meant."""
    async with running(suggestions=True) as stack:
        error = await stack.error('{ card(id: "1") { statu } }')
    assert "Did you mean 'status'" in error["message"]
    assert error["locations"] == [{"line": 1, "column": 19}]


TOOL = os.environ.get("CLAIRVOYANCE") or shutil.which("clairvoyance")


@pytest.mark.process
@pytest.mark.skipif(
    TOOL is None,
    reason="clairvoyance is not installed: it needs an older rich than typer, so an environment "
    "of its own; name its command in CLAIRVOYANCE",
)
@pytest.mark.parametrize(
    ("suggestions", "wordlist", "recovers"),
    [
        ("true", ["card", "id", "maskedPan", *NONSENSE], True),  # all of them take it minutes
        ("false", [*FIELDS, *ARGUMENTS, *NONSENSE], False),
    ],
)
def test_clairvoyance(
    tmp_path: Path, suggestions: str, wordlist: list[str], recovers: bool
) -> None:
    """The tool recovers the schema where suggestions are on, and no field where they are off."""
    words, out = tmp_path / "words", tmp_path / "out.json"
    words.write_text("\n".join(wordlist))
    settings = environment(
        GATEWAY_AUTH="none",
        GATEWAY_PORT="0",
        GATEWAY_SUGGESTIONS=suggestions,
        cwd=str(tmp_path),
    )
    with started("serve", **settings) as serve:
        url = serve.wait_for(r"http://[\d.]+:\d+")[0]
        command = [str(TOOL), "-w", str(words), "-o", str(out), f"{url}/graphql"]
        subprocess.run(command, capture_output=True, check=False, timeout=PATIENCE)
    text = out.read_text() if out.exists() else "{}"
    found = {name for name in ("card", "maskedPan") if f'"{name}"' in text}
    assert bool(found) is recovers, text
