"""Compute CRCs: Python functions on the operations of `numcrc.jit.emit`, by family."""
