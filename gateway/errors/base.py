"""What all errors have in common: a stable code, and a message that is safe to show."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

_EXPLAINED = {"code", "meaning", "advice", "operator_advice"}
"""What a class with a code of its own says."""


class GatewayError(Exception):
    """Anything that the gateway reports on purpose; ``message`` is safe to show to the caller."""

    code: ClassVar[str] = "INTERNAL"
    meaning: ClassVar[str] = "A fault of the gateway, logged under `requestId`."
    advice: ClassVar[str] = "Tell the operator."
    operator_advice: ClassVar[str] = (
        "Look for the line `unexpected_error` with this `requestId`; report its places."
    )
    in_results: ClassVar[bool] = False
    """Whether the code can stand in the result of a mutation."""
    status: int = 500
    """The HTTP status where this stops a request before its execution."""
    retryable: bool = False
    retry_after: float | None = None
    """After how many seconds it may be worth another try, where somebody knows."""
    sent: bool = False
    """Whether the request that failed may have reached the provider."""

    hint: str = ""
    """What the operator should do: for the log, readiness and commands, and never for clients."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        own = _EXPLAINED & vars(cls).keys()
        if not own:
            return
        if own < _EXPLAINED or cls.code in CODES:
            raise TypeError(
                f"{cls.__name__}: a code has a meaning, an advice and an operator_advice, "
                "and stands once"
            )
        CODES[cls.code] = cls

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def worded(self, message: str) -> Self:
        """The same error with another message; many requests may share this one."""
        twin = type(self).__new__(type(self), message)
        twin.__dict__.update(self.__dict__, message=message)
        return twin

    @property
    def with_hint(self) -> str:
        """What an operator is told: the message, and the hint where there is one."""
        return f"{self.message} {self.hint}" if self.hint else self.message

    @property
    def extensions(self) -> dict[str, Any]:
        """What a GraphQL error shows beside its message: the code, and whether to try again."""
        return {"code": self.code, "retryable": self.retryable}


class InternalError(GatewayError):
    """A fault of the gateway, which has been told (``events.UnexpectedError``) where it arose."""

    def __init__(self) -> None:
        super().__init__("Something went wrong inside the gateway; it has been logged.")


CODES: dict[str, type[GatewayError]] = {GatewayError.code: GatewayError}
"""Every code that a client can see, with the class that says what it means."""


class ConfigError(GatewayError):
    """The settings cannot be used; ``problems`` lists every reason, one sentence each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)
