"""Look up the RevEng catalogue of parametrised CRC algorithms by any spelling of a name.

Source: Greg Cook, "Catalogue of parametrised CRC algorithms". Its parameters, check values
and residues are in ``catalogue.txt``, a line for each algorithm, which is read at its first use.
"""

from __future__ import annotations

from numcrc._light import NamedTuple, cache, read
from numcrc.crc.model import Model
from numcrc.process import imported


class CatalogueEntry(NamedTuple):
    """An algorithm of the catalogue."""

    name: str
    model: Model
    check: int
    residue: int
    aliases: tuple[str, ...]


@cache
def _lines() -> dict[str, str]:
    """Return each algorithm's line of the catalogue under its official name, in their order."""
    lines = read("crc/catalogue.txt").decode().splitlines()
    return {_names(line)[0]: line for line in lines if not line.startswith("#")}


def _names(line: str) -> list[str]:
    """Return the official name, and the aliases."""
    return line.rpartition("names=")[2].split(",")


@cache
def entry(official: str) -> CatalogueEntry:
    """Return the entry with this official name."""
    line = _lines()[official]
    fields = dict(field.split("=") for field in line.split())
    init, xorout, poly, check, residue = (
        int(fields[key], 16) for key in ("init", "xorout", "poly", "check", "residue")
    )
    refin, refout = (fields[key] == "true" for key in ("refin", "refout"))
    model = Model(int(fields["width"]), poly, init, refin, refout, xorout)
    return CatalogueEntry(official, model, check, residue, tuple(_names(line)[1:]))


@cache
def entries() -> dict[str, CatalogueEntry]:
    """Return every entry under its official name, in catalogue order."""
    return {official: entry(official) for official in _lines()}


def spelling(name: str) -> str:
    """Return *name* in lower case, without ``-``, ``_``, ``/`` and spaces."""
    for ignored in "-_/ ":
        name = name.replace(ignored, "")
    return name.casefold()


def names() -> dict[str, str]:
    """Return the official name by every name and alias, in catalogue order."""
    return {name: official for official, line in _lines().items() for name in _names(line)}


@cache
def spellings() -> dict[str, str]:
    """Return the official name by the `spelling` of every name and alias."""
    return {spelling(name): official for name, official in names().items()}


class UnknownAlgorithmError(KeyError, ValueError):
    """No CRC algorithm has this name. The message has the closest names.

    Mappings raise a KeyError for an unknown name, ``hashlib.new`` raises a ValueError: this is
    both.

    Examples
    --------
    >>> import numcrc
    >>> try:
    ...     numcrc.new("castagnoly")
    ... except ValueError as error:
    ...     print(error)
    no CRC algorithm is called 'castagnoly'; close matches: CRC-32/ISCSI (CRC-32/CASTAGNOLI)
    """

    def __str__(self) -> str:  # KeyError's is the repr of the name
        return not_found(*self.args)


def find(name: str) -> CatalogueEntry:
    """Return the entry of *name*, or raise `UnknownAlgorithmError`.

    >>> find("crc32c").name
    'CRC-32/ISCSI'
    """
    official = spellings().get(spelling(name)) if isinstance(name, str) else None
    if official is None:
        raise UnknownAlgorithmError(name)
    return entry(official)


def not_found(name: object) -> str:
    """Return the message about an unknown *name*, with the closest names."""
    close = _close_matches(spelling(str(name)))
    hint = f"; close matches: {', '.join(close)}" if close else ""
    return f"no CRC algorithm is called {name!r}{hint}"


# Names of uses that the catalogue does not have.
_USES = {
    **dict.fromkeys(("ethernet", "zlib", "gzip", "zip", "png"), "CRC-32/ISO-HDLC"),
    **dict.fromkeys(("ext4", "btrfs", "sctp"), "CRC-32/ISCSI"),
}
_MOST = 5
"""Close matches that a message has at most."""


def _close_matches(wrong: str) -> list[str]:
    """Return official names close to *wrong*, a `spelling`, each with the alias that matched."""
    difflib = imported("difflib")
    known = names() | _USES
    ranked = []
    for name in known:
        rank = _closeness(_parts(wrong), _parts(spelling(name)))
        if rank is not None:
            ranked.append((rank, name not in _lines(), name))
    found = [name for *_, name in sorted(ranked, key=lambda match: match[:2])]
    if not found and imported("re").search(r"\d", wrong):  # a slip in "crc" or in the digits
        spelled = {spelling(name): name for name in known}
        found = [spelled[key] for key in difflib.get_close_matches(wrong, spelled, cutoff=0.8)]
    matched: dict[str, str] = {}
    for name in found:
        matched.setdefault(known[name], name)
    shown = (name if name == alias else f"{name} ({alias})" for name, alias in matched.items())
    return list(shown)[:_MOST]


def _parts(spelled: str) -> tuple[str, str]:
    """Return the digits after "crc" and all the other characters, "" if there are none.

    >>> _parts("crc32iscsi"), _parts("modbus"), _parts("rcrc16"), _parts("32")
    (('32', 'iscsi'), ('', 'modbus'), ('16', 'r'), ('32', ''))
    """
    found = imported("re").search(r"crc(\d*)|^(\d+)$", spelled)
    if found is None:
        return "", spelled
    return found[1] or found[2] or "", spelled[: found.start()] + spelled[found.end() :]


def _closeness(wrong: tuple[str, str], known: tuple[str, str]) -> tuple[bool, float] | None:
    """Return a rank that ascends from the closest to the farthest, None if not close."""
    difflib = imported("difflib")
    (digits, label), (known_digits, known_label) = wrong, known
    if not label:
        return (bool(known_label), 0.0) if digits and digits == known_digits else None
    if not known_label:
        return None
    if label == known_label:
        likeness = 1.0
    elif min(len(label), len(known_label)) >= 3 and (label in known_label or known_label in label):
        likeness = 0.9
    else:
        likeness = difflib.SequenceMatcher(None, label, known_label).ratio()
    return (digits != known_digits and digits != "", -likeness) if likeness >= 0.8 else None
