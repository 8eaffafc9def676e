"""What frontends' compilers write of their documents is a manifest for the gateway as it is.

Each is unmodified from npm, and compiles the folder ``project`` as a frontend's build does. So are
the compiler of TypeScript and the linter of schemas.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from graphql import build_schema, is_abstract_type

from tests.clients.frontend import FOLDER, SHOW, Seen, Site, click, shows_the_card, site, step
from tests.npm import NODE, install, needs_npm, run
from tests.processes import ROOT
from tests.unmeasured import unmeasured

TOOLS = FOLDER / "tools"
CLIENTS = ["apollo3", "apollo4", "urql"]

pytestmark = [*needs_npm, pytest.mark.long]


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    install(FOLDER)
    install(TOOLS)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The frontend's folder, with the packages of its tools."""
    folder = tmp_path / "project"
    shutil.copytree(FOLDER / "project", folder)
    shutil.copy(ROOT / "schema.graphql", folder)
    (folder / "node_modules").symlink_to(TOOLS / "node_modules")
    return folder


def compiled(project: Path, tool: str, *arguments: str, **environment: str) -> None:
    """Run a tool in the frontend's folder."""
    run(project, NODE, f"node_modules/.bin/{tool}", *arguments, **environment)


@contextmanager
def trusting(folder: Path, manifest: Path) -> Iterator[Site]:
    """A gateway that runs the documents of a manifest and no others."""
    with unmeasured(), site(folder, documents=str(manifest), documents_mode="only") as served:
        yield served


def only_ids(sent: list[dict[str, Any]]) -> bool:
    """Whether each request was sent without the text of its document."""
    return all(one["id"] and not one["query"] for one in sent)


def shows_by_ids(gateway: Site, client: str, manifest: Path) -> Seen:
    """A visit that issues and shows a card by the ids of a manifest, and sends no text."""
    steps = step("Issue", click().input()), SHOW
    seen = gateway.visit(client, *steps, persisted=str(manifest))
    shows_the_card(seen)
    assert only_ids(seen.passed)
    return seen


def test_the_manifest_of_apollos_own_tool(project: Path, tmp_path: Path) -> None:
    """`generate-persisted-query-manifest` writes what `GATEWAY_DOCUMENTS` takes."""
    compiled(project, "generate-persisted-query-manifest")
    manifest = project / "manifest.json"
    with trusting(tmp_path, manifest) as gateway:
        for client in CLIENTS:
            shows_by_ids(gateway, client, manifest)


@pytest.mark.parametrize("algorithm", ["sha256", "sha1"])
def test_the_persisted_documents_of_graphql_codegen(
    project: Path, tmp_path: Path, algorithm: str
) -> None:
    """The client preset's `persisted-documents.json` is a manifest, whatever hash it has."""
    compiled(project, "graphql-codegen", "--config", "codegen.mjs", HASH=algorithm)
    manifest = project / "gql" / "persisted-documents.json"
    with trusting(tmp_path, manifest) as gateway:
        for client in CLIENTS:
            seen = shows_by_ids(gateway, client, manifest)
            assert {one["id"] for one in seen.passed} <= json.loads(manifest.read_text()).keys()


def test_the_types_of_graphql_codegen_are_strict(project: Path) -> None:
    """With `strictScalars` each scalar has a type, and code that has amounts as texts compiles."""
    compiled(project, "graphql-codegen", "--config", "codegen.mjs", HASH="sha256")
    strict = ["--strict", "--noEmit", "--skipLibCheck", "--module", "esnext"]
    compiled(project, "tsc", *strict, "--moduleResolution", "bundler", "src/Wallet.ts")


def test_the_possible_types_for_apollos_cache() -> None:
    """Apollo's cache is told of all interfaces and unions, as the documentation has it."""
    script = 'import("./apollo.mjs").then((all) => console.log(JSON.stringify(all.possibleTypes)))'
    told = json.loads(run(FOLDER, NODE, "--eval", script))
    schema = build_schema((ROOT / "schema.graphql").read_text())
    assert {name: set(types) for name, types in told.items()} == {
        one.name: {each.name for each in schema.get_possible_types(one)}
        for one in schema.type_map.values()
        if is_abstract_type(one)
    }
    assert told["Node"] == ["Card"]


def test_graphql_eslint_finds_nothing_in_the_schema(project: Path) -> None:
    """The schema follows the recommended rules, but for what `eslint.config.mjs` gives a reason."""
    compiled(project, "eslint", "--max-warnings", "0", "schema.graphql")


@pytest.mark.parametrize("algorithm", ["MD5", "SHA256"])
def test_relays_compiler_and_runtime(project: Path, tmp_path: Path, algorithm: str) -> None:
    """relay-runtime issues and shows a card by the ids that relay-compiler wrote to its file, and
    refetches a fragment of it by `node`, as `@refetchable` has it, into the same record."""
    manifest = project / "persisted.json"
    manifest.write_text("{}")
    config = {
        "src": "src/relay",
        "schema": "schema.graphql",
        "language": "javascript",
        "eagerEsModules": True,
        "persistConfig": {"file": "persisted.json", "algorithm": algorithm},
    }
    (project / "relay.config.json").write_text(json.dumps(config))
    (project / "package.json").write_text('{"type": "module"}')
    compiled(project, "relay-compiler")
    ours = click()
    with trusting(tmp_path, manifest) as gateway:
        given = {
            "url": f"{gateway.pair.url}/graphql",
            "token": gateway.identity.token(),
            "artifacts": str(project / "src" / "relay" / "__generated__"),
            **ours.input(),
        }
        told = json.loads(run(TOOLS, NODE, "relay.mjs", stdin=json.dumps(given)))
    assert told["issueVirtualCard"]["replayed"] is False
    issued = told["issueVirtualCard"]["card"]["id"]
    [card] = [one for one in told["kept"] if one.get("id") == issued]
    assert (card["__typename"], card["accountId"]) == ("Card", ours.account)
    assert card["transactions"] == {"__refs": []}
    assert {one["documentId"] for one in told["sent"]} == json.loads(manifest.read_text()).keys()
