"""XMP in AVIF: an item of its own in the box of metadata, and its bytes in a box at the end of the file.

The box of metadata grows, so the places of all that lies behind it are moved on.

Source: ISO/IEC 14496-12 (boxes, item location, item information, item references); ISO/IEC 23008-12.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

_XMP_TYPE = b"application/rdf+xml\0"
_IN_FILE = 0


def read(data: bytes) -> bytes | None:
    """The packet; None where there is none."""
    meta = _Meta.of(data)
    item = meta.xmp_item()
    if item is None:
        return None
    location = next((entry for entry in meta.locations().items if entry.item == item), None)
    if location is None or location.method != _IN_FILE:
        raise ValueError("its XMP lies where this program does not look")
    return b"".join(data[location.base + start : location.base + start + length] for start, length in location.extents)


def write(data: bytes, packet: bytes) -> bytes:
    """The file with this packet in place of the one that it has."""
    meta = _Meta.of(data)
    if any(data[start : start + 4] == b"\0\0\0\0" for _, start, _, _ in _boxes(data, 0, len(data))):
        raise ValueError("its last box has no size, so nothing can follow it")
    # The size of the box does not depend on the places in it, so it is known before they are.
    growth = len(meta.with_xmp(0, len(packet), 0)) - (meta.end - meta.start)
    place = len(data) + growth + 8
    box = meta.with_xmp(place, len(packet), growth)
    return data[: meta.start] + box + data[meta.end :] + _box(b"mdat", packet)


@dataclass(frozen=True)
class _Item:
    """Where an item lies: `method` 0 is the file; each extent is its place, counted from `base`, and its length."""

    item: int
    method: int
    reference: int
    base: int
    extents: tuple[tuple[int, int], ...]
    indices: tuple[int, ...] = ()

    def moved(self, behind: int, growth: int) -> "_Item":
        """The same where all that lies in the file from a place on is moved on."""
        if self.method != _IN_FILE:
            return self
        if self.base:
            return replace(self, base=self.base + growth) if self.base >= behind else self
        return replace(self, extents=tuple((s + growth if s >= behind else s, n) for s, n in self.extents))


@dataclass(frozen=True)
class _Locations:
    """The box of item locations: its version, the bytes that each of its numbers takes, and its items."""

    version: int
    sizes: tuple[int, int, int, int]
    items: tuple[_Item, ...]

    @classmethod
    def of(cls, body: bytes) -> "_Locations":
        cursor = _Cursor(body)
        version = cursor.number(1)
        cursor.number(3)
        packed = cursor.number(2)
        sizes = (packed >> 12, packed >> 8 & 15, packed >> 4 & 15, packed & 15 if version else 0)
        count = cursor.number(2 if version < 2 else 4)
        return cls(version, sizes, tuple(cls._item(cursor, version, sizes) for _ in range(count)))

    @staticmethod
    def _item(cursor: "_Cursor", version: int, sizes: tuple[int, int, int, int]) -> _Item:
        offset, length, base, index = sizes
        item = cursor.number(2 if version < 2 else 4)
        method = cursor.number(2) & 15 if version else _IN_FILE
        reference, start = cursor.number(2), cursor.number(base)
        extents, indices = [], []
        for _ in range(cursor.number(2)):
            indices.append(cursor.number(index))
            extents.append((cursor.number(offset), cursor.number(length)))
        return _Item(item, method, reference, start, tuple(extents), tuple(indices))

    def body(self) -> bytes:
        offset, length, base, index = self.sizes
        wide = 2 if self.version < 2 else 4
        packed = offset << 12 | length << 8 | base << 4 | index
        parts = [bytes([self.version, 0, 0, 0]), packed.to_bytes(2, "big"), len(self.items).to_bytes(wide, "big")]
        for item in self.items:
            parts += [item.item.to_bytes(wide, "big"), item.method.to_bytes(2, "big") if self.version else b""]
            parts += [item.reference.to_bytes(2, "big"), item.base.to_bytes(base, "big")]
            parts.append(len(item.extents).to_bytes(2, "big"))
            for (start, size), number in zip(item.extents, item.indices, strict=True):
                parts += [number.to_bytes(index, "big"), start.to_bytes(offset, "big"), size.to_bytes(length, "big")]
        return b"".join(parts)


@dataclass(frozen=True)
class _Meta:
    """The box of metadata: where it lies in the file, and the boxes in it."""

    start: int
    end: int
    boxes: tuple[tuple[bytes, bytes], ...]

    @classmethod
    def of(cls, data: bytes) -> "_Meta":
        for kind, start, body, end in _boxes(data, 0, len(data)):
            if kind == b"meta":
                inner = tuple((k, data[b:e]) for k, _, b, e in _boxes(data, body + 4, end))
                return cls(start, end, inner)
        raise ValueError("it has no box of metadata")

    def locations(self) -> _Locations:
        return _Locations.of(self._only(b"iloc"))

    def xmp_item(self) -> int | None:
        """The number of the item that is XMP."""
        return next((item for item, kind, rest in self._items() if kind == b"mime" and _XMP_TYPE in rest), None)

    def with_xmp(self, place: int, length: int, growth: int) -> bytes:
        """The box with an XMP item at that place of the file, where all behind the box is moved on by `growth`."""
        item, changed = self.xmp_item(), {}
        if item is None:
            item = max((number for number, _, _ in self._items()), default=0) + 1
            changed = {b"iinf": self._with_information(item), b"iref": self._with_reference(item)}
        changed[b"iloc"] = self._with_location(item, place, length, growth)
        kept = [(kind, changed.pop(kind, body)) for kind, body in self.boxes]
        return _box(b"meta", b"\0\0\0\0" + b"".join(_box(kind, body) for kind, body in [*kept, *changed.items()]))

    def _with_location(self, item: int, place: int, length: int, growth: int) -> bytes:
        locations = self.locations()
        offset, size = locations.sizes[:2]
        if offset < 4 or size < 4:
            raise ValueError("its box of places has no room for another one")
        kept = tuple(entry.moved(self.end, growth) for entry in locations.items if entry.item != item)
        own = _Item(item, _IN_FILE, 0, 0, ((place, length),), (0,))
        return replace(locations, items=(*kept, own)).body()

    def _with_information(self, item: int) -> bytes:
        body = self._only(b"iinf")
        wide = 2 if body[0] == 0 else 4
        count = int.from_bytes(body[4 : 4 + wide], "big") + 1
        name, number = b"\0", item.to_bytes(2 if item < 1 << 16 else 4, "big")
        version = 2 if len(number) == 2 else 3
        entry = _box(b"infe", bytes([version, 0, 0, 1]) + number + b"\0\0" + b"mime" + name + _XMP_TYPE + b"\0")
        return body[:4] + count.to_bytes(wide, "big") + body[4 + wide :] + entry

    def _with_reference(self, item: int) -> bytes:
        """The box of references with one that says that the item describes the picture."""
        body = dict(self.boxes).get(b"iref", b"\0\0\0\0")
        pitm = self._only(b"pitm")
        primary, wide = int.from_bytes(pitm[4:], "big"), 2 if body[0] == 0 else 4
        reference = item.to_bytes(wide, "big") + b"\0\1" + primary.to_bytes(wide, "big")
        return body + _box(b"cdsc", reference)

    def _items(self) -> Iterator[tuple[int, bytes, bytes]]:
        """Number, type and the rest of every item."""
        body = self._only(b"iinf")
        for kind, _, start, end in _boxes(body, 6 if body[0] == 0 else 8, len(body)):
            if kind == b"infe" and body[start] >= 2:
                wide = 2 if body[start] == 2 else 4
                number = int.from_bytes(body[start + 4 : start + 4 + wide], "big")
                rest = start + 4 + wide + 2
                yield number, body[rest : rest + 4], body[rest + 4 : end]

    def _only(self, wanted: bytes) -> bytes:
        found = [body for kind, body in self.boxes if kind == wanted]
        if len(found) != 1:
            raise ValueError(f"it has {len(found)} boxes {wanted.decode()}, where one is needed")
        return found[0]


class _Cursor:
    """Reads numbers one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data, self.place = data, 0

    def number(self, size: int) -> int:
        if self.place + size > len(self.data):
            raise ValueError("it ends in the middle of a box")
        self.place += size
        return int.from_bytes(self.data[self.place - size : self.place], "big")


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int, int]]:
    """Kind, beginning, beginning of the content and end of every box."""
    while start + 8 <= end:
        size, header = int.from_bytes(data[start : start + 4], "big"), 8
        if size == 1:
            size, header = int.from_bytes(data[start + 8 : start + 16], "big"), 16
        size = size or end - start
        if size < header or start + size > end:
            raise ValueError("it ends in the middle of a box")
        yield data[start + 4 : start + 8], start, start + header, start + size
        start += size


def _box(kind: bytes, body: bytes) -> bytes:
    return (len(body) + 8).to_bytes(4, "big") + kind + body
