"""Describe algorithms, and make the tables that notebooks show."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

from numcrc.crc import catalogue, distances
from numcrc.crc.polynomial import Polynomial

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numcrc.algorithm import Algorithm

_LONG = 60
"""Characters of a factor that are shown in whole, and of a word that is not broken."""
_SHORT = 24
"""Characters of a text that is kept on one line."""
_LONGEST = 400
"""Characters of a text that are shown in whole."""
_MOST = 8
"""The greatest Hamming distance that is shown."""
_NAMED = 4
"""Algorithms with the same polynomial that are named."""


class Description:
    """What is known of an algorithm without a search; notebooks show it as a table.

    Hamming distances are those of the catalogue's polynomials, up to 8, each with the most data
    bits that it holds for; ``>=`` means that it may hold for more.

    Attributes
    ----------
    algorithm : Algorithm
    polynomial : Polynomial
        The generator.
    """

    def __init__(self, algorithm: Algorithm) -> None:
        self.algorithm = algorithm
        self.polynomial = Polynomial.of(algorithm)

    def rows(self) -> dict[str, str]:
        """Return texts by their labels."""
        crc, p = self.algorithm, self.polynomial
        digits = -(-crc.width // 4)

        def number(value: int) -> str:
            return f"0x{value:0{digits}x}"

        found = {"width": str(crc.width), "polynomial": p.terms, "normal": number(p.normal)}
        found["reversed"] = number(p.reversed)
        if not p.even:
            found["reciprocal"] = number(p.reciprocal.normal)
            found["Koopman"] = number(p.koopman)
        found |= {name: number(getattr(crc, name)) for name in ("init", "xorout")}
        found |= {name: str(getattr(crc, name)).lower() for name in ("refin", "refout")}
        found |= {name: number(getattr(crc, name)) for name in ("check", "residue")}
        found["factors"] = " ".join(_factor(f.terms, count) for f, count in p.factors)
        if not p.even:
            found["order"] = f"{p.order}{' (primitive)' if p.primitive else ''}"
        odd = "all detected: x + 1 divides it" if p.parity else "not all detected"
        found["odd numbers of errors"] = odd
        if crc.aliases:
            found["aliases"] = ", ".join(crc.aliases)
        if others := self._others():
            shown, hidden = others[:_NAMED], len(others) - _NAMED
            found["polynomial also of"] = ", ".join(shown) + f" and {hidden} more" * (hidden > 0)
        if limits := self._limits():
            parts = (f"{hd} to {bits}" for hd, bits in limits.items())
            found["Hamming distance"] = f"{', '.join(parts)} data bits"
        return found

    def _others(self) -> list[str]:
        """Return the names of other algorithms of the catalogue that have this polynomial."""
        return [
            name
            for name, entry in catalogue.entries().items()
            if entry.model.generator == self.polynomial.value and name != self.algorithm.name
        ]

    def _limits(self) -> dict[int, str]:
        """Return the data bits for Hamming distances, the greatest of those of equal length."""
        known = None if self.polynomial.even else distances.find(self.polynomial.value)
        limits = known.limits if known else {}
        return {
            hd: str(limit.bits) if limit.exact else f">= {limit.bits}"
            for hd, limit in limits.items()
            if hd <= _MOST and (hd == _MOST or limits.get(hd + 1) != limit)
        }

    def __str__(self) -> str:
        rows = self.rows()
        width = max(map(len, rows))
        lines = [f"{label:{width}}  {text}" for label, text in rows.items()]
        return "\n".join([self.algorithm.name, *lines])

    def __repr__(self) -> str:
        return f"<Description of {self.algorithm.name}>"

    def _repr_html_(self) -> str:
        """Return a table, with exponents raised."""
        rows = self.rows()
        raised = {
            "polynomial": rows["polynomial"],
            "factors": " ".join(
                _factor(_shortened(f.terms), count) for f, count in self.polynomial.factors
            ),
        }
        cells = [
            (escaped(label), _raised(raised[label]) if label in raised else escaped(text))
            for label, text in rows.items()
        ]
        return table(cells, caption=self.algorithm.name)

    def _repr_latex_(self) -> str:
        """Return the polynomial."""
        return f"$P(x) = {latex(self.polynomial)}$"


def latex(p: Polynomial) -> str:
    """Return a polynomial in LaTeX.

    >>> latex(Polynomial(0b10011))
    'x^{4} + x + 1'
    """
    terms = (term.replace("^", "^{") + "}" * ("^" in term) for term in p.terms.split(" + "))
    return " + ".join(terms)


def _factor(text: str, count: int) -> str:
    return f"({text})^{count}" if count > 1 else f"({text})"


def _shortened(text: str) -> str:
    if len(text) <= _LONG:
        return text
    return text[: text.index(" + ", _LONG // 2)] + " + ... + 1"


def _raised(terms: str) -> str:
    """Return terms in HTML, which unlike LaTeX is shown as such everywhere."""
    return re.sub(r"\^(\d+)", r"<sup>\1</sup>", escape(terms))


def table(rows: Iterable[Sequence[str]], columns: Sequence[str] = (), caption: str = "") -> str:
    """Return a table for notebooks, in HTML, without colours: legible in dark and light themes.

    Parameters
    ----------
    rows
        The cells in HTML, such as `escaped` returns. Without *columns*, the first is a header.
    columns
        Texts above the columns.
    caption
        Text above the table.
    """
    style = "style='text-align: left; vertical-align: top; padding: 0.2em 1em 0.2em 0'"
    lines = []
    for row in rows:
        first, rest = ((), row) if columns else (row[:1], row[1:])
        cells = [f"<th scope='row' {style}>{cell}</th>" for cell in first]
        cells += [f"<td {style}>{cell}</td>" for cell in rest]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    head = "".join(f"<th scope='col' {style}>{escaped(column)}</th>" for column in columns)
    title = f"<caption {style}><b>{escaped(caption)}</b></caption>" if caption else ""
    head = f"<thead><tr>{head}</tr></thead>" if head else ""
    return f"<table>{title}{head}<tbody>{''.join(lines)}</tbody></table>"


def escaped(text: str) -> str:
    r"""Return text in HTML, shortened if it is long.

    Characters that are not printable are shown as Python writes them: some would reorder the
    text, and surrogates cannot be sent. MathJax leaves ``$`` alone.

    >>> escaped("a<b\u202e")
    "<span class='tex2jax_ignore mathjax_ignore' style='white-space: nowrap'>a&lt;b\\u202e</span>"
    """
    if len(text) > _LONGEST:
        half = _LONGEST // 2
        text = f"{text[:half]} ... {text[-half:]}"
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    # Where words may be broken anywhere, columns can become as narrow as a letter.
    style = "overflow-wrap: anywhere" if re.search(f"[^ ]{{{_LONG}}}", shown) else ""
    if len(shown) <= _SHORT:
        style = "white-space: nowrap"
    return f"<span class='tex2jax_ignore mathjax_ignore' style='{style}'>{escape(shown)}</span>"
