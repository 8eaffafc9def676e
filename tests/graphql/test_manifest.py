"""`gateway documents build`: from .graphql files to a manifest of trusted documents."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from gateway.cards import build_schema
from gateway.graphql.limits import DocumentLimits
from gateway.graphql.manifest import ManifestRefused, TrustedOperation, as_json, build
from gateway.graphql.trusted import TrustedDocuments
from tests.commands import Command
from tests.stack import DOCUMENT_LIMITS, running

CARD = "query Card($id: ID!) {\n  card(id: $id) { ...Shown }\n}\n"
LIST = "query Twice { a: card(id: 1) { ...Shown } b: card(id: 2) { ...Shown } }\n"
SIMULATE = (
    "mutation Do($i: SimulateCardIssueInput!) { simulateCardIssue(input: $i) { __typename } }"
)
SHOWN = "fragment Shown on Card { id status }\n"
UNUSED = "fragment Unused on Card { id }\n"


def built(paths: list[Path], limits: DocumentLimits) -> list[TrustedOperation]:
    """The operations in these files, which fit the gateway's schema."""
    return build(paths, build_schema()._schema, limits)


def files(folder: Path, *texts: str) -> list[Path]:
    """Files a.graphql, b.graphql … with these texts."""
    paths = [folder / f"{letter}.graphql" for letter in "abcdef"[: len(texts)]]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    return paths


def test_operations_come_with_the_fragments_they_use(tmp_path: Path) -> None:
    """Each operation is one text with its fragments from whatever file, sorted by name."""
    operations = built(files(tmp_path, SIMULATE + LIST + CARD, SHOWN + UNUSED), DOCUMENT_LIMITS)
    assert [(one.name, one.type) for one in operations] == [
        ("Card", "query"),
        ("Do", "mutation"),
        ("Twice", "query"),
    ]
    assert all(("fragment Shown" in one.body) == (one.name != "Do") for one in operations)
    assert not any("Unused" in one.body for one in operations)
    assert [one.measure.cost for one in operations] == [15, 12, 30]  # with __typename


def test_typename_is_added_as_clients_add_it(tmp_path: Path) -> None:
    """Every selection but the operation's own gets ``__typename`` at its end, unless it has it; the
    text is printed as graphql-js 16 does, the fragments by name."""
    text = (
        "fragment B on Card { id }"
        'query Card { card(id: "1") { ...B ...A ... on Card { status __typename } } }'
        "fragment A on Card { t: __typename }"
    )
    [operation] = built(files(tmp_path, text), DOCUMENT_LIMITS)
    assert operation.body == (
        'query Card {\n  card(id: "1") {\n    ...B\n    ...A\n    ... on Card {\n      status\n'
        "      __typename\n    }\n    __typename\n  }\n}\n\n"
        "fragment A on Card {\n  t: __typename\n}\n\n"
        "fragment B on Card {\n  id\n  __typename\n}"
    )
    written, urql = operation.bodies[1:]
    assert written.startswith("fragment B on Card {\n  id\n  __typename\n}\n\nquery Card")
    assert urql.endswith("}\nfragment A on Card {\n  t: __typename\n  __typename\n}")


def test_objects_are_printed_as_both_versions_of_graphql_js_do(tmp_path: Path) -> None:
    """graphql-js 16 and 17 print objects in two ways: a manifest has both texts."""
    text = 'mutation Do { simulateCardIssue(input: {cardId: "1"}) { __typename } }'
    [operation] = built(files(tmp_path, text), DOCUMENT_LIMITS)
    assert '(input: {cardId: "1"})' in operation.bodies[0]
    assert '(input: { cardId: "1" })' in operation.bodies[1]


def test_fragments_of_other_files_follow_as_they_are_used(tmp_path: Path) -> None:
    """What a client puts together from files is the operation, then each fragment with its own."""
    paths = files(
        tmp_path,
        "fragment A on Card { status }",
        'query Card { card(id: "1") { ...C ...A } }',
        "fragment B on Card { id }",
        "fragment C on Card { ...B }",
    )
    [operation] = built(paths, DOCUMENT_LIMITS)
    orders = [re.findall(r"^(?:fragment|query) (\w+)", one, re.M) for one in operation.bodies]
    assert orders[:2] == [["Card", "A", "B", "C"], ["Card", "C", "B", "A"]]


RESULT = "issueVirtualCard(input: $i)"
UNTOLD: list[tuple[str, bool]] = [
    ("{ ... on IssueVirtualCardSuccess { replayed } }", True),
    ("{ ... on IssueVirtualCardSuccess { __typename } }", True),
    ("{ ... on Error { code __typename } }", True),
    ("{ ...Result }", True),
    ("{ __typename }", False),
    ("{ kind: __typename }", False),
    ("{ ... { __typename } }", False),
    ("{ ...Result __typename }", False),
    ("{ ...Told }", False),
]
FRAGMENTS = (
    "fragment Result on IssueVirtualCardResult { ... on Error { code } }"
    "fragment Told on IssueVirtualCardResult { ... on Error { code } __typename }"
)


@pytest.mark.parametrize(("selected", "warns"), UNTOLD)
def test_a_union_without_its_types_is_warned_of(
    tmp_path: Path, command: Command, selected: str, warns: bool
) -> None:
    """With --no-typename documents stay as they are, and a line says where the types of a union
    cannot be told apart; without it there is nothing to warn of."""
    text = f"mutation Do($i: IssueVirtualCardInput!) {{\n{RESULT} {selected} }}\n{FRAGMENTS}"
    [path] = files(tmp_path, text)
    arguments = ("documents", "build", str(path), "--out", str(tmp_path / "manifest.json"))
    warning = f"{path}:2: issueVirtualCard is selected without __typename"
    code, printed = command(*arguments, "--no-typename")
    assert (code, warning in printed) == (0, warns)
    assert "on Card" not in printed
    [*_, entry] = json.loads((tmp_path / "manifest.json").read_text())["operations"]
    assert ("__typename" in entry["body"]) == ("__typename" in selected or "Told" in selected)
    code, printed = command(*arguments)
    assert (code, warning in printed) == (0, False)


async def test_what_was_built_runs_where_only_trusted_documents_do(tmp_path: Path) -> None:
    """The texts of a manifest are found by their ids, and the gateway executes them."""
    out = tmp_path / "manifest.json"
    [operation] = built(files(tmp_path, "query Known { __typename }"), DOCUMENT_LIMITS)
    out.write_text(as_json([operation], "apollo"))
    text = TrustedDocuments.load(out).find(operation.id)
    assert text is not None
    async with running() as stack:
        assert await stack.data(text) == {"__typename": "Query"}


REFUSED = [
    ("query A {", "a.graphql:1: Syntax Error"),
    ("\nquery A { nonsense }", "a.graphql:2: Cannot query field 'nonsense'"),
    ("query A { ...None }", "a.graphql:1: Unknown fragment 'None'"),
    (f"{CARD}query Card {{ __typename }}{SHOWN}", "a.graphql:4: Card is already defined in"),
    (f"{CARD}{SHOWN}{SHOWN}", "a.graphql:5: Shown is already defined in"),
    ("{ __typename }", "a.graphql:1: the operation needs a name"),
    ("type A { a: Int }", "a.graphql:1: only operations"),
    (SHOWN, "no operation"),
    ("query A { __schema { description } }", "a.graphql:1: GraphQL introspection"),
    (
        "query A { " + " ".join(f"c{i}: card(id: 1) {{ id }}" for i in range(90)) + " }",
        "a.graphql:1: The document has a cost of 1,170",
    ),
]


@pytest.mark.parametrize(("text", "problem"), REFUSED)
def test_what_the_gateway_would_refuse_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    """A file that does not fit the schema or the limits is named with the line."""
    with pytest.raises(ManifestRefused) as caught:
        built(files(tmp_path, text), DOCUMENT_LIMITS)
    assert any(problem in one for one in caught.value.problems), caught.value.problems


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    """Every file's problems come in one go; those of a shared fragment once."""
    wrong = "fragment Shown on Card { id nonsense }"
    with pytest.raises(ManifestRefused) as caught:
        built(files(tmp_path, CARD, LIST, wrong, "query X { oops }"), DOCUMENT_LIMITS)
    assert [one.split("Cannot query ")[1][:16] for one in caught.value.problems] == [
        "field 'nonsense'",
        "field 'oops' on ",
    ]
    with pytest.raises(ManifestRefused, match="no such file"):
        built([tmp_path / "none.graphql"], DOCUMENT_LIMITS)
    (tmp_path / "a.graphql").write_bytes(b"\xff")
    with pytest.raises(ManifestRefused, match="UTF-8"):
        built([tmp_path / "a.graphql"], DOCUMENT_LIMITS)


def test_the_command_writes_both_forms(tmp_path: Path, command: Command) -> None:
    """The command prints name, cost, depth and id, and writes the form that is asked for."""
    names = [str(path) for path in files(tmp_path, CARD, SHOWN)]
    out = tmp_path / "manifest.json"
    code, printed = command("documents", "build", *names, "--out", str(out))
    assert code == 0, printed
    operations = json.loads(out.read_text())["operations"]
    for operation in operations:
        assert operation["id"] == hashlib.sha256(operation["body"].encode()).hexdigest()
    assert {operation["name"] for operation in operations} == {"Card"}
    # Tools that look for a name take the last one: Apollo's own text.
    assert printed.split()[:6] == ["Card", "cost", "15", "depth", "2", operations[-1]["id"]]
    code, _ = command("documents", "build", *names, "--out", str(out), "--format", "flat")
    assert json.loads(out.read_text()) == {one["id"]: one["body"] for one in operations}


def test_the_command_refuses_with_file_and_line(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a problem nothing is written and the exit code is 1; the limits are the settings'."""
    names = [str(path) for path in files(tmp_path, CARD, SHOWN)]
    out = tmp_path / "manifest.json"
    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patch:
        patch.setenv("GATEWAY_MAX_DOCUMENT_COST", "12")
        code, printed = command("documents", "build", *names, "--out", str(out))
    assert (code, out.exists()) == (1, False)
    assert f"{names[0]}:1: The document has a cost of 15" in printed
    (tmp_path / ".env").write_text("GATEWAY_MAX_DOCUMENT_COST=12\nGATEWAY_PORT=9000\n")
    code, printed = command("documents", "build", *names, "--out", str(out))
    assert (code, out.exists()) == (1, False)
    (tmp_path / ".env").write_text("GATEWAY_MAX_DOCUMENT_COTS=12\nGATEWAY_MAX_DOCUMENT_DEPTH=0")
    code, printed = command("documents", "build", *names, "--out", str(out))
    assert code == 2
    assert "did you mean GATEWAY_MAX_DOCUMENT_COST?" in printed
    assert "GATEWAY_MAX_DOCUMENT_DEPTH: must be a whole number, 1 or more" in printed
    (tmp_path / ".env").unlink()
    code, printed = command("documents", "build", *names, "--out", str(tmp_path / "no" / "x.json"))
    assert (code, "Cannot write" in printed) == (2, True)
