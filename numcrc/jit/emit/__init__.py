"""The vocabulary that kernels are written in: the only modules that write LLVM IR."""
