"""Describe sources, manifests and patterns in help texts."""

from __future__ import annotations

from numcrc.store.manifests import formats
from numcrc.store.sources import SCHEMES


def table(*rows: tuple[str, str]) -> str:
    """Return rows of a name and a text, aligned, for a help text."""
    width = max(len(name) for name, _ in rows)
    return "".join(f"  {name:{width}}  {text}\n" for name, text in rows)


SOURCES = f"""\
SOURCE is a path or a URL:
{table(*((scheme.form, scheme.summary) for scheme in SCHEMES))}\
Credentials, region and endpoint come from the usual places: AWS_* variables and profiles,
GOOGLE_APPLICATION_CREDENTIALS, AZURE_* variables.

GLOB: * matches any characters except "/", ** any characters, ? one character, [a-z] one of a set.
A pattern must match the end of a key, from its beginning or after a "/"; one that begins with "/"
must match the whole key; one that ends with "/" matches all below a folder. --exclude goes before
--include. SIZE and RATE (per second) take K, M, G and T for powers of 1024, and KB, MB, GB and TB
for powers of 1000.
"""

READ_FORMATS = table(*((each.name, each.summary) for each in formats()))
"""The formats of manifests that can be read."""

WRITTEN_FORMATS = table(
    *(
        (each.name, ": ".join(filter(None, (each.summary, ", ".join(each.suffixes)))))
        for each in formats(writable=True)
    )
)
"""The formats of manifests that can be written, with the suffixes of their files."""
