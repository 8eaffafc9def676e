"""Clients of frontends, as npm has them: what they hash, and what a page gets by a hash alone."""

import asyncio
import json
import re
from pathlib import Path
from random import Random

import httpx
from graphql import Source, parse

from gateway.app import create_app
from gateway.cards import build_schema
from gateway.cli.documents import build_documents
from gateway.emulator import create_emulator
from gateway.graphql.client_texts import client_texts
from tests.loopback import on_loopback
from tests.npm import NODE, install, needs_npm, run
from tests.random_documents import Writer
from tests.stack import Recorder, issue_input, options, settings
from tests.tokens import IdentityProvider

FOLDER = Path(__file__).parent.parent / "web_clients"
pytestmark = needs_npm

ISSUE = """mutation Issue($input: IssueVirtualCardInput!) {
  issueVirtualCard(input: $input) {
    ... on IssueVirtualCardSuccess { card { ...Shown } }
    ...Failed
  }
}
fragment Shown on Card { id billingAddress { ...Place } }
fragment Failed on Error { code }
fragment Place on Address { city }
"""
WRITTEN = [
    'query Q($a: ID = "x", $b: [Int!]! = [1, 2]) @live(x: {a: 1, b: [{c: $a}]}) { a(v: {}) { b } }',
    'query Q { long(argument: "aaaaaaaaaaaaaaaaaaaaaaa", another: {x: "bbbbbbbbbbbbbbbbbbb"}) }',
    'query Q { a(x: "\U0001f600\U0001f600", y: "1\\n\\"2\\\\") { k @export(as: "k") { l } } }',
    "query Q { x: __typename a { b: __typename } __schema { types { name } } }",
    "fragment B on T { b { c } } query Q { ...B ... @skip(if: true) {...A} } fragment A on T { a }",
]
BLOCK = 'query Q($a: A = {k: """x\ny"""}) { a(x: """b""") { c } }'


def emulated() -> Recorder:
    """An emulator in the provider's place."""
    return Recorder(httpx.ASGITransport(app=create_emulator(options())))


def random_documents() -> list[str]:
    """Documents for our schema, each with a name."""
    writers = [Writer(build_schema()._schema, Random(seed)) for seed in range(100)]
    return [re.sub(r"^(query|mutation)( Q)?", r"\1 Q", writer.write()) for writer in writers]


def test_what_clients_hash_is_in_a_manifest() -> None:
    """Apollo Client, in the order of the document and sorted, and urql print what we do."""
    install(FOLDER)
    documents = [*WRITTEN, BLOCK, *random_documents()]
    made = json.loads(run(FOLDER, NODE, "texts.mjs", stdin=json.dumps(documents)))
    for text, theirs in zip(documents, made, strict=True):
        document = parse(Source(text))
        assert theirs["plain"] in client_texts(document, typename=False)
        ours = client_texts(document, typename=True)
        assert ours[0] == theirs["sorted"]
        assert theirs["apollo"] in ours
        assert theirs["urql"] in ours or text is BLOCK  # its block strings are others


async def test_a_page_sees_the_card_that_it_issued_by_a_hash_alone(tmp_path: Path) -> None:
    """A document without ``__typename``, built into a manifest, in ``only``: each client shows the
    card, whether it takes the id from the manifest or hashes what it prints."""
    install(FOLDER)
    source, manifest = tmp_path / "issue.graphql", tmp_path / "manifest.json"
    source.write_text(ISSUE)
    build_documents([source], manifest)
    app = create_app(
        settings(documents=manifest, documents_mode="only"),
        transport=emulated(),
    )
    async with app.router.lifespan_context(app), on_loopback(app) as port:
        url, variables = f"http://127.0.0.1:{port}/graphql", json.dumps(issue_input())
        arguments = ("persisted.mjs", url, str(manifest), ISSUE, variables)
        seen = json.loads(await asyncio.to_thread(run, FOLDER, NODE, *arguments))
    assert len(seen) == 3
    for client, data in seen.items():
        card = data["issueVirtualCard"]["card"]
        assert (client, card["billingAddress"]["city"]) == (client, "London")
        assert card["id"]


async def test_clients_see_codes_and_stop_sending_hashes(tmp_path: Path) -> None:
    """A refused token is told by its code, whatever the status; where no document is trusted a
    client sends one hash, then the text, and from then on texts alone."""
    install(FOLDER)
    idp = IdentityProvider(tmp_path)
    app = create_app(settings(**idp.settings()), transport=emulated())
    async with app.router.lifespan_context(app), on_loopback(app) as port:
        arguments = ("errors.mjs", f"http://127.0.0.1:{port}/graphql")
        seen = json.loads(await asyncio.to_thread(run, FOLDER, NODE, *arguments, TOKEN=idp.token()))
    data = {"card": None}
    assert seen == {
        "refused": {"apollo": ["NOT_AUTHENTICATED"], "urql": ["NOT_AUTHENTICATED"]},
        "unsupported": {client: [[data, 2], [data, 1]] for client in ("apollo", "urql")},
    }
