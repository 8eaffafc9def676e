"""Documents: parsed, measured and validated once, kept for the next request with the same text."""

import re
from collections.abc import Callable, Iterable, Mapping
from sys import getsizeof
from typing import TypeAlias

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
)
from graphql.validation.validate import ValidationAbortedError

from gateway.graphql.cache import ENTRY, ERROR, PLACE, TOKEN, Cache, Weight
from gateway.graphql.introspection import Introspection
from gateway.graphql.limits import (
    DocumentLimits,
    DocumentMeasure,
    cost_errors,
    limit_error,
    measure,
    shape_errors,
    text_errors,
    too_large,
    too_long_a_walk,
)
from gateway.graphql.names import shortened
from gateway.graphql.operations import ReadyDocument
from gateway.graphql.parsing import ValuesTooDeep, parse_within, unlink
from gateway.graphql.prices import prices_of
from gateway.graphql.validation import OWN_RULES, NoIntrospectionRule, Validation

Prepared: TypeAlias = ReadyDocument | list[GraphQLError]

MISFIT = "The document does not fit the schema."
CACHED = 20 * 2**20  # bytes of documents that anybody may send, and as many of trusted ones

# "… found String '4111'." and "Invalid number, … did you mean '0.4111'?" quote what was written.
_QUOTED = re.compile(r"(String|BlockString|Int|Float) ['\"].*|(Invalid [^:,]*)[:,].*", re.DOTALL)


class Documents:
    """The schema's documents, each prepared once; the ones used least lately are dropped.

    Those that ``is_trusted`` says of have their own room: no other can drive them out.
    Without ``suggestions`` all that a caller learns of a misfit is that there is one: names,
    positions and numbers of errors would each tell what is in the schema. Without
    ``introspection`` documents that ask for the schema are refused.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        limits: DocumentLimits,
        *,
        introspection: bool,
        suggestions: bool,
        is_trusted: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._schema = schema
        self._prices = prices_of(schema)
        self._limits = limits
        self._suggestions = suggestions
        self._introspection = Introspection(schema) if introspection else None
        self._own_rules = OWN_RULES if introspection else (*OWN_RULES, NoIntrospectionRule)
        self._is_trusted = is_trusted
        self._trusted, self._others = Cache[Prepared](CACHED), Cache[Prepared](CACHED)

    def known(self, source: str) -> Prepared | None:
        """What was prepared earlier, and None for what takes time to prepare."""
        return self._room(source).get(source)

    def prepare(self, source: str) -> Prepared:
        """The document, or its errors; their messages quote no value."""
        if errors := text_errors(source, self._limits):  # nothing to keep, and nothing to look up
            return errors
        cache = self._room(source)
        found = cache.get(source)
        if found is None:
            weight = Weight(ENTRY + 2 * getsizeof(source))
            found = self._prepare(source, weight)
            if not isinstance(found, ReadyDocument):
                weight.add(sum(map(_size, found)))
            cache.put(source, found, weight)
        return found

    def _room(self, source: str) -> Cache[Prepared]:
        return self._trusted if self._is_trusted(source) else self._others

    def caches(self) -> Mapping[str, Cache[Prepared]]:
        """Where prepared documents are kept, by name."""
        return {"documents": self._others, "trusted_documents": self._trusted}

    def measure(self, document: DocumentNode) -> DocumentMeasure:
        """How large a parsed document is, with the cost of its fields in this schema."""
        return measure(document, self._prices)

    def _prepare(self, source: str, weight: Weight) -> Prepared:
        try:
            document = parse_within(source, self._limits)
        except GraphQLSyntaxError as error:
            return [self._syntax_error(error)]
        except ValuesTooDeep:
            return [too_large("value_nesting", self._limits, self._too_deep())]
        except RecursionError:
            return [_too_complex()]
        errors = self._errors(document)
        tokens = unlink(document.loc and document.loc.start_token, "next")
        if errors:
            return errors
        weight.add(tokens * TOKEN)
        return ReadyDocument(self._schema, document, weight, suggestions=self._suggestions)

    def _errors(self, document: DocumentNode) -> list[GraphQLError]:
        """What is wrong with a parsed document; the first check that finds something decides."""
        found = self.measure(document)
        validation = Validation(self._schema, document, hide_suggestions=not self._suggestions)
        return (
            shape_errors(found, self._limits)
            or self._shown(validation.own_errors(self._own_rules, self._limits.errors))
            or self._misfits(validation)
            or cost_errors(found, self._limits)
            or self._walks_too_far(document)
        )

    def _too_deep(self) -> str:
        return f"has values within {self._limits.value_nesting + 1:,} or more lists and objects"

    def _syntax_error(self, error: GraphQLSyntaxError) -> GraphQLError:
        if error.message.endswith("Parsing aborted."):
            for limit in ("tokens", "comments"):
                if f" {limit}." in error.message:
                    most = getattr(self._limits, limit)
                    return too_large(limit, self._limits, f"has more than {most:,} {limit}")
            return _too_complex()
        message = shortened(_QUOTED.sub(r"\1\2", error.message))
        return GraphQLError(message, source=error.source, positions=error.positions)

    def _misfits(self, validation: Validation) -> list[GraphQLError]:
        """Why a document does not fit the schema; where that is hidden, only that it does not."""
        most = self._limits.errors if self._suggestions else 1
        errors = validation.schema_errors(most) or validation.overlaps(most)
        if self._suggestions or isinstance(next(iter(errors), None), ValidationAbortedError):
            return self._shown(errors)  # before the first error: it is the document's own size
        return [GraphQLError(MISFIT)] if errors else []

    def _walks_too_far(self, document: DocumentNode) -> list[GraphQLError]:
        if self._introspection is None:
            return []
        walk, most = self._introspection.walk(document), self._introspection.most
        return [too_long_a_walk(walk, most)] if walk > most else []

    def _shown(self, errors: Iterable[GraphQLError]) -> list[GraphQLError]:
        shown: list[GraphQLError] = []
        for error in errors:
            if not isinstance(error, ValidationAbortedError):
                shown.append(_without_nodes(error))
            elif len(shown) < self._limits.errors:
                shown.append(_too_complex())
            else:
                what = f"has more than {self._limits.errors:,} errors"
                shown.append(too_large("errors", self._limits, what))
        return shown


def _size(error: GraphQLError) -> int:
    """How many bytes an error takes, roughly: it may name many things and stand in many places."""
    return ERROR + getsizeof(error.message) + PLACE * len(error.locations or ())


def _too_complex() -> GraphQLError:
    message = "The document is nested too deeply, or repeats too many fields or fragments."
    return limit_error("complexity", message)


def _without_nodes(error: GraphQLError) -> GraphQLError:
    """The error without its nodes, which would keep the document in memory."""
    return GraphQLError(shortened(error.message), source=error.source, positions=error.positions)
