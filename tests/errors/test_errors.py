"""The error tree: every code once, with what it means and what to do."""

import inspect

import pytest

from gateway import errors
from gateway.errors import CODES, GatewayError, OutcomeUnknown, ProviderUnavailable


def test_every_error_that_a_client_can_see_has_a_code_of_the_list() -> None:
    """Whatever is raised on purpose is told under a code that the documentation explains."""
    public = [getattr(errors, name) for name in errors.__all__]
    tree = [each for each in public if inspect.isclass(each) and issubclass(each, GatewayError)]
    assert {each.code for each in tree} == CODES.keys()
    told = [(each.meaning, each.advice, each.operator_advice) for each in CODES.values()]
    assert all(map(all, told))


def test_a_code_stands_once_and_is_explained() -> None:
    """A class with a code of another, or without a meaning or an advice, cannot be declared."""
    whole = {"code": "NEW", "meaning": "m", "advice": "a", "operator_advice": "o"}
    lacking = [{name: whole[name] for name in whole if name != left} for left in whole]
    for body in (whole | {"code": "NOT_FOUND"}, *lacking):
        with pytest.raises(TypeError, match="an advice and an operator_advice, and stands once"):
            type("Another", (GatewayError,), body)


def test_an_error_is_worded_anew_without_changing_what_others_hold() -> None:
    """Many requests may share one error: another message makes another error."""
    shared = ProviderUnavailable("first", retry_after=3)
    told = shared.worded("second")
    assert (shared.message, told.message, told.retry_after) == ("first", "second", 3)


def test_nothing_is_promised_where_nobody_has_promised() -> None:
    """An unknown outcome is safe to retry for no time at all until somebody says for how long."""
    assert OutcomeUnknown("?").promise.seconds == 0
