"""Connect numcrc to other packages; each module is imported only where it is needed."""
