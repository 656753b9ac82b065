"""CPython builtins around the kernels: one message, many records, CRCs from CRCs."""
