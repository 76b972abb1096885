"""Many strings as two arrays: nothing is decoded until it is asked for."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

# The first two bits of a byte of UTF-8 that goes on with a character.
_CONTINUATION_MASK, _CONTINUATION = 0xC0, 0x80


@dataclass(frozen=True, slots=True)
class PackedStrings:
    """Strings as one UTF-8 blob; string n lies at `offsets[n]` to `offsets[n + 1]`."""

    blob: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.uint64]

    @classmethod
    def of(cls, strings: Iterable[str]) -> "PackedStrings":
        """Pack strings in their order."""
        parts = [string.encode() for string in strings]
        offsets = np.zeros(len(parts) + 1, dtype="<u8")
        np.cumsum([len(part) for part in parts], out=offsets[1:], dtype="<u8")
        return cls(np.frombuffer(b"".join(parts), np.uint8), offsets)

    def check(self) -> None:
        """Raise ValueError unless every string lies within the blob and is valid UTF-8."""
        offsets = self.offsets
        if self.blob.dtype != np.uint8 or offsets.dtype != np.uint64 or offsets.ndim != 1:
            raise ValueError("packed strings are of a wrong type")
        if len(offsets) == 0 or int(offsets[0]) != 0 or int(offsets[-1]) != len(self.blob):
            raise ValueError("packed strings do not fill their blob")
        if np.any(offsets[1:] < offsets[:-1]):
            raise ValueError("packed strings overlap")
        self.blob.tobytes().decode()  # UnicodeDecodeError is a ValueError
        inner = self.blob[offsets[offsets < len(self.blob)]]
        if np.any((inner & _CONTINUATION_MASK) == _CONTINUATION):
            raise ValueError("a packed string begins within a character")

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, number: int) -> str:
        start, end = self.offsets[number : number + 2].tolist()
        return self.blob[start:end].tobytes().decode()

    def several(self, numbers: npt.NDArray[np.integer]) -> list[str]:
        """Some strings, in the order of their numbers."""
        blob = self.blob.data
        starts, ends = self.offsets[numbers].tolist(), self.offsets[numbers + 1].tolist()
        return [str(blob[a:b], "utf-8") for a, b in zip(starts, ends, strict=True)]

    def __iter__(self) -> Iterator[str]:
        data = self.blob.tobytes()
        bounds = self.offsets.tolist()
        return (data[a:b].decode() for a, b in pairwise(bounds))

    def position(self, text: str, low: int, high: int, side: Literal["left", "right"]) -> int:
        """Where `text` belongs among the strings `low` to `high`, which must be sorted."""
        search = bisect_left if side == "left" else bisect_right
        return low + search(range(low, high), text, key=self.__getitem__)
