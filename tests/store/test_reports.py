"""Reports: round trips, and files that are whole or continue."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numcrc.store.manifests import ManifestError, read_manifest
from numcrc.store.manifests.reports import read_results, report_writer
from numcrc.store.objects import Result, State
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

    @some
    @given(st.lists(results, max_size=4))
    def check(found):
        with report_writer(path) as report:
            for result in found:
                report.write(result)
        assert list(read_results(path)) == found

    check()


def test_a_report_survives_its_process(tmp_path):
    first, second = Result("a", State.MATCH), Result("b", State.DIFFER, 9)
    path = tmp_path / "report.jsonl"
    with report_writer(path) as report:
        report.write(first)
        assert list(read_results(path)) == [first]
    with open(path, "ab") as file:
        file.write(b'{"state": "mat')
    with pytest.raises(ManifestError, match="line 3: invalid JSON"):
        list(read_results(path))
    with report_writer(path, append=True) as report:
        report.write(second)
    assert list(read_results(path)) == [first, second]


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl.gz"])
def test_a_report_is_whole_or_not_there(suffix, tmp_path):
    path = tmp_path / f"report.{suffix}"
    for error in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(error), report_writer(path) as report:  # noqa: PT012
            report.write(Result("a", State.MATCH))
            assert not path.exists()
            raise error
        assert path.exists() == (error is KeyboardInterrupt)
        assert len(os.listdir(tmp_path)) == path.exists()
    assert list(read_results(path)) == [Result("a", State.MATCH)]
    with pytest.raises(ManifestError, match="expected the mark 'numcrc manifest 1', got 'num"):
        list(read_manifest(path))


def test_the_format_of_a_report(tmp_path):
    with pytest.raises(ValueError, match="unknown format 'sfv': expected jsonl, parquet, csv"):
        next(read_results(tmp_path, format="sfv"))
    problem = "cannot tell the format of x.sfv; pass format=: jsonl, parquet, csv"
    with pytest.raises(ValueError, match=problem), report_writer("x.sfv"):
        pass
