"""Test what plots draw: the data of their lines, labels, places, and errors."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import numcrc
from numcrc import explore

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
pyplot = pytest.importorskip("matplotlib.pyplot")
plot = explore.plot


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    pyplot.close("all")


def data_of(line):
    return list(map(float, line.get_xdata())), list(map(float, line.get_ydata()))


def test_plot_is_listed_and_loaded_when_asked_for():
    assert "plot" in explore.__all__
    assert "plot" in dir(explore)
    code = (
        "import sys, numcrc.explore as e; assert 'numcrc.explore.plot' not in sys.modules;"
        "e.plot.hd; assert 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_matplotlib_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for draw in (
        lambda: plot.hd("CRC-16/ARC"),
        lambda: plot.undetected("CRC-8/SMBUS", 8, [0.5]),
        lambda: plot.influence("CRC-8/SMBUS"),
    ):
        with pytest.raises(ImportError, match=r"pip install 'numcrc\[explore\]'"):
            draw()


@pytest.mark.parametrize("name", ["CRC-8/SMBUS", "CRC-16/DNP", "CRC-32C", "CRC-32"])
def test_a_staircase_has_the_distance_at_every_length(name):
    ax = plot.hd(name)
    (line,) = ax.lines
    assert line.get_label() == name
    x, y = data_of(line)
    limits = explore.hd_limits(name)
    assert x == sorted(x)
    assert y == sorted(y, reverse=True)
    assert y[-1] == 2
    for left, right, distance in zip(x[::2], x[1::2], y[1::2], strict=True):
        for nbits in (int(left) + 1, int(right)):
            assert max(hd for hd in [2, *limits] if hd == 2 or limits[hd].bits >= nbits) == distance
    assert x[-1] > 2 * limits[3].bits


def test_lower_bounds_are_dotted():
    weak = plot.hd("CRC-64/XZ", budget=1000)
    styles = {line.get_linestyle() for line in weak.lines}
    assert len(styles) == 2  # solid and dotted
    assert len(weak.get_legend().get_texts()) == 1
    assert [line.get_linestyle() for line in plot.hd("CRC-32").lines] == ["-"]
    known, *_ = plot._stairs({3: explore.Limit(9, True), 4: explore.Limit(5, True)}, 64, max_hd=4)
    assert known == (False, [1, 5], [4, 4])


def test_lines_that_coincide_stay_visible():
    ax = plot.hd(["CRC-16/ARC", "CRC-16/IBM-3740", "CRC-16/X-25"])
    ax.figure.canvas.draw()
    assert data_of(ax.lines[0]) == data_of(ax.lines[1]) == data_of(ax.lines[2])
    heights = [line.get_transform().transform((16, 4))[1] for line in ax.lines]
    gaps = -np.diff(heights) * 72 / ax.figure.dpi
    assert gaps == pytest.approx([plot._SHIFT] * 2)
    assert heights[1] == pytest.approx(ax.transData.transform((16, 4))[1])  # the middle one
    assert len({line.get_color() for line in ax.lines}) == 3

    ax = plot.undetected(["CRC-16/ARC", "CRC-16/ARC"], 64)
    assert len({line.get_linestyle() for line in ax.lines[:2]}) == 2


def test_labels_of_lengths_and_axes():
    ax = plot.hd(["CRC-32C"])
    assert ax.get_xlabel() == "length of the data"
    assert ax.get_ylabel() == "Hamming distance (bits)"
    labels = {
        label.get_text(): at
        for at, label in zip(ax.get_xticks(), ax.get_xticklabels(), strict=True)
    }
    assert labels["1 B"] == 8
    assert labels["16 B"] == 128
    assert ax.get_xscale() == "log"


def test_probabilities_and_the_line_of_random_data():
    rates = [1e-6, 1e-3, 0.5]
    ax = plot.undetected(["CRC-16/ARC", "CRC-8/SMBUS"], 1024, rates)
    for name, line in zip(("CRC-16/ARC", "CRC-8/SMBUS"), ax.lines, strict=False):
        assert line.get_label() == name
        assert data_of(line) == (rates, explore.undetected(name, 1024, rates).tolist())
    assert sorted(line.get_ydata()[0] for line in ax.lines[2:]) == [2.0**-16, 2.0**-8]
    assert ax.get_title(loc="left") == "128 B of data and their CRC"
    assert "bit error rate" in ax.get_xlabel()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "CRC-16/ARC",
        "CRC-8/SMBUS",
    ]
    assert ax.get_xscale() == ax.get_yscale() == "log"


def test_progress_is_reported():
    seen = []
    plot.undetected("CRC-8/SMBUS", 64, [0.1], progress=seen.append)
    assert seen[-1] == 1


@pytest.mark.parametrize("name", ["CRC-16/ARC", "CRC-64/XZ", "CRC-82/DARC"])
def test_influence_is_that_of_flips(name):
    crc = numcrc.algorithms[name]
    ax = plot.influence(name, nbits=40)
    image = ax.images[0].get_array()
    assert image.shape == (40, crc.width)
    for i, row in enumerate(image):
        bit = 7 - i % 8 if crc.refin else i % 8
        (change,) = explore.flips(crc, 5, [8 * (4 - i // 8) + bit])
        digits = "".join(map(str, row))
        assert int(digits[::-1] if crc.refout else digits, 2) == change
    assert ax.get_title() == name
    shown = {
        label.get_text(): at
        for at, label in zip(ax.get_xticks(), ax.get_xticklabels(), strict=True)
    }
    assert shown[str(crc.width - 1)] == 0


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plot.hd(["CRC-32", "CRC-16/ARC"]),
        lambda: plot.undetected(["CRC-16/ARC", "CRC-8/SMBUS"], 1024),
        lambda: plot.influence("CRC-64/XZ"),
    ],
)
def test_nothing_is_cut_off(draw):
    ax = draw()
    ax.figure.canvas.draw()
    box, (low, high) = ax.figure.bbox, sorted(ax.get_xlim())
    ticks = [text for text in ax.get_xticklabels() if low <= text.get_position()[0] <= high]
    for text in [ax.xaxis.label, ax.yaxis.label, ax.title, *ticks, *ax.texts]:
        if text.get_text():
            extent = text.get_window_extent()
            assert extent.x0 >= box.x0, text
            assert extent.x1 <= box.x1 + 1, text
            assert extent.y0 >= box.y0, text
            assert extent.y1 <= box.y1, text


def test_given_axes_are_drawn_on():
    figure, panels = pyplot.subplots(1, 3)
    assert plot.hd("CRC-8/SMBUS", ax=panels[0]) is panels[0]
    assert plot.undetected("CRC-8/SMBUS", 8, ax=panels[1]) is panels[1]
    assert plot.influence("CRC-8/SMBUS", ax=panels[2]) is panels[2]
    assert pyplot.get_fignums() == [figure.number]


def test_algorithms_without_a_name_of_their_own_show_their_polynomial():
    unnamed, named = numcrc.Algorithm(32, 0x1EDC6F41), numcrc.Algorithm(12, 0x1F1, name="mine")
    known = numcrc.algorithms["CRC-32C"]
    labels = [line.get_label() for line in plot.hd([unnamed, named, known]).lines]
    assert labels == ["CRC-32 0x1edc6f41", "mine", "CRC-32/ISCSI"]


def test_many_lines_differ():
    names = [name for name, crc in numcrc.algorithms.items() if crc.width == 16][:9]
    lines = plot.hd(names).lines
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 9


@pytest.mark.parametrize(
    ("draw", "error", "message"),
    [
        (lambda: plot.hd([]), ValueError, "at least one CRC"),
        (lambda: plot.undetected([], 8), ValueError, "at least one CRC"),
        (lambda: plot.hd("CRC-82/DARC"), NotImplementedError, "at most 64 bits"),
        (lambda: plot.hd("CRC-32", max_hd=2), ValueError, "max_hd"),
        (lambda: plot.hd(numcrc.Algorithm(8, 0x30)), ValueError, "even"),
        (lambda: plot.undetected("CRC-8/SMBUS", 0), ValueError, "nbits"),
        (lambda: plot.undetected("CRC-8/SMBUS", 8, [0, 0.1]), ValueError, "ber must be above 0"),
        (lambda: plot.undetected("CRC-8/SMBUS", 8, [1.1]), ValueError, "ber must be above 0"),
        (lambda: plot.undetected("CRC-8/SMBUS", 8, []), ValueError, "ber must be above 0"),
        (lambda: plot.undetected("CRC-64/XZ", 80), NotImplementedError, "too long"),
        (lambda: plot.influence("CRC-32", 0), ValueError, "1..65536, not 0"),
        (lambda: plot.influence("CRC-32", 1.5), TypeError, "nbits"),
    ],
)
def test_refusals_open_no_figure(draw, error, message):
    with pytest.raises(error, match=message):
        draw()
    assert not pyplot.get_fignums()
