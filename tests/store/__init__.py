"""Tests against object stores: a package, for its conftest is not that of the other tests."""
