"""Authorisations: read, and what the simulator does with them (sections 7 and 9)."""

from gateway.emulator.amounts import normalise_amount
from gateway.emulator.answers import Answer, Refusal, json_answer
from gateway.emulator.bodies import NewAuthorisationBody, read_body
from gateway.emulator.calls import ReceivedCall
from gateway.emulator.histories import CREATE_DIGITS, READ_DIGITS, Change
from gateway.emulator.payments import EmulatedAuthorisation, Payment
from gateway.emulator.state import Emulator

CAPTURED_AFTER_TERMINATION = 30 * 86_400
"""Seconds for which captures are honoured after the card was terminated (section 6.4)."""


def read_authorisation(emulator: Emulator, call: ReceivedCall) -> Answer:
    """``GET /authorisations/{authorisationId}``."""
    authorisation = emulator.find_authorisation(call.path_id("authorisationId"))
    return json_answer(200, authorisation.to_json(emulator.now(), digits=READ_DIGITS))


def simulate_authorisation(emulator: Emulator, call: ReceivedCall) -> Answer:
    """``POST /simulator/cards/{cardId}/authorisation`` (section 7).

    It is ``pending``; with ``capture`` it is captured by itself later. A card that is not active
    gets 400 [inferred: the specification lists no 409].
    """
    card_id = call.path_id("cardId")
    body = read_body(call.body, NewAuthorisationBody)
    amount, now = normalise_amount(body.amount, body.currency), emulator.now()
    card = emulator.find_card(card_id)
    if card.status(now) != "active":
        raise Refusal(400, f"the card is {card.status(now)}, and only active cards are authorised")
    payment = Payment(card.account_id, card.id, amount, body.currency)
    authorisation = emulator.add_authorisation(payment)
    if body.capture:
        _capture(emulator, authorisation, begins=now + emulator.options.capture_delay / 2)
    # As it was before: the capture comes later, however short the delay.
    return json_answer(201, authorisation.to_json(now, digits=CREATE_DIGITS))


def simulate_capture(emulator: Emulator, call: ReceivedCall) -> Answer:
    """``PATCH /simulator/authorisations/{authorisationId}/capture`` (section 7)."""
    authorisation = emulator.find_authorisation(call.path_id("authorisationId"))
    _check_termination(emulator, authorisation)
    _capture(emulator, authorisation, begins=emulator.now())
    return Answer(202)


def simulate_release(emulator: Emulator, call: ReceivedCall) -> Answer:
    """``PATCH /simulator/authorisations/{authorisationId}/release`` (section 7)."""
    authorisation = emulator.find_authorisation(call.path_id("authorisationId"))
    now = emulator.now()
    released = Change("released", now + emulator.options.capture_delay)
    emulator.authorisations[authorisation.id] = authorisation.settle(
        Change("releasing", now), released, now
    )
    return Answer(202)


def _capture(emulator: Emulator, authorisation: EmulatedAuthorisation, *, begins: float) -> None:
    now, delay = emulator.now(), emulator.options.capture_delay
    captured = Change("captured", now + delay)
    emulator.authorisations[authorisation.id] = authorisation.settle(
        Change("capturing", begins), captured, now
    )
    emulator.add_transaction(authorisation, created=captured.at, processed=captured.at + delay)


def _check_termination(emulator: Emulator, authorisation: EmulatedAuthorisation) -> None:
    card, now = emulator.find_card(authorisation.payment.card_id), emulator.now()
    since = now - card.updated(now)
    if card.status(now) == "terminated" and since > CAPTURED_AFTER_TERMINATION:
        raise Refusal(400, "the card was terminated more than 30 days ago")
