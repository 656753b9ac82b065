"""Test that the stand-ins for typing and functools do what these do."""

from __future__ import annotations

import copy as copying
import inspect
import pickle
import shutil
import sys
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
    made = kind._make((3, "a", (2,)))
    assert (type(made), made) == (kind, (3, "a", (2,)))
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


def matched(value: object) -> tuple[object, ...]:
    match value:
        case Light(new, cls, sizes=sizes) | Typed(new, cls, sizes=sizes):
            return new, cls, sizes
    return ()


@pytest.mark.parametrize("kind", [Light, Typed])
def test_what_users_do_with_a_named_tuple(kind):
    assert matched(kind(1)) == (1, "a", ())
    assert kind._make([1, "b", (2,)]) == kind(1, "b", (2,))
    assert type(kind._make([1, "b", (2,)])) is kind
    assert [type(copy(kind(1))) for copy in (copying.copy, copying.deepcopy)] == [kind, kind]
    if sys.version_info >= (3, 13):
        assert copying.replace(kind(1), new=3) == kind(3)
    with pytest.raises(TypeError, match=kind.__name__ + r"\.__new__\(\) missing"):
        kind()
    with pytest.raises(TypeError, match=kind.__name__ + r"\.__new__\(\) got an unexpected"):
        kind(1, other=2)
    parameters = inspect.signature(kind).parameters.values()
    assert [parameter.default for parameter in parameters][1:] == ["a", ()]
    assert inspect.Parameter.empty not in {parameter.annotation for parameter in parameters}
    assert typing.get_type_hints(kind) == {"new": int, "cls": str, "sizes": tuple[int, ...]}


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


@pytest.mark.parametrize("columns", ["", "0", "50", " 50 ", "-5", "9" * 5000, "wide", None])
def test_the_width_of_help(columns, monkeypatch):
    if columns is None:
        monkeypatch.delenv("COLUMNS", raising=False)
    else:
        monkeypatch.setenv("COLUMNS", columns)
    assert arguments._columns() == shutil.get_terminal_size().columns
