"""asv benchmarks of numcrc and of what could be used in its place."""
