"""Compute CRCs by functions for Numba, written with the operations of `numcrc.jit.emit`."""
