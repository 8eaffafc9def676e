"""The fields that call the provider: one file each, found here without any list of them."""

from importlib import import_module
from pkgutil import iter_modules

from gateway.cards.operation import CardOperation


def _declared(module: str) -> CardOperation:
    """The one operation that a file declares, under the name of the file."""
    value = getattr(import_module(f"{__name__}.{module}"), module, None)
    if not isinstance(value, CardOperation):
        raise TypeError(f"gateway/cards/operations/{module}.py declares no operation {module}")
    return value


OPERATIONS = tuple(_declared(found.name) for found in iter_modules(__path__))

__all__ = ["OPERATIONS"]
