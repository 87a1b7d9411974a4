"""Tests of hashes, hexadecimal text and addresses, against published vectors."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.core.formats import checksum_address, from_hex, is_address, keccak, to_hex

# These are from EIP-55; each is written with its own checksum.
MIXED = [
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
]
ONE_CASE = [
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
    "0xde709f2102306220921060314715629080e2fb77",
    "0x27b1fdb04752bbc536007a920d24acb045561c26",
]


@pytest.mark.parametrize(
    ("data", "digest"),
    [
        (b"", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        (b"Transfer(address,address,uint256)", "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"),
    ],
)
def test_keccak_is_the_evms_and_not_sha3(data: bytes, digest: str) -> None:
    assert keccak(data).hex() == digest


def test_hexadecimal_text() -> None:
    assert to_hex(b"") == "0x"
    assert to_hex(b"\x00\xab") == "0x00ab"
    assert from_hex("0x00ab") == from_hex("00AB") == b"\x00\xab"
    assert from_hex("0x") == b""


@given(st.binary(max_size=64))
def test_hexadecimal_text_and_back(data: bytes) -> None:
    assert from_hex(to_hex(data)) == data


@pytest.mark.parametrize("text", ["0xabc", "0xzz", "0x0x00", "0X00", "abc", "٣٣"])
def test_what_is_not_hexadecimal_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        from_hex(text)
    assert text not in str(caught.value)


@pytest.mark.parametrize("address", MIXED + ONE_CASE)
def test_checksums_are_those_of_eip_55(address: str) -> None:
    for written in (address, address.lower(), f"0x{address[2:].upper()}"):
        assert is_address(written)
        assert checksum_address(written) == address


@pytest.mark.parametrize("address", MIXED)
def test_one_letter_in_the_wrong_case_fails_the_checksum(address: str) -> None:
    for at, character in enumerate(address[2:], 2):
        if character.isalpha():
            wrong = address[:at] + character.swapcase() + address[at + 1 :]
            assert is_address(wrong), "whether the checksum fits is another question"
            with pytest.raises(ValueError, match=f"'{wrong}' fails its checksum"):
                checksum_address(wrong)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "has 0 digits and no 0x in front"),
        ("0x", "has 0 digits;"),
        (MIXED[0][:-1], "has 39 digits;"),
        (MIXED[0] + "0", "has 41 digits;"),
        (MIXED[0][2:], "has 40 digits and no 0x in front"),
        (f"0X{MIXED[0][2:]}", "has characters that are not digits and no 0x in front"),
        (f"{MIXED[0][:-1]}g", "has characters that are not digits;"),
        (f"{MIXED[0]}\n", "has characters that are not digits;"),
        ("vitalik.eth", "has characters that are not digits and no 0x in front"),
    ],
)
def test_what_is_no_address_is_told_with_what_one_is(text: str, problem: str) -> None:
    assert not is_address(text)
    with pytest.raises(ValueError) as caught:
        checksum_address(text)
    assert problem in str(caught.value)
    assert "an address is 0x and 40 hexadecimal digits" in str(caught.value)


def test_importing_it_loads_no_library() -> None:
    code = "import sys, oracle.core.formats; print([name for name in ('eth_utils', 'pydantic') if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
