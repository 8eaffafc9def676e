"""Access tokens and signing keys (sections 2 and 3)."""

import base64

from gateway.emulator.answers import Answer, Refusal, json_answer
from gateway.emulator.bodies import CredentialsBody, NewSigningKey, OldSigningKey, read_body
from gateway.emulator.calls import ReceivedCall
from gateway.emulator.state import Emulator
from gateway.errors import SigningError
from gateway.signing import PublicKey


def issue_token(emulator: Emulator, call: ReceivedCall) -> Answer:
    """``POST /auth/token`` (section 2)."""
    credentials = read_body(call.body, CredentialsBody)
    if not emulator.knows_credentials(credentials.api_key, credentials.api_secret):
        raise Refusal(401, "invalid credentials")
    token, expires = emulator.issue_token()
    return json_answer(200, {"token": token, "expiresAt": expires, "tokenType": "Bearer"})


def register_key(emulator: Emulator, call: ReceivedCall) -> Answer:
    """``PUT /auth/signing`` (section 3)."""
    body = read_body(call.body, NewSigningKey)
    try:
        pem = base64.b64decode(body.signing_key, validate=True)
        key = PublicKey.from_pem(pem)
    except ValueError as error:
        raise Refusal(400, "signingKey is not base64 of a PEM text") from error
    except SigningError as error:
        raise Refusal(400, error.message) from error
    emulator.register_key(body.signing_key_id, key)
    return Answer(204)


def remove_key(emulator: Emulator, call: ReceivedCall) -> Answer:
    """``DELETE /auth/signing``, which has a body (section 3)."""
    emulator.remove_key(read_body(call.body, OldSigningKey).signing_key_id)
    return Answer(204)
