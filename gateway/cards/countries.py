"""The countries of addresses."""

import iso3166

# The package also lists Kosovo's XK, which ISO 3166-1 leaves to its users and does not assign.
COUNTRIES = frozenset(iso3166.countries_by_alpha2) - {"XK"}
"""The codes that ISO 3166-1 alpha-2 assigns."""
