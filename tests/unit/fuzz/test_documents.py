"""Tests of any text for the one reader of JSON: what is written is read back, and what has two meanings is refused."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import brotli
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from oracle.core import http
from oracle.core.documents import AmbiguousJson, NotJson, NotText, NumberType, canonical_json, decode_text, parse_json
from tests.fakehttp import Reply

# No halves of characters: they are no text.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
whole = st.integers(-(10**60), 10**60)
decimals = st.decimals(allow_nan=False, allow_infinity=False, places=None).filter(lambda value: value != value // 1)
floats = st.floats(allow_nan=False, allow_infinity=False)


def nested(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4))


small = st.none() | whole | texts | st.just([{"a": 1}])
documents = nested(st.none() | st.booleans() | whole | floats | texts)


@given(found=documents, ascii_only=st.booleans(), indent=st.sampled_from([None, 2]))
@settings(max_examples=60)
def test_what_is_written_is_read_back(found: Any, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(found, ensure_ascii=ascii_only, indent=indent)
    for read in (parse_json(text), parse_json(text.encode())):
        assert read == found
        assert repr(read) == repr(json.loads(text))  # the types, too, and each float to its last digit


@given(found=nested(whole | floats | texts | st.booleans()))
@settings(max_examples=50)
def test_no_digit_is_lost(found: Any) -> None:
    text = json.dumps(found)
    exact = json.loads(text, parse_float=Decimal)
    assert repr(parse_json(text, numbers=NumberType.EXACT)) == repr(exact)
    assert parse_json(text, numbers=NumberType.TEXT) == json.loads(text, parse_float=str, parse_int=str)


@given(number=st.from_regex(r"\A-?(0|[1-9][0-9]{0,60})\.[0-9]{1,60}([eE][+-]?[0-9]{1,6})?\Z"))
def test_a_number_is_what_is_written(number: str) -> None:
    assert str(parse_json(number, numbers=NumberType.EXACT)) == str(Decimal(number))
    assert parse_json(f"[{number}]", numbers=NumberType.TEXT) == [number]


@st.composite
def with_a_key_twice(draw: st.DrawFn) -> str:
    """Return JSON that has a key twice in one object, at any depth."""
    key, first, second = draw(texts), draw(small), draw(small)
    members = [(draw(texts.filter(lambda name: name != key)), draw(small)) for _ in range(draw(st.integers(0, 2)))]
    pairs = draw(st.permutations([*dict(members).items(), (key, first), (key, second)]))
    # The same key may be written in two ways.
    names = [json.dumps(name, ensure_ascii=draw(st.booleans())) for name, _ in pairs]
    text = "{" + ", ".join(f"{name}: {json.dumps(value)}" for name, (_, value) in zip(names, pairs, strict=True)) + "}"
    for _ in range(draw(st.integers(0, 6))):
        text = draw(
            st.sampled_from([f"[{text}]", f'{{"in": {text}}}', f'[1, {text}, "x"]', f'{{"a": 1, "b": {text}}}'])
        )
    return text


@given(text=with_a_key_twice(), numbers=st.sampled_from(NumberType))
@example(text='{"a": 1, "\\u0061": 1}', numbers=NumberType.EXACT)
@settings(max_examples=80)
def test_a_key_twice_is_refused_at_any_depth(text: str, numbers: NumberType) -> None:
    with pytest.raises(AmbiguousJson, match="twice in one object, at line 1, column") as told:
        parse_json(text, numbers=numbers)
    assert "\n" not in str(told.value)


@given(
    value=st.sampled_from(["NaN", "Infinity", "-Infinity", "1e999", "-1e400", "9" * 400 + ".5"]),
    depth=st.integers(0, 5),
    spaces=st.sampled_from(["", " ", "\n\t "]),
)
def test_what_is_no_number_is_refused(value: str, depth: int, spaces: str) -> None:
    with pytest.raises(AmbiguousJson, match=r"not a number in JSON|out of any range"):
        parse_json("[" * depth + spaces + value + "]" * depth)


@given(body=st.binary(max_size=80), charset=st.sampled_from(["", "utf-8", "utf-16", "latin-1", "shift_jis", "x"]))
@example(body=b"\xff\xfe\0", charset="")
@example(body=b"\xff\xfe\0\0", charset="utf-8")
@settings(max_examples=200)
def test_any_bytes_are_json_or_an_error_of_one_line(body: bytes, charset: str) -> None:
    try:
        found = parse_json(body, charset=charset)
    except NotJson as error:
        said = str(error)
    else:
        assert found == json.loads(decode_text(body, charset))
        return
    assert said.startswith("it ")
    assert said.isprintable()


@given(text=st.text(max_size=60))
@settings(max_examples=200)
def test_nothing_is_read_that_other_parsers_refuse(text: str) -> None:
    try:
        found = parse_json(text)
    except NotJson:
        return
    assert json.loads(text.removeprefix("\ufeff")) == found


UNICODE = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
SINGLE = ["iso-8859-1", "iso-8859-15", "windows-1252", "koi8-r", "shift_jis", "gb18030", "euc-kr", "big5", "us-ascii"]


@given(found=documents, encoding=st.sampled_from(UNICODE))
@settings(max_examples=50)
def test_unicode_is_detected(found: Any, encoding: str) -> None:
    # A document that begins with two characters of ASCII, as JSON does unless it is a bare text.
    body = json.dumps([found], ensure_ascii=False).encode(encoding)
    assert parse_json(body) == [found]
    assert decode_text(body) == json.dumps([found], ensure_ascii=False)


@given(
    text=texts, encoding=st.sampled_from(SINGLE + UNICODE), shape=st.sampled_from(["{}", '"{}"', " {} ", "{}".upper()])
)
@settings(max_examples=200)
def test_a_stated_charset_decodes_what_it_encoded(text: str, encoding: str, shape: str) -> None:
    text = shape.replace("{}", text.replace("\0", "").replace("\ufeff", ""))
    try:
        body = text.encode(encoding)
    except UnicodeEncodeError:
        return
    stated = encoding.removesuffix("-sig").upper()
    if encoding in SINGLE and decodes_by_a_mark(body):
        return  # what looks like a byte-order mark is one
    assert decode_text(body, stated) == text
    assert decode_text(body, f'"{stated}"') == text


def decodes_by_a_mark(body: bytes) -> bool:
    return body.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"))


@given(name=st.text(max_size=30) | st.sampled_from(["idna", "punycode", "utf-7", "unicode_escape", "rot13", "base64"]))
def test_any_name_of_a_charset_decodes_or_is_refused(name: str) -> None:
    try:
        found = decode_text(b"a1", name)
    except NotText as error:
        found = str(error)
        assert found.startswith("it is said to be in the charset ") or "is not text in UTF-" in found
    else:
        assert found in ("a1", "\u6131")
    assert found.isprintable()


@given(header=st.text(st.characters(exclude_characters="\r\n"), max_size=60))
def test_any_content_type_has_a_charset_or_none(header: str) -> None:
    assert isinstance(http.charset_of(header), str)
    assert http.charset_of(f"text/json; Charset={header}") is not None


@given(found=nested(whole | texts | st.booleans()))
@settings(max_examples=25)
def test_the_canonical_form_is_read_back(found: Any) -> None:
    assert parse_json(canonical_json(found)) == found
    assert canonical_json(parse_json(canonical_json(found))) == canonical_json(found)


# --- compressed bodies ---


def gzipped(data: bytes, wbits: int = 31) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, wbits)
    return packer.compress(data) + packer.flush()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzipped,
    "deflate": zlib.compress,
    "Deflate": lambda data: gzipped(data, -15),
    "br": lambda data: bytes(brotli.compress(data, quality=3)),
}


class Pieces(Reply):
    """An answer that comes in pieces."""

    size = 1

    async def iter_any(self) -> Any:
        for at in range(0, len(self.body), self.size):
            yield self.body[at : at + self.size]


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@given(
    data=st.binary(max_size=300) | st.sampled_from([b"a" * 70_000, b"{}" * 500]),
    encoding=st.sampled_from(sorted(PACKERS)),
    size=st.sampled_from([1, 7, 1 << 16]),
    spare=st.integers(0, 3),
)
@settings(max_examples=80)
def test_what_was_packed_is_unpacked_up_to_the_limit(
    loop: asyncio.Runner, data: bytes, encoding: str, size: int, spare: int
) -> None:
    packed = PACKERS[encoding](data)
    reply: Any = Pieces(body=packed, headers={"Content-Encoding": encoding})
    object.__setattr__(reply, "size", size)
    limit = max(len(data), len(packed))
    assert loop.run(http.read_body(reply, limit + spare)) == data
    if limit:
        with pytest.raises(http.BodyTooLarge):
            loop.run(http.read_body(reply, limit - 1))


@given(body=st.binary(min_size=1, max_size=100), encoding=st.sampled_from(["gzip", "deflate", "br", "x", "gzip, br"]))
@settings(max_examples=150)
def test_bytes_that_are_not_packed_are_refused(loop: asyncio.Runner, body: bytes, encoding: str) -> None:
    reply: Any = Reply(body=body, headers={"Content-Encoding": encoding})
    try:
        loop.run(http.read_body(reply, 1_000))
    except http.BodyUnreadable as error:
        said = http.reason(error)
    except http.BodyTooLarge:
        said = "the answer is too large"
    else:
        return
    assert said.startswith("the answer is ")
    assert said.isprintable()
