"""Errors of a request, before or apart from what it asks of the provider."""

from typing import Any

from gateway.errors.base import GatewayError


class BadRequest(GatewayError):
    """The HTTP request cannot be answered; ``headers`` are those of the answer."""

    code = "BAD_REQUEST"
    meaning = "The HTTP request is not a GraphQL request."
    advice = "The message says what to change."
    operator_advice = "Nothing; where all clients get it, look at what a proxy changes."
    status = 400

    def __init__(self, message: str, *, status: int = 400, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.retryable = status == 408  # the client may repeat it: RFC 9110, section 15.5.9
        self.headers = headers


class DocumentNotFound(BadRequest):
    """No trusted document has this id; code and message are Apollo's, for Apollo's clients."""

    code = "PERSISTED_QUERY_NOT_FOUND"
    meaning = "No trusted document has this id."
    advice = "Send the text, or build the manifest anew."
    operator_advice = "Give the gateway the manifest of that client's release (GATEWAY_DOCUMENTS)."

    def __init__(self) -> None:
        super().__init__("PersistedQueryNotFound")


class DocumentsNotSupported(BadRequest):
    """There are no trusted documents; code and message tell Apollo's clients to send texts."""

    code = "PERSISTED_QUERY_NOT_SUPPORTED"
    meaning = "There are no trusted documents here."
    advice = "Send the text."
    operator_advice = (
        "Nothing; to have trusted documents, set GATEWAY_DOCUMENTS and GATEWAY_DOCUMENTS_MODE."
    )

    def __init__(self) -> None:
        super().__init__("PersistedQueryNotSupported")


class DocumentNotTrusted(BadRequest):
    """The text is not one of the trusted documents, and only those are run."""

    code = "DOCUMENT_NOT_TRUSTED"
    meaning = "Only trusted documents are run here."
    advice = "Send the id of one."
    operator_advice = (
        "Add the document to the manifest (`gateway documents build`), or see "
        "GATEWAY_DOCUMENTS_MODE."
    )

    def __init__(self) -> None:
        super().__init__("Only documents that the gateway knows are run; send the id of one.")


class RequestInvalid(GatewayError):
    """The document, or its variables, cannot be executed."""

    code = "GRAPHQL_REQUEST_INVALID"
    meaning = "The document or its variables do not fit the schema."
    advice = "Correct the document."
    operator_advice = (
        "Nothing; after a release, compare the schemas with `gateway schema --against`."
    )


class DocumentTooLarge(GatewayError):
    """The document passes a limit."""

    code = "DOCUMENT_TOO_LARGE"
    meaning = "The document passes a limit; the message names it."
    advice = "Ask for less at once."
    operator_advice = (
        "Raise the limit that `extensions.limit` names where the document is one of yours."
    )


class InvalidInput(GatewayError):
    """The caller's input is wrong in ``field``, a dotted path such as ``input.accountId``."""

    code = "BAD_USER_INPUT"
    meaning = "A field of the input is wrong; `field` names it."
    advice = "Correct it."
    operator_advice = "Nothing."
    in_results = True

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field

    @property
    def extensions(self) -> dict[str, Any]:
        """The code and the field."""
        return {**super().extensions, "field": self.field}


class NotAuthenticated(GatewayError):
    """The caller has not shown who it is.

    ``reason`` is for the log, and so is ``key_id``, the ``kid`` of the token as it was sent.
    """

    code = "NOT_AUTHENTICATED"
    meaning = "The access token is missing or refused."
    advice = "Sign in."
    operator_advice = (
        "`reason` in the line `caller_refused` says why; see the settings GATEWAY_JWT_…."
    )
    status = 401

    def __init__(self, message: str, *, reason: str, key_id: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.key_id = key_id


class IdentityUnavailable(GatewayError):
    """Callers cannot be told apart now: the keys that prove them cannot be fetched.

    ``retry_after`` is in seconds; ``reason`` and ``key_id`` are for the log, as above.
    """

    code = "IDENTITY_UNAVAILABLE"
    meaning = "Access tokens cannot be checked now."
    advice = "Repeat in a moment."
    operator_advice = (
        "The line `jwks_unavailable` has the error; see that GATEWAY_JWT_KEYS can be fetched."
    )
    status = 503
    retryable = True
    reason = "its key cannot be fetched now"

    def __init__(
        self, message: str, *, retry_after: float = 10.0, key_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.key_id = key_id


class NotAllowed(GatewayError):
    """The caller is known and may not do this."""

    code = "NOT_ALLOWED"
    meaning = "The caller may not do this."
    advice = "Ask for the right."
    operator_advice = (
        "See the scopes and the accounts in the caller's token (GATEWAY_JWT_ACCOUNTS_CLAIM)."
    )
    in_results = True
    status = 403


class SimulatorDisabled(GatewayError):
    """The simulator was asked for where it does not exist."""

    code = "SIMULATOR_DISABLED"
    meaning = "There is no simulator in this environment."
    advice = "Use it in a test environment."
    operator_advice = "Nothing in production; elsewhere set GATEWAY_SIMULATOR."
    in_results = True


class SigningError(GatewayError):
    """A key or a message cannot be used for signing."""


class SignatureInvalid(GatewayError):
    """A signature or a content digest does not hold."""
