"""Test that the catalogue is complete, correct by definition, and found by any spelling."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Mapping

import pytest

import numcrc
from numcrc.crc import catalogue, gf2, reference

ENTRIES = list(catalogue.entries().values())
CHECKED = b"123456789"


def test_size():
    assert len(numcrc.algorithms) == len(ENTRIES) == 113
    assert sum(len(entry.aliases) for entry in ENTRIES) == 74


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_check_and_residue_by_definition(entry):
    model = entry.model
    assert reference.crc(model, CHECKED) == entry.check
    # The message followed by its own CRC, highest coefficient first.
    sent = gf2.reflect(entry.check, model.width) if model.refout else entry.check
    register = reference.feed(model, model.init, reference.message_bits(CHECKED, model.refin))
    register = reference.feed(model, register, map(int, f"{sent:0{model.width}b}"))
    shown = gf2.reflect(register, model.width) if model.refout else register
    assert shown == entry.residue == reference.residue(model)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_the_public_algorithm_is_the_entry(entry):
    crc = numcrc.algorithms[entry.name]
    assert crc(CHECKED) == entry.check
    fields = ("width", "poly", "init", "refin", "refout", "xorout")
    assert tuple(getattr(crc, field) for field in fields) == entry.model
    assert (crc.name, crc.check, crc.residue, crc.aliases) == (
        entry.name,
        entry.check,
        entry.residue,
        entry.aliases,
    )
    assert numcrc.Algorithm(**entry.model._asdict(), check=entry.check, name=entry.name) == crc


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_any_spelling_of_name_and_aliases(entry):
    crc = numcrc.algorithms[entry.name]
    for name in (entry.name, *entry.aliases):
        plain = name.replace("-", "").replace("/", "")
        for spelled in (
            name.lower(),
            name.upper(),
            name.replace("-", "_").replace("/", " "),
            f" {plain} ",
            "-".join(plain),
        ):
            assert numcrc.algorithms[spelled] is crc, spelled
            assert spelled in numcrc.algorithms


def test_no_spelling_has_two_meanings():
    meanings = {
        (catalogue.spelling(name), entry.name)
        for entry in ENTRIES
        for name in (entry.name, *entry.aliases)
    }
    assert len(meanings) == len(catalogue.spellings())


def test_common_names():
    for name, check in {
        "crc32": 0xCBF43926,
        "CRC32C": 0xE3069283,
        "crc-64/nvme": 0xAE8B14860A799888,
        "CRC-16/ARC": 0xBB3D,
        "crc64_xz": 0x995DC9BBDF1939FA,
    }.items():
        assert numcrc.algorithms[name].check == check


@pytest.mark.parametrize(
    ("name", "close"),
    [
        ("crc-32/iscsy", "CRC-32/ISCSI"),
        ("CRC16 MODBUSS", "CRC-16/MODBUS"),
        ("crc64/nvm", "CRC-64/NVME"),
    ],
)
def test_unknown_name_with_close_matches(name, close):
    assert close in suggested(name)
    assert name not in numcrc.algorithms
    assert numcrc.algorithms.get(name) is None


def suggested(name: object) -> list[str]:
    """Return the close matches of a wrong name."""
    with pytest.raises(KeyError) as caught:
        numcrc.algorithms[name]
    message, _, names = str(caught.value).partition("; close matches: ")
    assert message == f"no CRC algorithm is called {name!r}"
    return names.split(", ") if names else []


@pytest.mark.parametrize(
    ("name", "close"),
    [
        ("iscsi", ["CRC-32/ISCSI"]),
        ("nvme", ["CRC-64/NVME", "CRC-32/ISCSI (CRC-32/NVME)"]),
        ("castagnoli", ["CRC-32/ISCSI (CRC-32/CASTAGNOLI)"]),
        ("crc64/castagnoli", ["CRC-32/ISCSI (CRC-32/CASTAGNOLI)"]),
        ("ethernet", ["CRC-32/ISO-HDLC (ethernet)"]),
        ("zlib", ["CRC-32/ISO-HDLC (zlib)"]),
        ("crc-17", ["CRC-17/CAN-FD"]),
        ("crc-16/ccit", ["CRC-16/IBM-3740 (CRC-16/CCITT-FALSE)", "CRC-16/KERMIT (CRC-16/CCITT)"]),
        ("crv32c", ["CRC-32/ISCSI (CRC-32C)"]),
        ("usb", ["CRC-5/USB", "CRC-16/USB"]),
        ("CRC-32/SNEFRU", []),
        ("sha256", []),
        ("isco", []),
    ],
)
def test_close_matches_are_related(name, close):
    """Each has the alias that is close, if it is not the official name."""
    assert suggested(name)[: len(close)] == close
    if not close:
        assert not suggested(name)
    for match in suggested(name):
        assert match.partition(" ")[0] in numcrc.algorithms


@pytest.mark.parametrize("name", ["", "qqqqqqqqqq"])
def test_unknown_name_without_close_matches(name):
    assert suggested(name) == []


def test_unknown_name_is_a_key_error_and_a_value_error():
    """As mappings and hashlib raise; the message is not its repr."""
    with pytest.raises(numcrc.UnknownAlgorithmError) as caught:
        numcrc.algorithms["crc/31"]
    assert isinstance(caught.value, KeyError)
    assert isinstance(caught.value, ValueError)
    assert traceback.format_exception_only(caught.value) == [
        "numcrc.crc.catalogue.UnknownAlgorithmError: no CRC algorithm is called 'crc/31';"
        " close matches: CRC-31/PHILIPS\n"
    ]
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    with pytest.raises(ValueError, match=r"^no CRC algorithm is called 'crc/31'"):
        numcrc.new("crc/31")


def test_completion_of_names_in_ipython():
    offered = numcrc.algorithms._ipython_key_completions_()
    assert {"CRC-32/ISCSI", "CRC-32C", "XMODEM"} <= set(offered)
    assert len(offered) == len(set(offered)) == 113 + 74
    assert all(name in numcrc.algorithms for name in offered)


@pytest.mark.parametrize("name", [32, None, b"crc32", ["crc32"]])
def test_names_are_strings(name):
    with pytest.raises(KeyError, match="no CRC algorithm is called"):
        numcrc.algorithms[name]
    assert name not in numcrc.algorithms


def test_read_only_mapping_in_catalogue_order():
    assert isinstance(numcrc.algorithms, Mapping)
    assert list(numcrc.algorithms) == [entry.name for entry in ENTRIES]
    assert [crc.name for crc in numcrc.algorithms.values()] == list(numcrc.algorithms)
    with pytest.raises(TypeError):
        numcrc.algorithms["crc32"] = None
    with pytest.raises(TypeError):
        del numcrc.algorithms["crc32"]
