"""numcrc inside other packages, each imported only by what needs it."""
