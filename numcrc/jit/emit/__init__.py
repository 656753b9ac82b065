"""Emit the LLVM IR that kernels are made of; no other module emits any."""
