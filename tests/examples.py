"""How many examples a property is tried with."""

from hypothesis import settings


def examples(share: float) -> int:
    """So many times the number of the profile that is in force: "short", or "long"."""
    profile = settings.get_profile(settings.get_current_profile_name())
    return int(share * profile.max_examples)
