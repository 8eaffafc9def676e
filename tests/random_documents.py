"""Random documents for any schema, with the variables of a request; nearly all are valid."""

from random import Random
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_abstract_type,
    is_composite_type,
    is_leaf_type,
)

DEEPEST = 4
_WORDS = ["", "a", "é", "123e4567-e89b-12d3-a456-426614174000", "2024-01-12T15:12:26Z", "GB"]
_SCALARS: dict[str, list[Any]] = {
    "Int": [0, 1, -7],
    "Float": [0, 1.5, -2],
    "Boolean": [True, False],
    "ID": [*_WORDS, 7],
}


class Writer:
    """Writes one document: fields again and again, fragments in fragments, conditions anywhere."""

    def __init__(self, schema: GraphQLSchema, random: Random) -> None:
        self._schema = schema
        self._random = random
        self._declared: dict[str, str] = {}  # $name: Type = default
        self._fragments: dict[str, tuple[Any, str]] = {}  # name: its type and its text
        self._arguments: dict[tuple[object, ...], str] = {}  # the same for the same alias
        self.variables: dict[str, Any] = {}

    def write(self) -> str:
        """The text of a document with one operation."""
        roots = [self._schema.query_type, self._schema.mutation_type]
        root = self._random.choice([one for one in roots if one])
        body = self._selection(root, DEEPEST)
        kind = "mutation" if root is self._schema.mutation_type else "query"
        declared = " ".join(f"${name}: {text}" for name, text in self._declared.items())
        head = f"{kind} Q({declared})" if declared else kind
        return "\n".join([head + body, *(text for _, text in self._fragments.values())])

    def _chance(self, one_in: int) -> bool:
        return self._random.randrange(one_in) == 0

    def _selection(self, type_: Any, depth: int) -> str:
        made = [self._part(type_, depth) for _ in range(self._random.randint(1, 4))]
        return "{" + " ".join(made) + "}"

    def _part(self, type_: Any, depth: int) -> str:
        if depth > 0 and self._chance(4):
            return self._spread(type_, depth) if self._chance(2) else self._inline(type_, depth)
        fields = self._fields(type_, depth)
        if not fields or self._chance(8):
            alias = self._random.choice(["", "kind: "])
            return f"{alias}__typename{self._conditions()}"
        name = self._random.choice(sorted(fields))
        return self._field(name, fields[name], depth)

    def _fields(self, type_: Any, depth: int) -> dict[str, GraphQLField]:
        fields: dict[str, GraphQLField] = getattr(type_, "fields", {})
        return {
            name: field
            for name, field in fields.items()
            if depth > 0 or is_leaf_type(get_named_type(field.type))
        }

    def _field(self, name: str, field: GraphQLField, depth: int) -> str:
        number = self._random.choice([0, 0, 0, 1, 2])
        alias = f"{name}{number}: " if number else ""
        key: tuple[object, ...] = (name, number, *field.args)
        if key not in self._arguments:
            given = (self._argument(*one) for one in field.args.items())
            arguments = ", ".join(one for one in given if one)
            self._arguments[key] = f"({arguments})" if arguments else ""
        type_ = get_named_type(field.type)
        below = self._selection(type_, depth - 1) if is_composite_type(type_) else ""
        return f"{alias}{name}{self._arguments[key]}{self._conditions()}{below}"

    def _inline(self, type_: Any, depth: int) -> str:
        if self._chance(4):
            return f"...{self._conditions()}{self._selection(type_, depth)}"
        other = self._overlapping(type_)
        return f"... on {other.name}{self._conditions()}{self._selection(other, depth)}"

    def _spread(self, type_: Any, depth: int) -> str:
        known = self._possible(type_)
        fitting = [name for name, (of, _) in self._fragments.items() if self._possible(of) & known]
        if not fitting or self._chance(2):
            other = self._overlapping(type_)
            body = self._selection(other, depth - 1)
            name = f"F{len(self._fragments)}"
            self._fragments[name] = (other, f"fragment {name} on {other.name} {body}")
            fitting = [name]
        return f"...{self._random.choice(fitting)}{self._conditions()}"

    def _possible(self, type_: Any) -> set[GraphQLObjectType]:
        return set(self._schema.get_possible_types(type_)) if is_abstract_type(type_) else {type_}

    def _overlapping(self, type_: Any) -> Any:
        known = self._possible(type_)
        types = (one for one in self._schema.type_map.values() if is_composite_type(one))
        fitting = [one for one in types if self._possible(one) & known]
        return self._random.choice(sorted(fitting, key=lambda one: one.name))

    def _conditions(self) -> str:
        if not self._chance(6):
            return ""
        chosen = self._random.sample(["skip", "include"], self._random.choice([1, 1, 1, 2]))
        return "".join(f" @{name}(if: {self._condition()})" for name in chosen)

    def _condition(self) -> str:
        if self._chance(3):
            return self._random.choice(["true", "false"])
        name = f"if{self._random.randrange(3)}"
        if name not in self._declared:
            self._declared[name] = "Boolean! = true" if self._chance(4) else "Boolean!"
            if "=" not in self._declared[name] or self._chance(2):
                self.variables[name] = self._chance(2)
        return f"${name}"

    def _argument(self, name: str, argument: GraphQLArgument) -> str:
        required = isinstance(argument.type, GraphQLNonNull) and not argument.default
        if not required and self._chance(3):
            return ""
        return f"{name}: {self._value(argument.type, name, 3)}"

    def _value(self, type_: Any, name: str, depth: int) -> str:
        """A literal, with variables in it."""
        if self._chance(3):
            return self._variable(type_, name)
        if isinstance(type_, GraphQLNonNull):
            type_ = type_.of_type
        elif self._chance(8):
            return "null"
        if isinstance(type_, GraphQLList):
            items = (self._value(type_.of_type, name, depth - 1) for _ in range(2))
            return f"[{', '.join(items)}]"
        if isinstance(type_, GraphQLInputObjectType):
            fields = (
                f"{key}: {self._value(field.type, key, depth - 1)}"
                for key, field in type_.fields.items()
                if isinstance(field.type, GraphQLNonNull) or (depth > 0 and self._chance(2))
            )
            return "{" + ", ".join(fields) + "}"
        if isinstance(type_, GraphQLEnumType):
            return str(self._random.choice(sorted(type_.values)))
        return self._scalar(type_.name)

    def _scalar(self, name: str) -> str:
        value = self._random.choice(_SCALARS.get(name, _WORDS))
        if isinstance(value, bool):
            return "true" if value else "false"
        return f'"{value}"' if isinstance(value, str) else str(value)

    def _variable(self, type_: Any, name: str) -> str:
        kind = str(type_)
        named = kind.replace("!", "N").replace("[", "L").replace("]", "")
        name = f"{name}{named}{self._random.randrange(2)}"
        strict = kind if kind.endswith("!") or self._chance(2) else f"{kind}!"
        if name not in self._declared:
            plain = is_leaf_type(get_named_type(type_)) and not isinstance(
                getattr(type_, "of_type", type_), GraphQLList
            )
            default = f" = {self._literal(type_)}" if plain and self._chance(3) else ""
            self._declared[name] = strict + default
            if not self._chance(6):
                self.variables[name] = self._given(type_, 3)
        return f"${name}"

    def _literal(self, type_: Any) -> str:
        inner = get_named_type(type_)
        if isinstance(inner, GraphQLEnumType):
            return str(self._random.choice(sorted(inner.values)))
        return self._scalar(inner.name)

    def _given(self, type_: Any, depth: int) -> Any:
        """What a request brings for a variable, now and then nothing that fits."""
        if self._chance(15):
            return self._random.choice([None, 1, "x", True, [], {}, {"x": 1}, 2**40, 1.5])
        if isinstance(type_, GraphQLNonNull):
            type_ = type_.of_type
        elif self._chance(8):
            return None
        if isinstance(type_, GraphQLList):
            return [self._given(type_.of_type, depth - 1) for _ in range(2)]
        if isinstance(type_, GraphQLInputObjectType):
            return {
                key: self._given(field.type, depth - 1)
                for key, field in type_.fields.items()
                if isinstance(field.type, GraphQLNonNull) or (depth > 0 and self._chance(2))
            }
        if isinstance(type_, GraphQLEnumType):
            return self._random.choice(sorted(type_.values))
        return self._random.choice(_SCALARS.get(type_.name, _WORDS))
