"""The emulator: a strict double of the provider, a second opinion on everything that we send.

It is written from the provider page (``docs/provider.md``) and the OpenAPI file alone and shares
nothing with the client's code but the signing package. It refuses what the provider would refuse,
and where nobody knows what the provider does (section 11), an option chooses.
"""

from gateway.emulator.app import create_emulator
from gateway.emulator.fault_texts import read_faults
from gateway.emulator.faults import Faults
from gateway.emulator.options import GUIDE_ACCOUNT, EmulatorOptions

__all__ = ["GUIDE_ACCOUNT", "EmulatorOptions", "Faults", "create_emulator", "read_faults"]
