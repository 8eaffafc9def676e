"""What clients hash, which they print in ways of their own, is what we put into a manifest."""

import json
import re
from random import Random

from graphql import Source, parse

from gateway.cards import build_schema
from gateway.graphql.client_texts import client_texts
from tests.clients.frontend import FOLDER
from tests.npm import NODE, install, needs_npm, run
from tests.random_documents import Writer

pytestmark = needs_npm

WRITTEN = [
    'query Q($a: ID = "x", $b: [Int!]! = [1, 2]) @live(x: {a: 1, b: [{c: $a}]}) { a(v: {}) { b } }',
    'query Q { long(argument: "aaaaaaaaaaaaaaaaaaaaaaa", another: {x: "bbbbbbbbbbbbbbbbbbb"}) }',
    'query Q { a(x: "\U0001f600\U0001f600", y: "1\\n\\"2\\\\") { k @export(as: "k") { l } } }',
    "query Q { x: __typename a { b: __typename } __schema { types { name } } }",
    "fragment B on T { b { c } } query Q { ...B ... @skip(if: true) {...A} } fragment A on T { a }",
]
BLOCK = 'query Q($a: A = {k: """x\ny"""}) { a(x: """b""") { c } }'


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
