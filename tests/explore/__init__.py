"""Tests of numcrc.explore."""
