"""Lists of checksums as other programs write and read them: GNU, BSD, SFV, JSON Lines."""
