"""Read and write the lines of check files: GNU, BSD, SFV and JSON Lines."""
