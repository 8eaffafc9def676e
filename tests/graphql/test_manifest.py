"""`gateway documents build`: from .graphql files to a manifest of trusted documents."""

import hashlib
import json
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
    assert [one.measure.cost for one in operations] == [13, 12, 26]


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
        "a.graphql:1: The document has a cost of 1,080",
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
    [operation] = json.loads(out.read_text())["operations"]
    assert operation["id"] == hashlib.sha256(operation["body"].encode()).hexdigest()
    assert printed.split()[:6] == ["Card", "cost", "13", "depth", "2", operation["id"]]
    code, _ = command("documents", "build", *names, "--out", str(out), "--format", "flat")
    assert json.loads(out.read_text()) == {operation["id"]: operation["body"]}


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
    assert f"{names[0]}:1: The document has a cost of 13" in printed
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
