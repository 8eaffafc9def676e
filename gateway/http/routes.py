"""Routes that answer to their very path."""

from starlette.routing import Match, Route
from starlette.types import Scope


class ExactRoute(Route):
    """A route for one path: Starlette's pattern also takes a line break after it for its end.

    Rules of proxies compare paths exactly, and would not hold for that one.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether this is the path, as ``Route`` has it."""
        if scope["type"] == "http" and scope["path"].endswith("\n"):
            return Match.NONE, {}
        return super().matches(scope)
