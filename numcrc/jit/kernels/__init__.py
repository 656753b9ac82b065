"""The kernels, by family: Python functions on the vocabulary of `numcrc.jit.emit.vectors`."""
