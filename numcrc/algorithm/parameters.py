"""An algorithm's parameters as an immutable object: what `numcrc.Algorithm` is made of."""

from __future__ import annotations

import operator
from typing import TypeVar

from numcrc import reference
from numcrc.model import Model, validated

Self = TypeVar("Self", bound="Parameters")


class Parameters:
    """The fields of a CRC algorithm: verified, immutable, hashable, picklable."""

    name: str
    width: int
    poly: int
    init: int
    refin: bool
    refout: bool
    xorout: int
    check: int
    residue: int
    aliases: tuple[str, ...]
    _model: Model

    def __init__(
        self,
        width: int,
        poly: int,
        init: int = 0,
        refin: bool = False,
        refout: bool = False,
        xorout: int = 0,
        check: int | None = None,
        name: str | None = None,
    ) -> None:
        model = validated(locals())
        actual = reference.crc(model, b"123456789")
        if check is not None and operator.index(check) != actual:
            raise ValueError(f"check {check:#x} does not match: these parameters give {actual:#x}")
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name must be a string, not {type(name).__name__}")
        self._set(name or f"CRC-{model.width}", model, actual, ())

    def _set(self, name: str, model: Model, check: int, aliases: tuple[str, ...]) -> None:
        residue = reference.residue(model)
        vars(self).update(
            model._asdict(),
            name=name,
            check=check,
            residue=residue,
            aliases=aliases,
            _model=model,
        )

    @classmethod
    def _known(
        cls: type[Self], name: str, model: Model, check: int, aliases: tuple[str, ...] = ()
    ) -> Self:
        """Return an algorithm whose check value needs no verifying."""
        self = object.__new__(cls)
        self._set(name, model, check, aliases)
        return self

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"cannot change {name!r}: an Algorithm is immutable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"cannot delete {name!r}: an Algorithm is immutable")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Parameters):
            return NotImplemented
        return (self.name, self._model) == (other.name, other._model)

    def __hash__(self) -> int:
        return hash((self.name, self._model))

    def __repr__(self) -> str:
        digits = (self.width + 3) // 4 + 2
        fields = self._model._asdict()
        for field in ("poly", "init", "xorout"):
            fields[field] = f"{fields[field]:#0{digits}x}"
        shown = ", ".join(f"{field}={value}" for field, value in fields.items())
        return f"{type(self).__name__}({shown}, check={self.check:#0{digits}x}, name={self.name!r})"
