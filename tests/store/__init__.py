"""Tests of object stores, in a package so that its conftest differs from that of other tests."""
