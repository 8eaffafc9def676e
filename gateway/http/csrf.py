"""Cross-site requests that a browser makes without asking first."""

from starlette.requests import Request

from gateway.config import ServerSettings
from gateway.errors import NotAllowed


def refuse_other_sites(request: Request, settings: ServerSettings) -> None:
    """Refuse a GET that a page of another site may have made without asking (CSRF).

    A POST needs none of this: browsers ask before they send application/json elsewhere.
    """
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    elsewhere = site in {"cross-site", "same-site"} or (site is None and origin is not None)
    if elsewhere and not (origin and settings.allows_origin(origin)):
        raise NotAllowed("Pages of other sites may not ask by GET.")
