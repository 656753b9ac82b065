"""Test what notebooks show of `info`, and of the reports of store, scan and Zarr runs."""

from __future__ import annotations

import json
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import pytest

import numcrc
from numcrc import store, zarr
from numcrc._description import escaped, table
from numcrc.store import report as reports
from numcrc.store.objects import Result, State
from numcrc.store.report import Report

TAGS = {"table", "caption", "thead", "tbody", "tr", "th", "td", "b", "p", "span"}
SCRIPT = "<script>alert('x')</script>&$x^2$"


class Page(HTMLParser):
    """The texts of the cells of tables, row by row, and of paragraphs.

    It refuses tags that do not belong there or are not closed in order, and handlers of events.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.caption = self.headline = ""
        self.notes: list[str] = []
        self.bold: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        """Check the tag, and begin a cell or a note."""
        if tag == "br":
            self.rows[-1][-1] += "\n"
            return
        assert tag in TAGS
        assert dict(attributes).keys() <= {"style", "class", "scope"}
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag == "p" and self.headline:
            self.notes.append("")

    def handle_endtag(self, tag):
        """Check that the innermost element ends."""
        assert self.open.pop() == tag

    def handle_data(self, data):
        """Add text to where it stands."""
        assert "span" in self.open  # whose class keeps MathJax away
        if "caption" in self.open:
            self.caption += data
        elif {"p", "b"} <= set(self.open):
            self.headline += data
        elif "p" in self.open:
            self.notes[-1] += data
        else:
            self.rows[-1][-1] += data
            if "b" in self.open:
                self.bold.append(data)


def report_of(*results: Result) -> Report:
    report = Report(lambda: results)
    for result in results:
        report.count(result)
    return report


def test_texts_are_escaped():
    page = Page(table([[escaped(SCRIPT)] * 2], caption=SCRIPT))
    assert page.caption == SCRIPT
    assert page.rows == [[SCRIPT, SCRIPT]]
    assert Page(table([[escaped("a")]], [SCRIPT])).rows == [[SCRIPT], ["a"]]
    for character in ("\udcff", "\u202e", "\x1b", "\n", "\0"):
        html = escaped(f"a{character}é")
        assert character not in html
        assert ascii(character)[1:-1] in html
        assert "é" in html
        html.encode()


def test_long_texts_are_shortened():
    text = Page(table([[escaped("b" * 10_000 + "c")]], caption="a" * 10_000))
    assert len(text.caption) < 500
    assert len(text.rows[0][0]) < 500
    assert text.rows[0][0].endswith("bc")
    assert len(escaped("\0" * 10_000)) < 2000


def test_no_colour_is_set():
    html = table([["b", "c"]], ["d", "e"], "a")
    assert "color" not in html
    assert "background" not in html


def test_long_words_can_be_broken():
    """Others are not, or narrow columns would break short ones too."""
    assert "anywhere" in escaped("a" * 60)
    assert "anywhere" not in escaped("abc " * 30)


def test_info_is_a_table():
    info = numcrc.info()
    page = Page(info._repr_html_())
    rows = dict(page.rows)
    assert list(rows) == list(info)
    assert rows["tier"] == info["tier"]
    assert rows["features"] == " ".join(info["features"])
    assert rows["kernels"].splitlines() == [f"{k}: {v}" for k, v in info["kernels"].items()]
    assert f"numcrc: {numcrc.__version__}" in rows["versions"].splitlines()


def test_verbose_info_is_a_table():
    numcrc.crc32c(b"1")
    loaded = numcrc.info(verbose=True)
    assert dict(Page(loaded._repr_html_()).rows)["loaded"].count("\n") == len(loaded["loaded"]) - 1


def test_info_is_escaped():
    info = numcrc.info()
    info["why"] = info["kernels"][SCRIPT] = SCRIPT
    rows = dict(Page(info._repr_html_()).rows)
    assert rows["why"] == SCRIPT
    assert f"{SCRIPT}: {SCRIPT}" in rows["kernels"]


def test_report_without_failures():
    report = report_of(Result("a", State.MATCH, 2048), Result("b", State.SKIPPED, 1))
    page = Page(report._repr_html_())
    assert page.headline == f"OK: {report.summary()}"
    assert page.rows == page.notes == []


def test_failures_are_named_by_words():
    report = report_of(
        Result("a", State.MATCH, 2048),
        Result("b", State.DIFFER, 2048, "crc32c", "00000001", "00000002", (3, 7)),
        Result("c", State.MISSING, None, "crc32c", "00000003"),
    )
    page = Page(report._repr_html_())
    assert page.headline == f"Not OK: {report.summary()}"
    assert page.rows == [
        ["key", "state", "detail", "size", "algorithm", "expected", "actual"],
        ["b", "differ", "parts 3, 7", "2.0 KiB", "crc32c", "00000001", "00000002"],
        ["c", "missing", "", "", "crc32c", "00000003", ""],
    ]
    assert page.bold == ["differ", "missing"]


@pytest.mark.parametrize("state", [s for s in State if s not in (State.MATCH, State.SKIPPED)])
def test_every_other_state_is_shown(state):
    page = Page(report_of(Result("a", State.MATCH), Result("b", state))._repr_html_())
    bad = state in (State.DIFFER, State.MISSING, State.EXTRA, State.SIZE_MISMATCH)
    assert page.headline.startswith("Not OK: " if bad else "Not fully checked: ")
    assert page.rows == [["key", "state"], ["b", state.value]]


def test_nothing_checked_is_not_ok():
    for results in ([], [Result("a", State.SKIPPED)]):
        assert Page(report_of(*results)._repr_html_()).headline.startswith("Not fully checked: ")


def test_hostile_results_are_escaped():
    hostile = Result(SCRIPT, State.ERROR, -1, SCRIPT, SCRIPT, SCRIPT, (), SCRIPT + "\udcff\u202e")
    report = report_of(hostile)
    report.stopped = report.unmarked = SCRIPT
    page = Page(report._repr_html_())
    assert page.headline.endswith(SCRIPT)
    shown = SCRIPT + r"\udcff\u202e"
    assert page.rows[1] == [SCRIPT, "error", shown, "-1 B", SCRIPT, SCRIPT, SCRIPT]
    assert page.notes == [f"{SCRIPT} has no end mark: cannot tell whether it is whole"]


def test_few_failures_are_shown():
    report = report_of(*(Result(f"{n}", State.DIFFER) for n in range(1000)))
    html = report._repr_html_()
    page = Page(html)
    assert [row[0] for row in page.rows[1:]] == [str(n) for n in range(20)]
    assert page.notes == ["980 more not shown: iterate over the report"]
    assert len(html) < 20_000


def test_failures_behind_many_matches_are_shown(monkeypatch):
    monkeypatch.setattr(reports, "_READ", 0)
    report = report_of(*[Result("a", State.MATCH)] * 1000, Result("b", State.DIFFER))
    assert Page(report._repr_html_()).rows[1] == ["b", "differ"]


def test_failures_of_runs_on_several_machines(monkeypatch):
    """Their results are counted by states, so few are read to find failures."""
    monkeypatch.setattr(reports, "_READ", 100)
    for matches, rows in ((99, [["key", "state"], ["b", "differ"]]), (100, [])):
        results = [*[Result("a", State.MATCH)] * matches, Result("b", State.DIFFER)]
        report = Report(lambda results=results: results)
        report.add({State.MATCH: matches, State.DIFFER: 1}, 0)
        page = Page(report._repr_html_())
        assert page.rows == rows
        assert page.notes == ([] if rows else ["1 not shown: iterate over the report"])


def test_results_that_cannot_be_read():
    report = Report(None)
    report.add({State.DIFFER: 30}, 0)
    page = Page(report._repr_html_())
    assert page.headline.startswith("Not OK: ")
    assert page.notes == [
        "cannot read the results: the results were not kept",
        "30 not shown: iterate over the report",
    ]


def test_report_whose_file_is_gone(tmp_path):
    folder, sums, path = tmp_path / "a", tmp_path / "sums", tmp_path / "report.jsonl"
    folder.mkdir()
    sums.write_text("e3069283  file\n")
    report = store.verify(folder, manifest=sums, report=path)
    path.unlink()
    assert Page(report._repr_html_()).rows[1][:2] == ["file", "missing"]


def test_report_that_keeps_nothing(tmp_path):
    tmp_path.joinpath("a").mkdir()
    tmp_path.joinpath("sums").write_text("e3069283  file\n")
    report = store.verify(tmp_path / "a", manifest=tmp_path / "sums", keep=False)
    assert Page(report._repr_html_()).rows[1][:2] == ["file", "missing"]


def test_malformed_lines_are_counted(tmp_path):
    tmp_path.joinpath("file").write_bytes(b"123456789")
    sums = tmp_path / "sums"
    sums.write_text("e3069283  file\nnot a line\n")
    report = store.verify(tmp_path, manifest=sums)
    assert report.ok
    notes = Page(report._repr_html_()).notes
    assert "malformed lines of the manifest, skipped: 1" in notes


def test_report_of_a_scan(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(SCRIPT, "123456789")
    damaged = Path(tmp_path, "a.zip").read_bytes().replace(b"5", b"6")
    Path(tmp_path, "b.zip").write_bytes(damaged)
    page = Page(store.scan(tmp_path)._repr_html_())
    assert page.headline.startswith("Not OK: 2 objects")
    ((key, state, detail, *_),) = page.rows[1:]
    assert (key, state) == ("b.zip", "differ")
    assert "script>alert(" in detail


def test_report_of_zarr(tmp_path):
    folder = tmp_path / "a.zarr"
    (folder / "c").mkdir(parents=True)
    meta = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [8],
        "data_type": "uint8",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [{"name": "bytes"}, {"name": "crc32c"}],
        "attributes": {},
    }
    folder.joinpath("zarr.json").write_text(json.dumps(meta))
    crc = numcrc.crc32c(b"abcd").to_bytes(4, "little")
    folder.joinpath("c", "0").write_bytes(b"abce" + crc)
    page = Page(zarr.verify(folder)._repr_html_())
    assert "1 absent chunk" in page.headline
    assert page.rows[1][:2] == ["c/0", "differ"]
