"""How much of an answer is read, whoever gives it: bounds for the HTTP client."""

from gateway.answers.body import (
    ACCEPTED,
    BODY_LIMIT,
    BodyTooLarge,
    CodingBroken,
    CodingNotAccepted,
    UnusableBody,
    whole_body,
)
from gateway.answers.client import EndlessAnswer, body_of, bounded_session

__all__ = [
    "ACCEPTED",
    "BODY_LIMIT",
    "BodyTooLarge",
    "CodingBroken",
    "CodingNotAccepted",
    "EndlessAnswer",
    "UnusableBody",
    "body_of",
    "bounded_session",
    "whole_body",
]
