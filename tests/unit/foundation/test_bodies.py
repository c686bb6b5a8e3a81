"""What the bytes of a body say, in which charset, and where they stop being JSON (contract, amendment 5)."""

from typing import Any

import pytest
from genai_voice.foundation.bodies import parse_body, replace_half_pairs
from genai_voice.foundation.errors import BadRequest

SAID = '{"a":"é😀“x”"}'
READ = {"a": "é😀“x”"}
MARK = b"\xef\xbb\xbf"
CUT = '{"a":"x\ud83d"}'

BODIES: dict[str, tuple[bytes, str, dict[str, Any]]] = {
    "no bytes": (b"", "", {}),
    "a mark alone": (MARK, "", {}),
    "a mark first": (MARK + b'{"a":1}', "application/json", {"a": 1}),
    "nothing declared": (SAID.encode(), "", READ),
    "another parameter": (SAID.encode(), "text/plain; boundary=x", READ),
    "utf-8": (SAID.encode(), "application/json; charset=utf-8", READ),
    "utf-8 in quotes": (SAID.encode(), 'application/json;Charset="UTF-8"', READ),
    "utf-16 with a mark": (SAID.encode("utf-16"), "application/json; charset=utf-16", READ),
    "utf-16 without, small end first": (SAID.encode("utf-16le"), "application/json; charset=utf-16", READ),
    "utf-16 without, big end first": (SAID.encode("utf-16be"), "application/json; charset=UTF-16", READ),
    "utf-16 of one order": (SAID.encode("utf-16be"), "application/json; charset=utf-16be", READ),
    "iso-8859-1": ('{"a":"é"}'.encode("latin-1"), "application/json; charset=ISO-8859-1", {"a": "é"}),
    "iso-8859-1 that would be utf-8": (b'{"a":"\xc3\xa9"}', "a/b; charset=iso-8859-1", {"a": "\xc3\xa9"}),
    "windows-1252": ('{"a":"“é€”"}'.encode("cp1252"), "a/b; charset=windows-1252", {"a": "“é€”"}),
    "half a pair, escaped": (rb'{"a":"x\ud83d"}', "", {"a": "x\ufffd"}),
    "the other half": (rb'{"a":"\uDE00x"}', "", {"a": "\ufffdx"}),
    "halves in the wrong order": (rb'{"a":"\ude00\ud83d"}', "", {"a": "\ufffd\ufffd"}),
    "half before a pair": (rb'{"a":"\ud83d\ud83d\ude00"}', "", {"a": "\ufffd😀"}),
    "a pair beside half": (rb'{"a":"\uD83D\uDE00\n\u00e9\ud83d"}', "", {"a": "😀\né\ufffd"}),
    "what only looks like half": (rb'{"a":"\\ud83d\\\ud83d"}', "", {"a": "\\ud83d\\\ufffd"}),
    "half in a key": (rb'{"a\ud83d":1}', "", {"a\ufffd": 1}),
    "half in utf-8": (CUT.encode(errors="surrogatepass"), "", {"a": "x\ufffd"}),
    "half in utf-16": (CUT.encode("utf-16", "surrogatepass"), "a/b; charset=utf-16", {"a": "x\ufffd"}),
    "the last of two": (rb'{"a":"\ud83d","a":2}', "", {"a": 2}),
    "zero bytes in a text": (rb'{"a":"\u0000\ud83d"}', "", {"a": "\0\ufffd"}),
}


@pytest.mark.parametrize(("raw", "content_type", "body"), BODIES.values(), ids=BODIES)
def test_a_body_is_read(raw: bytes, content_type: str, body: dict[str, Any]) -> None:
    assert parse_body(raw, content_type) == body


UNKNOWN = "This charset is not read: use utf-8, utf-16, iso-8859-1 or windows-1252"

REFUSED: dict[str, tuple[bytes, str, str]] = {
    "an array": (b"[1]", "", "Invalid JSON body"),
    "null": (b"null", "", "Invalid JSON body"),
    "no utf-8": (b'{"a":"\xff"}', "", "Invalid JSON body"),
    "half of utf-16": (SAID.encode("utf-16")[:-1], "a/b; charset=utf-16", "Invalid JSON body"),
    "no windows-1252": (b'{"a":"\x81"}', "a/b; charset=windows-1252", "Invalid JSON body"),
    "a blank": (b" ", "", "Invalid JSON body: line 1 column 1"),
    "a comma too many": (b'{"a":\n 1,}', "", "Invalid JSON body: line 2 column 4"),
    "NaN": (b'{"a":NaN}', "", "Invalid JSON body: line 1 column 6"),
    "NaN beside half a pair": (rb'{"b":"\ud83d","a":NaN}', "", "Invalid JSON body: line 1 column 19"),
    "an escape that is none": (rb'{"a":"\ud8zz"}', "", "Invalid JSON body: line 1 column 11"),
    "201 deep": (rb'{"b":"\ud83d","a":' + b"[" * 201, "", "Invalid JSON body: line 1 column 219"),
    "Shift JIS": (b"{}", "application/json; charset=shift_jis", UNKNOWN),
    "utf-32": (b"{}", "application/json; charset=utf-32", UNKNOWN),
    "no name": (b"{}", "application/json; charset=", UNKNOWN),
}


@pytest.mark.parametrize(("raw", "content_type", "text"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_body_is_told(raw: bytes, content_type: str, text: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_body(raw, content_type)
    assert refused.value.reply() == {"error": text}


def test_whole_pairs_and_marks_stay_whole() -> None:
    assert replace_half_pairs("\ufeff😀\ud83d é\ude00\ud83d") == "\ufeff😀\ufffd é\ufffd\ufffd"
