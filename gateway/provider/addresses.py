"""Whether two addresses can be one, although the provider may write them in its own way."""

import unicodedata

from gateway.provider.models import Address


def contradicts(shown: Address, sent: Address) -> bool:
    """Whether neither the first line nor the post code of an answer is that of the request.

    One of them is enough: a provider may complete, shorten or correct an address. What is absent on
    one side, or has no letter and no digit, is not compared.
    """
    pairs = (
        (_folded(shown.first_line), _folded(sent.first_line)),
        (_folded(shown.post_code), _folded(sent.post_code)),
    )
    compared = [one == other for one, other in pairs if one and other]
    return bool(compared) and not any(compared)


def _folded(text: str | None) -> str:
    """The letters, digits and marks of all scripts, without case, blanks and punctuation."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text or "").casefold())
    return "".join(each for each in folded if unicodedata.category(each)[0] in "LNM")
