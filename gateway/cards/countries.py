"""The countries of addresses, and those among them that have no post codes."""

import iso3166

from gateway.provider import WITHOUT_POST_CODE

__all__ = ["COUNTRIES", "WITHOUT_POST_CODE"]

# The package also lists Kosovo's XK, which ISO 3166-1 leaves to its users and does not assign.
COUNTRIES = frozenset(iso3166.countries_by_alpha2) - {"XK"}
"""The codes that ISO 3166-1 alpha-2 assigns."""
