"""Texts in which every character is one byte, and the patterns that find the same in them.

RE2 spells a character outside ASCII in bytes, so that `.` takes 12 steps of its program and `[^a]` 13. A
pattern that names no such character cannot tell one from another: it is matched with a text in which they are
all the same byte, with half the steps or fewer. Places in such a text are places in the text itself.
"""

import re

_SIGNS = "\u2018\u2019\u201c\u201d\u2013\u2014\u20ac\u00a3\u00a7\u00b0\u00bf"
"""Quotation marks, dashes, euro, pound, section, degree, inverted question mark: signs that patterns name and
that have no case. Each has a byte of its own.
"""
_FIRST_SIGN = 0xF5  # from here on no byte is of UTF-8
_BYTES = {sign: bytes([byte]) for byte, sign in enumerate(_SIGNS, _FIRST_SIGN)}

_CONTINUING = bytes(range(0x80, 0xC0))  # all bytes of a character but its first
_TABLE = bytes(0x80 if 0xC0 <= byte < _FIRST_SIGN else byte for byte in range(256))

_NARROW = re.compile(
    r"(?:[\x00-\x5b\x5d-\x7f]"
    r"|\\(?:[^0-7pPxC\x80-\U0010ffff]|x[0-7][0-9A-Fa-f]|x\{0*[0-7]?[0-9A-Fa-f]\})"  # of ASCII alone
    rf"|(?<!-)[{_SIGNS}](?!-))*",  # no end of a range
    re.DOTALL,
)


def to_narrow_text(text: str) -> bytes:
    """Write a text in the form NFKC with one byte for each character: ASCII as it is, some signs each as its
    own byte, any other character as 0x80.
    """
    written = text.encode()
    if len(written) == len(text):
        return written
    for sign, byte in _BYTES.items():
        written = written.replace(sign.encode(), byte)
    return written.translate(_TABLE, _CONTINUING)


def to_narrow_pattern(pattern: str) -> bytes | None:
    """Write a pattern for narrow texts (to be read as Latin-1); None where it tells characters outside ASCII
    apart.
    """
    if not _NARROW.fullmatch(pattern):
        return None
    return b"".join(_BYTES.get(each) or each.encode() for each in pattern)
