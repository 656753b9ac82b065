"""Compute and verify CRCs of Dask arrays and, with Dask, of whole stores."""
