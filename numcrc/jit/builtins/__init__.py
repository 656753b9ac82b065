"""Make functions of CPython's of kernels."""
