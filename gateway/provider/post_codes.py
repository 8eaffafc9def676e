"""The countries whose addresses have no post code."""

# Those whose format of addresses has no place for one in the data of Google's libaddressinput
# (chromium-i18n.appspot.com/ssl-address, as of September 2024), and KP, which has none by the list
# of the Universal Postal Union. Where codes have come since (GH, JM, PA), many do not use them.
_WITHOUT = """
AE AG AO AQ AW BF BI BJ BO BQ BS BV BW BZ CD CF CG CI CK CM CW DJ DM ER FJ GA GD GH GM GQ GY HK JM
KI KM KN KP LC LY ML MO MR MS MW NR NU PA PS QA RW SB SC SL SR SS ST SX SY TD TF TG TK TL TO TT TV
UG VU WS YE ZW
"""
WITHOUT_POST_CODE = frozenset(_WITHOUT.split())
"""The codes of countries where the post code of an address may be empty."""
