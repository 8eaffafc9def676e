"""Documents: parsed and validated once, kept for the next request with the same text."""

import re
from functools import lru_cache

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    VariableNode,
    parse,
    validate,
)
from graphql.language import ValueNode

MAX_TOKENS = 5_000
MAX_ERRORS = 20
CACHED_DOCUMENTS = 500

# "… found String '4111'." in a syntax error quotes what the caller wrote.
_QUOTED = re.compile(r"(String|BlockString|Int|Float) (\"[^\"]*\"|'[^']*')")


class Documents:
    """The schema's documents, each parsed and validated once; least used ones are dropped."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self.prepare = lru_cache(maxsize=CACHED_DOCUMENTS)(self._prepare)

    def _prepare(self, source: str) -> DocumentNode | list[GraphQLError]:
        """The document, or its errors; their messages quote no value."""
        try:
            document = parse(
                source,
                allow_empty_selection_sets=False,
                max_lexical_tokens=MAX_TOKENS,
            )
        except GraphQLSyntaxError as error:
            message = _QUOTED.sub(r"\1", error.message)
            return [GraphQLError(message, source=error.source, positions=error.positions)]
        except RecursionError:
            return [GraphQLError("The document is nested too deeply.")]
        errors = validate(self._schema, document, max_errors=MAX_ERRORS)
        return [_without_value(error) for error in errors] or document


def _without_value(error: GraphQLError) -> GraphQLError:
    nodes = error.nodes or []
    if not nodes or not isinstance(nodes[0], ValueNode) or isinstance(nodes[0], VariableNode):
        return error
    return GraphQLError("This value does not have the type that the schema asks for here.", nodes)
