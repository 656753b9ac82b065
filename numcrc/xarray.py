"""Compute the CRCs of the variables of xarray datasets."""
