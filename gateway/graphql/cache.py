"""Prepared documents that are kept for the next request with the same text, bounded by memory.

A short text can come to much: its fields are compiled once for each operation and for each set of
conditions. So entries are counted by what they hold, not by their number or their length; they
grow while they are used, and the ones used least lately are dropped.
"""

from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")

# Bytes, as measured, rounded up.
TOKEN = 450  # of the text, with its node and its place
FIELD = 2_600  # of a plan
OPERATION = 12_000
ENTRY = 4_000
ERROR = 1_000
PLACE = 150  # of an error in the text

LARGEST = 6 * 2**20  # of one entry: what its plans come to beyond that is not kept


class Weight:
    """How many bytes an entry takes, roughly; it tells its cache when that grows."""

    __slots__ = ("_cache", "size")

    def __init__(self, size: int = 0) -> None:
        self.size = size
        self._cache: Cache[object] | None = None

    @property
    def is_full(self) -> bool:
        """Whether nothing more should be kept with this entry."""
        return self.size > LARGEST

    def add(self, size: int) -> None:
        """Count what was made for the entry while it was used."""
        self.size += size
        if self._cache is not None:
            self._cache.grown(size)

    def belongs_to(self, cache: "Cache[object] | None") -> None:
        """Set whose limit this counts against."""
        self._cache = cache


class Cache(Generic[T]):
    """What was used lately, as long as all together take at most so many bytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.size = 0
        """Bytes that all entries take together, as they were measured."""
        self._entries: OrderedDict[str, tuple[T, Weight]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, source: str) -> T | None:
        """What is kept for this text."""
        found = self._entries.get(source)
        if found is None:
            return None
        self._entries.move_to_end(source)
        return found[0]

    def put(self, source: str, value: T, weight: Weight) -> None:
        """Keep it; the text is not there yet."""
        self._entries[source] = value, weight
        weight.belongs_to(self)  # type: ignore[arg-type]
        self.grown(weight.size)

    def grown(self, size: int) -> None:
        """Drop what was used least lately, where there is too much."""
        self.size += size
        while self.size > self._most and self._entries:
            _, (_, weight) = self._entries.popitem(last=False)
            weight.belongs_to(None)
            self.size -= weight.size
