"""Test that the stand-ins for typing and functools do what these do."""

from __future__ import annotations

import pickle
import shutil
import typing
from functools import cache

import pytest

from numcrc import _light
from numcrc.cli import arguments


class Light(_light.NamedTuple):
    """A value."""

    new: int
    cls: str = "a"
    """A field."""
    sizes: tuple[int, ...] = ()

    @property
    def twice(self) -> int:
        """Return the double."""
        return 2 * self.new


class Typed(typing.NamedTuple):
    """A value."""

    new: int
    cls: str = "a"
    """A field."""
    sizes: tuple[int, ...] = ()

    @property
    def twice(self) -> int:
        """Return the double."""
        return 2 * self.new


@pytest.mark.parametrize("kind", [Light, Typed])
def test_a_named_tuple(kind):
    value = kind(1, sizes=(2,))
    assert type(kind) is type
    assert kind.__doc__ == "A value."
    assert kind._fields == ("new", "cls", "sizes")
    assert kind._field_defaults == {"cls": "a", "sizes": ()}
    assert value == (1, "a", (2,)) == kind(new=1, cls="a", sizes=(2,))
    assert hash(value) == hash((1, "a", (2,)))
    assert (value.new, value.cls, value.sizes, value.twice) == (1, "a", (2,), 2)
    assert repr(value) == f"{kind.__name__}(new=1, cls='a', sizes=(2,))"
    assert value._asdict() == {"new": 1, "cls": "a", "sizes": (2,)}
    assert value._replace(new=3) == kind(3, "a", (2,))
    assert type(value._replace(new=3)) is kind
    copy = pickle.loads(pickle.dumps(value))
    assert (type(copy), copy) == (kind, value)
    assert not hasattr(value, "__dict__")
    for wrong in ((), (1, "a", (), 4)):
        with pytest.raises(TypeError):
            kind(*wrong)
    with pytest.raises(TypeError):
        kind(1, other=2)
    with pytest.raises((TypeError, ValueError), match="other"):
        value._replace(other=2)
    with pytest.raises(AttributeError):
        value.new = 2


@pytest.mark.parametrize("cached", [cache, _light.cache])
def test_a_cache(cached):
    calls = []

    @cached
    def function(a: int, b: int = 0) -> int:
        """Return the sum."""
        calls.append((a, b))
        if b < 0:
            raise KeyError(b)
        return a + b

    assert (function(1), function(1), function(1, 2)) == (1, 1, 3)
    assert calls == [(1, 0), (1, 2)]
    assert function.__wrapped__(1) == 1
    assert (function.__name__, function.__doc__) == ("function", "Return the sum.")
    for _ in range(2):
        with pytest.raises(KeyError) as raised:
            function(1, -1)
        assert raised.value.__context__ is None
    assert len(calls) == 5
    function.cache_clear()
    assert function(1) == 1
    assert len(calls) == 6


@pytest.mark.parametrize("columns", ["", "0", "50", "wide", None])
def test_the_width_of_help(columns, monkeypatch):
    if columns is None:
        monkeypatch.delenv("COLUMNS", raising=False)
    else:
        monkeypatch.setenv("COLUMNS", columns)
    assert arguments._columns() == shutil.get_terminal_size().columns
