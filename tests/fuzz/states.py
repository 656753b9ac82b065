"""Fuzz state files: what is known from one, and what the next run knows."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Iterator
from contextlib import suppress
from unittest import mock

from fuzz.kinds import ByteTarget, equal
from fuzz.manifests import path_of
from numcrc.store import state as state_module
from numcrc.store.merge import Pair
from numcrc.store.objects import Entry, Result, State
from numcrc.store.state import FORMAT, StateFile, fingerprint

JOB = {"source": "x", "mode": "read"}
KEYS = ("a", "b", "c", "caf\udce9", "d", "\uff5e", "\U0001f4be")
PAIRS = [Pair(key, Entry(key, 9), None) for key in KEYS]
MARKS = {pair.key: fingerprint(pair) for pair in PAIRS}
HEADER = json.dumps({"format": FORMAT, **JOB}).encode() + b"\n"
TOKENS = (
    *(b'{"after": "', b'{"after": ""}\n', *(json.dumps(state.value).encode() for state in State)),
    *(json.dumps(mark).encode() for mark in MARKS.values()),
    *(b'", "', b"[1, 2]", b"null", b"[]", b'"\\udce9"', b'"\\ud800"', HEADER),
)


def run(data: bytes) -> None:
    """Resume from a file: what is known is in the file, and the next run knows all."""
    path = path_of("state")
    with open(path, "wb") as file:
        file.write(data)
    numbers = random.Random(zlib.crc32(data))
    with mock.patch.object(state_module, "MARK_EVERY", numbers.choice((1, 2, 256))):
        try:
            known, found = _resumed(path, numbers)
        except UnicodeError:
            raise  # is a ValueError, but has no message for a user
        except ValueError:
            with open(path, "rb") as file:
                assert file.read() == data
            return
        lines = [_decoded(line) for line in data.split(b"\n")]
        for result in known:
            assert [MARKS[result.key], *json.loads(json.dumps(result))] in lines
        again, _ = _resumed(path, numbers)
        equal(again, found)


def _resumed(path: str, numbers: random.Random) -> tuple[list[Result], list[Result]]:
    """Record the results that are not known in some order; return the known ones, and all."""
    with StateFile(path, JOB) as state:
        results = [state.known(number, pair) for number, pair in enumerate(PAIRS)]
        known = [result for result in results if result is not None]
        unknown = [number for number, result in enumerate(results) if result is None]
        numbers.shuffle(unknown)
        while unknown:
            count = numbers.randint(1, 3)
            some, unknown = unknown[:count], unknown[count:]
            # All up to the key before the first that is not recorded.
            before = min([*some, *unknown])
            new = {k: Result(KEYS[k], State.MATCH, 9, detail="new") for k in some}
            state.record(new, KEYS[before - 1] if before else "")
            for number, result in new.items():
                results[number] = result
    return known, [result for result in results if result is not None]


def _decoded(line: bytes) -> object:
    with suppress(ValueError, RecursionError):
        return json.loads(line)
    return None


def seeds() -> Iterator[bytes]:
    """Yield files of one run, of a killed one, and of two."""
    path = path_of("state")
    for keys in (KEYS, KEYS[::2], ()):
        with open(path, "wb"):
            pass
        for state in (State.MATCH, State.DIFFER):
            with StateFile(path, JOB) as file:
                for number, pair in enumerate(PAIRS):
                    if file.known(number, pair) is None and pair.key in keys:
                        result = Result(pair.key, state, 9, "md5", "0", "0", (1, 2), "x")
                        file.record({number: result}, KEYS[number - 1] if number else "")
            with open(path, "rb") as content:
                data = content.read()
            yield data
            yield data[:-9]
            keys = KEYS
    yield HEADER
    yield b""


TARGETS = (ByteTarget("state", "state files", run, seeds, TOKENS),)
