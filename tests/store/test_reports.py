"""Reports: round trips, and files that are whole or say that they are not."""

from __future__ import annotations

import os
import sys

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from numcrc.store.manifests import ManifestError, read_manifest
from numcrc.store.manifests.errors import CutError
from numcrc.store.manifests.reports import read_results, report_writer
from numcrc.store.objects import Result, State
from numcrc.store.retries import StoppedError
from numcrc.store.source import StoreError
from store.manifest_support import SUFFIXES, keys, sizes, some

results = st.builds(
    Result,
    keys,
    st.sampled_from(State),
    sizes,
    st.sampled_from(["", "crc32c"]),
    st.sampled_from(["", "e3069283-3"]),
    st.sampled_from(["", "e3069283"]),
    st.lists(st.integers(1, 10_000), max_size=3).map(tuple),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.text(st.characters(exclude_categories=["Cs"])),
)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_reports_hold_everything(suffix, tmp_path):
    path = tmp_path / f"report.{suffix}"
    without_nul = sys.version_info < (3, 11) and suffix.startswith("csv")

    @some
    @given(st.lists(results, max_size=4))
    def check(found):
        assume(not (without_nul and r"\x00" in repr(found)))
        with report_writer(path) as add:
            for result in found:
                add(result)
        assert list(read_results(path)) == found

    check()


@pytest.mark.skipif(sys.version_info >= (3, 11), reason="csv holds NUL characters")
def test_csv_of_an_old_python_refuses_nul(tmp_path):
    with (
        pytest.raises(ValueError, match=r"^CSV cannot hold NUL characters in Python 3\.10$"),
        report_writer(tmp_path / "report.csv") as add,
    ):
        add(Result("a", State.ERROR, detail="\0"))
    assert os.listdir(tmp_path) == []


def test_a_report_survives_its_process(tmp_path):
    first, second = Result("a", State.MATCH), Result("b", State.DIFFER, 9)
    path = tmp_path / "report.jsonl"
    partial = tmp_path / "report.jsonl.numcrc-part"
    with report_writer(path) as add:
        add(first)
        assert list(read_results(partial, partial=True)) == [first]
        with pytest.raises(CutError, match=r"incomplete: no end mark after 1 row$"):
            list(read_results(partial))
        add(second)
        torn = tmp_path / "torn"
        torn.write_bytes(partial.read_bytes()[:-7])
        assert list(read_results(torn, partial=True)) == [first]
        with pytest.raises(CutError, match="line 3: invalid JSON"):
            list(read_results(torn))
    assert sorted(os.listdir(tmp_path)) == ["report.jsonl", "torn"]
    assert list(read_results(path)) == [first, second]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_report_that_ends_early_leaves_the_old_one(suffix, tmp_path):
    path = tmp_path / f"report.{suffix}"
    partial = tmp_path / f"report.{suffix}.numcrc-part"
    old, new = Result("a", State.MATCH), Result("b", State.DIFFER, 9)
    with report_writer(path) as add:
        add(old)
    for error in (RuntimeError, KeyboardInterrupt, StoppedError, StoreError):
        with pytest.raises(error), report_writer(path) as add:
            raise error
        assert sorted(os.listdir(tmp_path)) == [path.name], "nothing was written"
        with pytest.raises(error), report_writer(path) as add:  # noqa: PT012
            add(new)
            raise error
        assert list(read_results(path)) == [old]
        assert partial.exists() == (error is not RuntimeError)
        if partial.exists():
            assert list(read_results(partial, partial=True)) == [new]
            with pytest.raises(CutError, match=r"no end mark after 1 row$"):
                list(read_results(partial))
    with report_writer(path) as add:
        add(new)
    assert os.listdir(tmp_path) == [path.name]
    assert list(read_results(path)) == [new]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_report_is_not_a_manifest(suffix, tmp_path):
    path = tmp_path / f"report.{suffix}"
    with report_writer(path) as add:
        add(Result("a", State.MATCH))
    with pytest.raises(ManifestError, match="expected the mark 'numcrc manifest 2', got 'num"):
        list(read_manifest(path))


def test_the_format_of_a_report(tmp_path):
    with pytest.raises(ValueError, match="unknown format 'sfv': expected jsonl, parquet, csv"):
        next(read_results(tmp_path, format="sfv"))
    problem = r"format of x\.sfv: expected a name that ends with one of \.jsonl, .*\.csv"
    with pytest.raises(ValueError, match=problem), report_writer("x.sfv"):
        pass
