"""Documents that cost as much as they can within the default limits, each in another way.

``DOCUMENTS`` maps a name to a maker: it takes a serial number and gives a source and its variables,
so that no two are the same text and nothing is answered from a cache. Nearly all of them are as
large as a document may be; which limit or rule stops them, if any, is left open.
"""

import re
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, TypeAlias

Made: TypeAlias = tuple[str, dict[str, Any]]
Maker: TypeAlias = Callable[[int], Made]

CHARACTERS = 19_800  # a little less than what is allowed by default
VALUES = 990
FIELDS = 980
CARD = "7eb0de6a-7104-464a-b73d-41134c38e47e"
CARD_FIELDS = (
    "id accountId type status name network maskedPan expirationDate createdAt updatedAt "
    "billingAddress{firstLine secondLine city state country postCode}"
)
_ADDRESS = 'firstLine:"1 Test Avenue",city:"London",country:"GB",postCode:"SW1 1AA"'
INPUT = {
    "accountId": "ae61c362-4136-49af-8e01-544457fe265b",
    "billingAddress": {
        "firstLine": "1 Test Avenue",
        "city": "London",
        "country": "GB",
        "postCode": "SW1 1AA",
    },
}


def operation_of(source: str) -> str | None:
    """The name that a request has to give: of the first operation that has one."""
    found = re.search(r"(?:query|mutation) (\w+)", source)
    return found[1] if found else None


def plain(n: int) -> Made:
    """What all others are compared with: a unique text that asks for a card."""
    return f"query Q{n}($id: ID!) {{ card(id: $id) {{ {CARD_FIELDS} }} }}", {"id": CARD}


def filled(head: str, part: Callable[[int], str], tail: str, most: int = CHARACTERS) -> str:
    """The head, as many parts as there is room for, and the tail."""
    left = CHARACTERS - len(head) - len(tail)
    parts: list[str] = []
    for number in count():
        text = part(number)
        left -= len(text)
        if left < 0 or number >= most:
            return head + "".join(parts) + tail
        parts.append(text)
    raise AssertionError


def nested(depth: int, ends: str, inner: str) -> str:
    """Brackets in brackets."""
    return ends[0] * depth + inner + ends[1] * depth


def _issue(n: int, argument: str) -> Made:
    return f"mutation M{n}{{issueVirtualCard(input:{argument}){{__typename}}}}", {}


def _unknown_names(n: int, values: Callable[[int], str]) -> Made:
    fields = " ".join(f"u{i}:1" for i in range(20))
    return _issue(n, f"{{{fields} accountId:{values(n)}}}")


def trial(n: int) -> Made:
    """The literal of the issue: a long list in 150 lists, beside twenty names that do not exist."""
    return _unknown_names(n, lambda n: nested(150, "[]", f"{n} " + "1 " * 4_500))


def long_list(n: int) -> Made:
    """A list of as many values as are allowed, where text is asked for."""
    return _unknown_names(n, lambda n: f"[{n} " + "1 " * (VALUES - 30) + "]")


def lists_in_lists(n: int) -> Made:
    """Lists in lists, again and again."""
    return _unknown_names(n, lambda _: "[" + nested(9, "[]", "1 ") * (VALUES // 11) + f"{n}]")


def objects_in_objects(n: int) -> Made:
    """Input objects in input objects, with names that do not exist at each step."""
    inner = "1"
    for i in range(10):
        inner = f"{{a{i}:{inner} " + " ".join(f"b{j}:1" for j in range(80)) + "}"
    return _issue(n, f"{{x{n}:{inner}}}")


def wide_object(n: int) -> Made:
    """One input object with as many unknown fields as fit."""
    return _issue(n, filled(f"{{z{n}:1", lambda i: f" a{i}:1", "}", VALUES))


def repeated_input_fields(n: int) -> Made:
    """The same field of an input object again and again."""
    return _issue(n, filled(f"{{z{n}:1", lambda _: " accountId:1", "}", VALUES))


def long_text(n: int) -> Made:
    """One text as long as the document."""
    return f'query Q{n}{{card(id:"{"x" * (CHARACTERS - 60)}"){{id}}}}', {}


def escaped_text(n: int) -> Made:
    """A text of escapes only."""
    return f'query Q{n}{{card(id:"{chr(92) + "u0041"}{(chr(92) + "n") * 9_800}"){{id}}}}', {}


def block_text(n: int) -> Made:
    """A block string of many lines, each with an indentation of its own."""
    text = filled("", lambda i: " " * (i % 7) + "x\n", "", 4_900)
    return f'query Q{n}{{card(id:"""{text[:19_600]}"""){{id}}}}', {}


def many_texts(n: int) -> Made:
    """Many short texts as arguments that do not exist."""
    return filled(f"query Q{n}{{card(", lambda i: f'a{i}:"x" ', "){id}}", VALUES), {}


def enum_values(n: int) -> Made:
    """Names as values where text is asked for, in a list."""
    return _unknown_names(n, lambda _: "[" + f"v{n} " * 900 + "]")


def comments(n: int) -> Made:
    """All comments that are allowed, as long as they can be."""
    return f"#{n}\n" + ("#" + "c" * 96 + "\n") * 195 + "{__typename}", {}


def long_name(n: int) -> Made:
    """A field whose name fills the document."""
    return f"query Q{n}{{{'n' * (CHARACTERS - 20)}}}", {}


def unknown_fields(n: int) -> Made:
    """As many fields that do not exist as the cost permits."""
    return filled(f"query Q{n}{{", lambda i: f"f{i} ", "}", FIELDS), {}


def unknown_fields_of_a_card(n: int) -> Made:
    """The same inside a card, where there are names that look alike."""
    return filled(f"query Q{n}{{card(id:1){{", lambda i: f"statu{i} ", "}}", FIELDS), {}


def unknown_arguments(n: int) -> Made:
    """Arguments that do not exist, which are compared with those that do."""
    return filled(f"query Q{n}{{card(", lambda i: f"id{i}:1 ", "){id}}", VALUES), {}


def unknown_types(n: int) -> Made:
    """Fragments on types that do not exist, which are compared with all that do."""
    return filled(f"query Q{n}{{", lambda i: f"...on Card{i}{{id}}", "}", 800), {}


def unknown_directives(n: int) -> Made:
    """Directives that do not exist."""
    return filled(f"query Q{n}{{__typename ", lambda i: f"@inclu{i} ", "}"), {}


def repeated_directives(n: int) -> Made:
    """One field with as many conditions as fit."""
    return filled(f"query Q{n}{{__typename ", lambda _: "@skip(if:false)", "}", 700), {}


def conditions_everywhere(n: int) -> Made:
    """Two conditions with variables on each field."""
    head = f"query Q{n}($a:Boolean!,$b:Boolean!){{"
    return (
        filled(head, lambda i: f"a{i}:__typename@skip(if:$a)@include(if:$b)", "}", 250),
        {"a": False, "b": True},
    )


def nullable_conditions(n: int) -> Made:
    """Conditions that no plan knows: graphql-core executes them."""
    head = f"query Q{n}($a:Boolean=false){{"
    return filled(head, lambda i: f"a{i}:__typename@skip(if:$a)", "}", 440), {}


def same_field(n: int) -> Made:
    """The same field again and again, which is compared with itself."""
    return filled(f'query Q{n}{{card(id:"{CARD}"){{', lambda _: "id ", "}}", FIELDS), {}


def same_alias(n: int) -> Made:
    """Different fields under one alias: each pair is a conflict."""
    names = ["id", "status", "type", "name"]
    return filled(
        f'query Q{n}{{card(id:"{CARD}"){{', lambda i: f"a:{names[i % 4]} ", "}}", FIELDS
    ), {}


def same_cards(n: int) -> Made:
    """The same card with its fields again and again: they are to be merged."""
    part = f'card(id:"{CARD}"){{id status}}'
    return filled(f"query Q{n}{{", lambda _: part, "}", 75), {}


def same_arguments(n: int) -> Made:
    """The same field with the same large argument again and again."""
    value = "{" + " ".join(f"a{i}:1" for i in range(9)) + "}"
    return filled(f"query Q{n}{{", lambda _: f"card(id:{value}){{id}}", "}", 75), {}


def deep_overlaps(n: int) -> Made:
    """Fields that are merged on each of many levels."""
    inner = "city"
    for _ in range(9):
        inner = f"a{{{inner}}} a{{{inner}}}" if len(inner) < 4_000 else f"a{{{inner}}}"
    return f"query Q{n}{{{inner}}}", {}


def overlapping_fragments(n: int) -> Made:
    """Fragments with the same fields, all spread in one place."""
    spreads = "".join(f"...F{i} " for i in range(60))
    fragments = "".join(
        f"fragment F{i} on Card{{id status type name network maskedPan createdAt updatedAt}}"
        for i in range(60)
    )
    return f'query Q{n}{{card(id:"{CARD}"){{{spreads}}}}}{fragments}', {}


def relay(n: int) -> Made:
    """What Relay writes: thirty fragments that each ask for the same fifteen fields."""
    spreads = "".join(f"...F{i} " for i in range(30))
    fragments = "".join(f"fragment F{i} on Card{{{CARD_FIELDS}}}" for i in range(30))
    return f'query Q{n}{{card(id:"{CARD}"){{{spreads}}}}}{fragments}', {}


def nested_fragments(n: int) -> Made:
    """A long chain of fragments."""
    chain = filled(
        f"query Q{n}{{...F0}}",
        lambda i: f"fragment F{i} on Query{{...F{i + 1}}}",
        "",
        180,
    )
    last = chain.count("fragment")
    return f"{chain}fragment F{last} on Query{{__typename}}", {}


def fragments_of_fragments(n: int) -> Made:
    """Fragments that each spread all that follow: pairs of pairs."""
    size = 30
    body = "".join(
        f"fragment F{i} on Query{{x{i}:__typename "
        + "".join(f"...F{j} " for j in range(i + 1, size))
        + "}"
        for i in range(size)
    )
    return f"query Q{n}{{...F0}}{body}", {}


def fragment_cycles(n: int) -> Made:
    """Fragments that each spread all others."""
    size = 40
    spreads = "".join(f"...F{i} " for i in range(size))
    body = "".join(f"fragment F{i} on Query{{{spreads}}}" for i in range(size))
    return f"query Q{n}{{...F0}}{body}", {}


def unused_fragments(n: int) -> Made:
    """Fragments that nobody spreads."""
    return filled(
        f"query Q{n}{{__typename}}", lambda i: f"fragment F{i} on Query{{__typename}}", ""
    ), {}


def unknown_fragments(n: int) -> Made:
    """Spreads of fragments that do not exist."""
    return filled(f"query Q{n}{{", lambda i: f"...F{i} ", "}"), {}


def fragments_on_unions(n: int) -> Made:
    """Inline fragments on all members of a union again and again."""
    members = ["NotFound", "Refused", "NotAllowed", "InvalidInput", "RateLimited"]
    head = f"mutation M{n}($i:IssueVirtualCardInput!){{issueVirtualCard(input:$i){{"
    source = filled(head, lambda i: f"...on {members[i % 5]}{{code message}}", "}}", 320)
    return source, {"i": INPUT}


def inline_fragments(n: int) -> Made:
    """Inline fragments in inline fragments."""
    return f"query Q{n}{{" + nested(95, "{}", "__typename").replace("{", "...{") + "}", {}


def fields_in_inline_fragments(n: int) -> Made:
    """Many fields, deep within inline fragments."""
    fields = " ".join(f"a{i}:__typename" for i in range(960))
    return f"query Q{n}{{" + nested(95, "{}", fields).replace("{", "...{") + "}", {}


def members_of_a_union(n: int) -> Made:
    """Fields of an interface beside those of each member: each group has all of the first."""
    members = ["NotFound", "Refused", "NotAllowed", "InvalidInput", "RateLimited", "NotExecuted"]
    shared = " ".join("...on Error{code message}" for _ in range(120))
    own = " ".join(f"...on {one}{{code message requestId}}" for one in members * 20)
    head = f"mutation M{n}($i:IssueVirtualCardInput!){{issueVirtualCard(input:$i){{"
    return f"{head}{shared} {own}}}}}", {"i": INPUT}


def candidates(n: int) -> Made:
    """Composite fields in every member that has them, again and again."""
    part = "...on OutcomeUnknown{candidates{id accountId billingAddress{city state country}}}"
    head = f"mutation M{n}($i:IssueVirtualCardInput!){{issueVirtualCard(input:$i){{"
    return filled(head, lambda _: part, "}}", 130), {"i": INPUT}


def many_inline_fragments(n: int) -> Made:
    """Inline fragments side by side."""
    return filled(f"query Q{n}{{", lambda i: f"...{{a{i}:__typename}}", "}", 800), {}


def operations(n: int) -> Made:
    """As many operations as fit; the request names none."""
    return filled(f"query Q{n}{{__typename}}", lambda i: f"query R{i}{{__typename}}", ""), {}


def operations_and_fragments(n: int) -> Made:
    """Fifty operations that spread each of many fragments, each of which has a variable."""
    spreads = "".join(f"...F{i} " for i in range(20))
    fragments = "".join(f"fragment F{i} on Query{{a{i}:card(id:$v){{id}}}}" for i in range(20))
    return (
        filled(fragments, lambda i: f"query Q{n}x{i}($v:ID!){{{spreads}}}", "", 48),
        {"v": CARD},
    )


def operations_on_one_fragment(n: int) -> Made:
    """The issue's: sixty operations on one fragment with 900 aliases, under four conditions."""
    head = "($a:Boolean!$b:Boolean!$c:Boolean!$d:Boolean!)"
    body = "".join(f"b{i}:__typename " for i in range(900))
    spread = "...F@include(if:$a)@skip(if:$b)a:__typename@include(if:$c)@skip(if:$d)"
    text = "".join(f"query Q{i}{head}{{{spread}}}" for i in range(36))
    values = {"a": n % 2 == 0, "b": n % 4 > 1, "c": n % 8 > 3, "d": False}
    return f"{text}fragment F on Query{{{body}n{n}:__typename}}", values


def variable_definitions(n: int) -> Made:
    """As many variables as fit, none of which is used."""
    return filled(f"query Q{n}(", lambda i: f"$v{i}:ID ", "){__typename}", 1_200), {}


def variable_uses(n: int) -> Made:
    """Many variables, each used."""
    many = 300
    declared = " ".join(f"$v{i}:Boolean!" for i in range(many))
    used = " ".join(f"a{i}:__typename@skip(if:$v{i})" for i in range(many))
    return f"query Q{n}({declared}){{{used}}}", {f"v{i}": False for i in range(many)}


def undefined_variables(n: int) -> Made:
    """Variables that are used and not defined."""
    return filled(f"query Q{n}{{", lambda i: f"a{i}:__typename@skip(if:$v{i})", "}", 440), {}


def variable_defaults(n: int) -> Made:
    """Defaults of variables: as many values as are allowed."""
    return filled(
        f"query Q{n}(", lambda i: f"$v{i}:[ID]=[1 1 1 1 1] ", "){__typename}", VALUES // 7
    ), {}


def variables_of_wrong_types(n: int) -> Made:
    """Variables whose values do not fit, and are long."""
    names = [f"v{i}" for i in range(40)]
    declared = " ".join(f"${name}:IssueVirtualCardInput!" for name in names)
    used = " ".join(f"{name}:issueVirtualCard(input:${name}){{__typename}}" for name in names[:10])
    wrong = {f"u{i}": "x" * 40 for i in range(50)}
    return f"mutation M{n}({declared}){{{used}}}", dict.fromkeys(names, wrong)


def unknown_input_fields(n: int) -> Made:
    """A variable with thousands of fields that the input does not have."""
    source = f"mutation M{n}($i:IssueVirtualCardInput!){{issueVirtualCard(input:$i){{__typename}}}}"
    return source, {"i": INPUT | {f"accountI{i}": 1 for i in range(5_000)}}


def deep_variables(n: int) -> Made:
    """A variable that is nested deeply."""
    value: Any = "x"
    for _ in range(400):
        value = {"accountId": value}
    source = f"mutation M{n}($i:IssueVirtualCardInput!){{issueVirtualCard(input:$i){{__typename}}}}"
    return source, {"i": value}


def long_variables(n: int) -> Made:
    """Texts and lists of 90,000 characters where an id is asked for."""
    return f"query Q{n}($id:ID!){{card(id:$id){{id}}}}", {"id": [1] * 30_000}


def unused_variables(n: int) -> Made:
    """Thousands of values for variables that the document does not have."""
    return plain(n)[0], {"id": CARD} | {f"x{i}": i for i in range(6_000)}


def introspection(n: int) -> Made:
    """All of the schema in one query, several times."""
    types = "types{name kind description fields{name description args{name type{name}} type{name}}}"
    return filled(f"query Q{n}{{", lambda i: f"s{i}:__schema{{{types}}}", "}", 70), {}


def introspection_chain(n: int) -> Made:
    """A type, its fields, their types, and their fields."""
    chain = "fields{name type{name fields{name type{name ofType{name}}}}}"
    return filled(f"query Q{n}{{", lambda i: f't{i}:__type(name:"Card"){{{chain}}}', "}", 90), {}


def introspection_aliases(n: int) -> Made:
    """One walk over the schema that asks for each name many times."""
    names = " ".join(f"n{i}:name" for i in range(300))
    return f"query Q{n}{{__schema{{types{{fields{{{names} args{{{names}}}}}}}}}}}", {}


def largest_valid(n: int) -> Made:
    """As many cards as the cost permits, with all that they have."""
    return (
        filled(f"query Q{n}($id:ID!){{", lambda i: f"c{i}:card(id:$id){{{CARD_FIELDS}}}", "}", 34),
        {"id": CARD},
    )


def many_cards(n: int) -> Made:
    """As many cards as the cost permits, with one field each."""
    return filled(f"query Q{n}($id:ID!){{", lambda i: f"c{i}:card(id:$id){{id}}", "}", 83), {
        "id": CARD
    }


def many_aliases(n: int) -> Made:
    """One card under as many aliases of its fields as the cost permits."""
    return (
        filled(f"query Q{n}($id:ID!){{card(id:$id){{", lambda i: f"a{i}:createdAt ", "}}", 960),
        {"id": CARD},
    )


def many_mutations(n: int) -> Made:
    """All mutations that are allowed, with every member of the result."""
    members = "...on Error{code message} ...on IssueVirtualCardSuccess{card{" + CARD_FIELDS + "}}"
    literal = f'{{accountId:"{INPUT["accountId"]}",billingAddress:{{{_ADDRESS}}}}}'
    part = f"issueVirtualCard(input:{literal}){{{members}}}"
    return filled(f"mutation M{n}{{", lambda i: f"m{i}:{part}", "}", 10), {}


def syntax_error_at_the_end(n: int) -> Made:
    """All tokens that are allowed, and then an error."""
    return filled(f"query Q{n}{{", lambda i: "a ", "]", 4_900), {}


def braces(n: int) -> Made:
    """Selections in selections, deeper than anything is."""
    return f"query Q{n}{{" + nested(190, "{}", "b").replace("{", "a{") + "}", {}


def brackets(n: int) -> Made:
    """Lists in lists, as deep as the parser permits."""
    return f"query Q{n}{{card(id:{nested(190, '[]', '1')}){{id}}}}", {}


def type_lists(n: int) -> Made:
    """Variables whose types are lists of lists."""
    type_ = nested(95, "[]", "ID")
    return filled(f"query Q{n}(", lambda i: f"$v{i}:{type_} ", "){__typename}", 24), {}


def control_characters(n: int) -> Made:
    """A document of byte order marks and blanks."""
    return f"query Q{n}{{" + ", \ufeff\t" * 4_900 + "__typename}", {}


def _after_lines(n: int, selections: str) -> str:
    """The selections below as many empty lines as there is room for."""
    return f"query Q{n}{{" + "\n" * (CHARACTERS - len(selections) - 20) + selections + "}"


def errors_below_lines(n: int) -> Made:
    """Errors of validation, each of whose places has thousands of lines before it."""
    return _after_lines(n, " ".join(f"...F{i}" for i in range(30))), {}


def failures_below_lines(n: int) -> Made:
    """Fields that fail when they are executed, likewise."""
    return _after_lines(n, " ".join(f"a{i}:card(id:1){{id}}" for i in range(80))), {}


def merged_failures_below_lines(n: int) -> Made:
    """Likewise, and each error has two places."""
    return _after_lines(n, " ".join(f"a{i // 2}:card(id:1){{id}}" for i in range(82))), {}


def many_places(n: int) -> Made:
    """One error with as many places as values are allowed."""
    return filled(f"query Q{n}{{card(", lambda _: "i:1 ", "){id}}", VALUES), {}


def unordered_marks(n: int) -> Made:
    """Ten addresses of one variable, whose text has combining marks in the wrong order."""
    used = " ".join(f"a{i}:issueVirtualCard(input:$i){{__typename}}" for i in range(10))
    marks = "\u0345\u0301\u0316" * 2_000
    address = INPUT["billingAddress"] | {"firstLine": f"{n}{marks}"}  # type: ignore[operator]
    variables = {"i": INPUT | {"billingAddress": address}}
    return f"mutation M{n}($i:IssueVirtualCardInput!){{{used}}}", variables


_MAKERS: tuple[Maker, ...] = (
    trial,
    long_list,
    lists_in_lists,
    objects_in_objects,
    wide_object,
    repeated_input_fields,
    long_text,
    escaped_text,
    block_text,
    many_texts,
    enum_values,
    comments,
    long_name,
    unknown_fields,
    unknown_fields_of_a_card,
    unknown_arguments,
    unknown_types,
    unknown_directives,
    repeated_directives,
    conditions_everywhere,
    nullable_conditions,
    same_field,
    same_alias,
    same_cards,
    same_arguments,
    deep_overlaps,
    overlapping_fragments,
    relay,
    nested_fragments,
    fragments_of_fragments,
    fragment_cycles,
    unused_fragments,
    unknown_fragments,
    fragments_on_unions,
    inline_fragments,
    fields_in_inline_fragments,
    members_of_a_union,
    candidates,
    many_inline_fragments,
    operations,
    operations_and_fragments,
    operations_on_one_fragment,
    variable_definitions,
    variable_uses,
    undefined_variables,
    variable_defaults,
    variables_of_wrong_types,
    unknown_input_fields,
    deep_variables,
    long_variables,
    unused_variables,
    introspection,
    introspection_chain,
    introspection_aliases,
    largest_valid,
    many_cards,
    many_aliases,
    many_mutations,
    syntax_error_at_the_end,
    braces,
    brackets,
    type_lists,
    control_characters,
    errors_below_lines,
    failures_below_lines,
    merged_failures_below_lines,
    many_places,
    unordered_marks,
)
DOCUMENTS: Mapping[str, Maker] = {maker.__name__: maker for maker in _MAKERS}
