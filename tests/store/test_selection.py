"""Test the selection and order of keys, and joins of two sides."""

from __future__ import annotations

import random

import pytest

from numcrc.store import merge
from numcrc.store.keys import key_bytes
from numcrc.store.merge import Pair, full_join, sorted_entries
from numcrc.store.objects import Checksum, Entry
from numcrc.store.selection import Selection
from store.fakes import NASTY


@pytest.mark.parametrize("run_length", [1, 3, 10_000])
def test_entries_are_sorted_in_runs_of_any_length(
    monkeypatch: pytest.MonkeyPatch, run_length: int
) -> None:
    monkeypatch.setattr(merge, "RUN", run_length)
    monkeypatch.setattr(merge, "BLOCK", 2)
    monkeypatch.setattr(merge, "IN_MEMORY", 100)
    keys = [*NASTY, *map(str, range(50))]
    mixed = [Entry(key, len(key)) for key in keys * 2]
    random.Random(1).shuffle(mixed)
    found = list(sorted_entries(mixed))
    assert [key_bytes(entry.key) for entry in found] == sorted(map(key_bytes, {*keys}))


def test_duplicates_are_merged_or_refused() -> None:
    one, other = Checksum("crc32", b"1234"), Checksum("md5", bytes(16))
    entries = [Entry("a", None, (one,)), Entry("a", 7, (other,), "v"), Entry("a", 7, (one,))]
    assert list(sorted_entries(entries)) == [Entry("a", 7, (one, other), "v")]
    for contradiction in (
        Entry("a", 8),
        Entry("a", 7, (Checksum("crc32", b"4321"),)),
        Entry("a", 7, (), "w"),
    ):
        with pytest.raises(ValueError, match="duplicate key 'a' with different"):
            list(sorted_entries([*entries, contradiction]))


def test_full_join() -> None:
    generator = random.Random(2)
    keys = [*NASTY, *map(str, range(30))]
    for _ in range(20):
        sides = [
            {key: Entry(key) for key in keys if generator.random() < share}
            for share in (generator.random(), generator.random())
        ]
        pairs = list(full_join(*(sorted_entries(side.values()) for side in sides)))
        expected = {key: Pair(key, *(side.get(key) for side in sides)) for key in keys}
        assert {pair.key: pair for pair in pairs} == {
            key: pair for key, pair in expected.items() if pair.present or pair.expected
        }
        assert [pair.key for pair in pairs] == sorted((pair.key for pair in pairs), key=key_bytes)
    with pytest.raises(ValueError, match="'a' is listed out of order"):
        list(full_join([Entry("b"), Entry("a")], []))


@pytest.mark.parametrize(
    ("pattern", "matches", "others"),
    [
        ("*.jpg", ["a.jpg", "b/c.jpg", ".jpg"], ["a.jpg/b", "a.jpeg", "ajpg"]),
        ("/*.jpg", ["a.jpg"], ["b/c.jpg"]),
        ("b/*", ["b/c", "a/b/c"], ["b/c/d", "ab/c"]),
        ("b/", ["b/c", "b/c/d", "a/b/c"], ["b", "ab/c"]),
        ("/b/**", ["b/c", "b/c/d"], ["a/b/c"]),
        ("a/**/z", ["a/z", "a/b/z", "a/b/c/z"], ["a/bz", "az"]),
        ("?[a-c][!x].", ["1az.", "/1bz."], ["1dz.", "1ax.", "/az.", "1a/."]),
        ("[]]", ["]"], ["[", "a"]),
        ("[^a]", ["^", "a"], ["b"]),
        ("a+(b)|c", ["a+(b)|c"], ["aab", "c"]),
        ("*", ["a", "a/b", "\n"], []),
        ("[", ["["], ["a"]),
        ("é\n*", ["é\n\n"], ["é"]),
    ],
)
def test_patterns(pattern: str, matches: list[str], others: list[str]) -> None:
    assert [key for key in matches if not Selection([pattern])(key)] == []
    assert [key for key in others if Selection([pattern])(key)] == []
    assert [key for key in matches if Selection(exclude=[pattern])(key)] == []


def test_exclude_goes_before_include() -> None:
    selected = Selection(["*.jpg", "b/"], ["/b/c/", "*.tmp"])
    assert [key for key in ("a.jpg", "b/x", "b/c/a.jpg", "a.tmp", "b/y.tmp") if selected(key)] == [
        "a.jpg",
        "b/x",
    ]


def test_shards_share_out_the_keys_and_samples_nest() -> None:
    keys = [f"{number}\udcff" for number in range(4000)]
    shards = [{key for key in keys if Selection(shard=(k, 4))(key)} for k in range(1, 5)]
    assert set.union(*shards) == set(keys)
    assert sum(map(len, shards)) == len(keys)
    assert all(850 < len(shard) < 1150 for shard in shards)
    small, large = ({k for k in keys if Selection(sample=p)(k)} for p in (0.1, 0.5))
    assert small < large
    assert 300 < len(small) < 500
    assert 60 < len(small & shards[0]) < 140  # a shard does not skew a sample
    assert [k for k in keys if Selection(sample=1.0)(k)] == keys
    # Shards must be the same on every machine and in every version.
    assert [k for k in map(str, range(20)) if Selection(shard=(1, 5))(k)] == ["5", "12", "13"]
    for wrong in ({"shard": (0, 4)}, {"shard": (5, 4)}, {"sample": 0.0}, {"sample": 1.5}):
        with pytest.raises(ValueError, match=r"shard|sample"):
            Selection(**wrong)  # type: ignore[arg-type]
    for pattern in ("", "/", "[z-a]"):
        with pytest.raises(ValueError, match="invalid pattern"):
            Selection([pattern])
