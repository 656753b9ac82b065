"""Test descriptions of algorithms as text, HTML and LaTeX."""

from __future__ import annotations

import re
from html import unescape

import pytest

import numcrc
from numcrc import explore
from numcrc._description import latex

SCRIPT = "<script>alert('x')</script>$\\href{x}{y}$"


def rows_of(html: str) -> dict[str, str]:
    """Return the cells of a table's two columns."""
    cells = re.findall("<tr><th[^>]*>(.*?)</th><td[^>]*>(.*?)</td></tr>", html)
    assert len(cells) == html.count("<tr>")
    return {plain(label): plain(cell) for label, cell in cells}


def plain(html: str) -> str:
    return unescape(re.sub("<[^>]*>", "", html.replace("<sup>", "^")))


def test_describe_takes_names_and_algorithms():
    crc = numcrc.algorithms["CRC-32"]
    assert str(explore.describe("crc-32")) == str(explore.describe(crc))
    assert repr(explore.describe("crc-32")) == "<Description of CRC-32/ISO-HDLC>"
    with pytest.raises(numcrc.UnknownAlgorithmError):
        explore.describe("CRC-31/X")


def test_values_of_crc_32():
    """The published values: RevEng's catalogue, Koopman's page of the polynomial."""
    rows = explore.describe("CRC-32").rows()
    assert rows["width"] == "32"
    assert rows["polynomial"].startswith("x^32 + x^26 + x^23 +")
    assert rows["normal"] == "0x04c11db7"
    assert rows["reversed"] == "0xedb88320"
    assert rows["reciprocal"] == "0xdb710641"
    assert rows["Koopman"] == "0x82608edb"
    assert rows["check"] == "0xcbf43926"
    assert rows["residue"] == "0xdebb20e3"
    assert rows["order"] == "4294967295 (primitive)"
    assert rows["odd numbers of errors"] == "not all detected"
    assert "PKZIP" in rows["aliases"]


def test_factors_and_parity_of_crc_16():
    rows = explore.describe("CRC-16/IBM-3740").rows()
    assert rows["factors"].startswith("(x + 1) (x^15 + ")
    assert rows["order"] == "32767"
    assert rows["odd numbers of errors"] == "all detected: x + 1 divides it"


def test_text_has_every_row():
    description = explore.describe("CRC-8/SMBUS")
    lines = str(description).splitlines()
    assert lines[0] == "CRC-8/SMBUS"
    assert len(lines) == 1 + len(description.rows())
    assert "normal" in lines[3]


@pytest.mark.parametrize("name", numcrc.algorithms)
def test_html_of_every_algorithm(name):
    crc = numcrc.algorithms[name]
    html = crc._repr_html_()
    rows = rows_of(html)
    texts = explore.describe(crc).rows()
    assert list(rows) == list(texts)
    for label, text in texts.items():
        if label != "factors":
            assert rows[label] == text
            continue
        for shown, whole in zip(rows[label].split(") ("), text.split(") ("), strict=True):
            start, _, end = shown.partition(" ... ")
            assert whole.startswith(start)
            assert whole.endswith(end)
            assert len(shown) < 80
    assert "$" not in html
    assert len(html) < 15_000


def test_latex():
    assert numcrc.algorithms["CRC-8/SMBUS"]._repr_latex_() == "$P(x) = x^{8} + x^{2} + x + 1$"
    assert latex(explore.Polynomial(0b10011)) == "x^{4} + x + 1"


def test_powers_of_factors():
    crc = numcrc.Algorithm(width=4, poly=0b0001, name="x^4 + 1")
    assert rows_of(crc._repr_html_())["factors"] == "(x + 1)^4"


def test_long_factors_are_shortened():
    crc = numcrc.Algorithm(width=64, poly=numcrc.algorithms["CRC-64/NVME"].poly)
    factors = rows_of(crc._repr_html_())["factors"]
    assert factors.endswith(" + ... + 1)")
    assert len(factors) < 120 < len(explore.describe(crc).rows()["factors"])


def test_names_are_escaped():
    crc = numcrc.Algorithm(width=8, poly=7, name=SCRIPT)
    html = crc._repr_html_()
    assert "<script" not in html
    caption = re.search("<caption[^>]*>(.*?)</caption>", html)[1]
    assert plain(caption) == SCRIPT
    # MathJax takes no part of the name for a formula.
    assert "mathjax_ignore" in caption
    assert "tex2jax_ignore" in caption
    assert SCRIPT not in crc._repr_latex_()


def test_polynomials_without_constant_term():
    """Its reciprocal has a smaller degree, and x divides it: rows that need one are left out."""
    crc = numcrc.Algorithm(width=8, poly=6)
    rows = rows_of(crc._repr_html_())
    assert not {"reciprocal", "Koopman", "order"} & set(rows)
    assert rows["normal"] == "0x06"
