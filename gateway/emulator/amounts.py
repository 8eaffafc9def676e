"""Amounts of money as the provider takes them: decimals as text, in currencies of ISO 4217."""

import re

from gateway.emulator.answers import Refusal

_AMOUNT = re.compile(r"(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?")
_WITHOUT_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_TWO_DECIMALS = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY
COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF
IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR
MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG
SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES
WST XCD XCG YER ZAR ZMW ZWG
"""
_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"
DECIMALS = {
    code: decimals
    for decimals, codes in ((0, _WITHOUT_DECIMALS), (2, _TWO_DECIMALS), (3, _THREE_DECIMALS))
    for code in codes.split()
}
"""The currencies of ISO 4217 that countries use, with the number of digits of their minor units:
no funds, no metals, and none that was withdrawn."""


def normalise_amount(amount: str, currency: str) -> str:
    """The amount without zeros at its end, ``"20.0"`` as ``"20"`` (section 1).

    Refuses with 400 what is no such decimal above 0, a currency that is none, and more decimal
    places than the currency has [inferred: the specification says "decimal" alone].
    """
    if currency not in DECIMALS:
        raise Refusal(400, "currency is not a currency of ISO 4217")
    if not _AMOUNT.fullmatch(amount):
        raise Refusal(400, "amount is not a decimal number such as 10.5")
    whole, _, fraction = amount.partition(".")
    fraction = fraction.rstrip("0")
    if len(fraction) > DECIMALS[currency]:
        raise Refusal(400, "amount has more decimal places than its currency")
    if whole == "0" and not fraction:
        raise Refusal(400, "amount must be above 0")
    return f"{whole}.{fraction}" if fraction else whole
