"""From text to a document: graphql-core's parser, which stops earlier."""

from typing import Any

from graphql import (
    DocumentNode,
    GraphQLSyntaxError,
    ListValueNode,
    ObjectValueNode,
    Token,
)
from graphql.language.parser import Parser

from gateway.graphql.limits import DocumentLimits


class ValuesTooDeep(Exception):
    """Lists and objects are within each other more often than is permitted."""


class _Parser(Parser):
    """Stops where values are nested too deeply, before it parses what is within.

    Each step of a recursion can take many times as long as another one: where Python's stack of
    frames reaches the end of a block, each call from there on gets a new one and gives it back.
    """

    def __init__(self, source: str, limits: DocumentLimits) -> None:
        super().__init__(
            source,
            allow_empty_selection_sets=False,
            max_lexical_tokens=limits.tokens,
            max_comments=limits.comments,
            max_source_length=limits.source_length,
        )
        self._left = limits.value_nesting

    def parse_list(self, is_const: bool) -> ListValueNode:
        """A list value."""
        self._go_in()
        node = super().parse_list(is_const)
        self._left += 1
        return node

    def parse_object(self, is_const: bool) -> ObjectValueNode:
        """An input object value."""
        self._go_in()
        node = super().parse_object(is_const)
        self._left += 1
        return node

    def _go_in(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise ValuesTooDeep

    @property
    def last(self) -> Token:
        """The token that was read last."""
        return self._lexer.token


def parse_within(source: str, limits: DocumentLimits) -> DocumentNode:
    """The document of a text; what cannot be parsed leaves no linked tokens behind.

    Raises GraphQLSyntaxError, ValuesTooDeep and, for what is nested in another way, RecursionError.
    """
    parser = _Parser(source, limits)
    try:
        return parser.parse_document()
    except (GraphQLSyntaxError, RecursionError, ValuesTooDeep):
        unlink(parser.last, "prev")
        raise


def unlink(token: Any, towards: str) -> int:
    """Take tokens apart, which know the next and the one before, and count them.

    Places in the text remain. They would keep a dropped document in memory until the collector
    comes. ``towards`` is the side on which there are others: ``next`` or ``prev``.
    """
    count = 0
    while token is not None:
        following, token.prev, token.next = getattr(token, towards), None, None
        token, count = following, count + 1
    return count
