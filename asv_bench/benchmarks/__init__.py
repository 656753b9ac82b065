"""Benchmarks of numcrc and its rivals, for asv."""
