"""Text that is stored compressed, with a dictionary of what conversations are made of."""

import zlib
from collections.abc import Sequence
from pathlib import Path

_DICTIONARIES = {b"\1": (Path(__file__).parent / "dictionaries" / "1.txt").read_bytes()}
"""What zlib is told to expect, by the first byte of what was packed with it. One that was ever used stays."""
_LATEST = b"\1"


def pack(text: bytes) -> bytes:
    """Compress text."""
    packing = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS, zdict=_DICTIONARIES[_LATEST])
    return _LATEST + packing.compress(text) + packing.flush()


def unpack(packed: bytes) -> bytes:
    """Unpack what `pack` has made, now or before."""
    unpacking = zlib.decompressobj(-zlib.MAX_WBITS, zdict=_DICTIONARIES[packed[:1]])
    return unpacking.decompress(packed[1:]) + unpacking.flush()


def unpack_before(pieces: Sequence[bytes]) -> str:
    """Unpack a transcript as it was stored before there were segments: whole, in one piece or several."""
    return zlib.decompress(b"".join(pieces)).decode()
