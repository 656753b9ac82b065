"""The sources of URLs that are neither local nor S3's."""

from __future__ import annotations

from numcrc.store.source import Source


def RemoteSource(url: str) -> Source:  # noqa: N802
    """Return the source of a gs://, az://, http:// or https:// URL."""
    scheme = url.partition("://")[0]
    if scheme == "gs":
        from numcrc.store.sources.gcs import GcsSource

        return GcsSource(url)
    if scheme == "az":
        from numcrc.store.sources.azure import AzureSource

        return AzureSource(url)
    from numcrc.store.sources.web import WebSource

    return WebSource(url)
