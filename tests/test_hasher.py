"""Test that a Hasher has the interface of hashlib's objects."""

from __future__ import annotations

import copy
import hashlib
import io
import pickle

import numpy as np
import pytest

import numcrc

NAMES = ["CRC-32/ISCSI", "CRC-3/GSM", "CRC-12/UMTS", "CRC-24/OPENPGP", "CRC-64/NVME", "CRC-82/DARC"]


@pytest.fixture(params=NAMES)
def crc(request: pytest.FixtureRequest) -> numcrc.Algorithm:
    """Return an algorithm of each digest size."""
    return numcrc.algorithms[request.param]


def test_attributes_of_hashlib_objects(crc):
    ours = crc.new()
    for name in dir(hashlib.sha256()):
        if not name.startswith("_"):
            assert type(getattr(ours, name)) is type(getattr(hashlib.sha256(), name)) or callable(
                getattr(ours, name)
            ), name
    assert ours.name == crc.name
    assert ours.digest_size == -(-crc.width // 8)
    assert ours.block_size > 0
    assert isinstance(ours, numcrc.Hasher)


def test_update_and_digest(crc):
    hasher = crc.new()
    assert hasher.value == crc(b"")
    assert hasher.update(b"1234") is None
    hasher.update(memoryview(b"56789"))
    assert hasher.value == crc.check
    assert hasher.digest() == crc.check.to_bytes(hasher.digest_size, "big")
    assert hasher.hexdigest() == f"{crc.check:0{2 * hasher.digest_size}x}"
    assert hasher.value == crc.check  # digest changes nothing
    assert crc.new(b"123456789").value == crc.check


def test_digest_has_leading_zeros(crc):
    hasher = numcrc.Hasher(crc, b"", 5)
    assert hasher.digest() == bytes(hasher.digest_size - 1) + b"\5"
    assert hasher.hexdigest() == f"{5:0{2 * hasher.digest_size}x}"


def test_update_with_arrays(crc):
    numbers = np.arange(12, dtype=">u2").reshape(3, 4)
    hasher = crc.new(numbers.T)
    hasher.update(numbers[:, ::2])
    assert hasher.value == crc(numbers.T.tobytes() + numbers[:, ::2].tobytes())


def test_a_failed_update_changes_nothing(crc):
    hasher = crc.new(b"1234")
    for wrong in ("text", None, np.array([object()])):
        with pytest.raises(TypeError):
            hasher.update(wrong)
    hasher.update(b"56789")
    assert hasher.value == crc.check
    with pytest.raises(TypeError):
        crc.new("text")


@pytest.mark.parametrize(
    "duplicate",
    [
        lambda hasher: hasher.copy(),
        copy.copy,
        copy.deepcopy,
        *(lambda h, p=p: pickle.loads(pickle.dumps(h, p)) for p in range(2, 6)),
    ],
)
def test_copies_are_independent(crc, duplicate):
    first = crc.new(b"1234")
    second = duplicate(first)
    assert type(second) is numcrc.Hasher
    assert (second.name, second.value) == (first.name, first.value)
    first.update(b"56789")
    assert second.value == crc(b"1234")
    second.update(b"5")
    assert (first.value, second.value) == (crc.check, crc(b"12345"))


def test_new_by_name():
    assert numcrc.new("crc32c").name == "CRC-32/ISCSI"
    assert numcrc.new("crc_32_iscsi", b"123456789").hexdigest() == "e3069283"
    assert numcrc.new("CRC-64/NVME", data=b"123456789").hexdigest() == "ae8b14860a799888"
    for kind in (KeyError, ValueError):  # as mappings and hashlib raise
        with pytest.raises(kind, match="CRC-32/ISCSI"):
            numcrc.new("crc32/iscsy")


@pytest.mark.parametrize("usedforsecurity", [True, False])
def test_the_signature_of_hashlib(crc, usedforsecurity):
    hasher = numcrc.new(crc.name, b"123456789", usedforsecurity=usedforsecurity)
    assert hasher.value == crc.check
    assert numcrc.new(crc.name, usedforsecurity=usedforsecurity).value == crc(b"")
    assert crc.new(b"123456789", usedforsecurity=usedforsecurity).value == crc.check
    with pytest.raises(TypeError):
        numcrc.new(crc.name, b"", usedforsecurity)


def test_repr():
    assert repr(numcrc.new("crc32c", b"123456789")) == "<CRC-32/ISCSI hasher, value=0xe3069283>"


@pytest.mark.skipif(not hasattr(hashlib, "file_digest"), reason="new in Python 3.11")
def test_file_digest(crc, tmp_path):
    data = b"0123456789abcdef" * 40_000  # several reads
    (tmp_path / "file").write_bytes(data)
    with open(tmp_path / "file", "rb") as file:
        from_file = hashlib.file_digest(file, crc.new)
    in_memory = hashlib.file_digest(io.BytesIO(data), lambda: numcrc.new(crc.name))
    assert from_file.value == in_memory.value == crc(data)
