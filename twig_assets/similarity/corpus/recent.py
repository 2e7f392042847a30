"""What was used last, kept while there is room."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """Values by key; of those that do not fit any more, the ones go that were asked for longest ago."""

    def __init__(self, room: int, size: Callable[[Value], int]) -> None:
        """Keep nothing yet.

        Args:
            room: Bytes for all values; one value is kept however large it is.
            size: Bytes of a value.
        """
        self._room, self._size = room, size
        self._kept: OrderedDict[Key, Value] = OrderedDict()
        self._bytes = 0

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """The value of a key, made if it is not kept."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        value = make()
        self._kept[key] = value
        self._bytes += self._size(value)
        while self._bytes > self._room and len(self._kept) > 1:
            self._bytes -= self._size(self._kept.popitem(last=False)[1])
        return value
