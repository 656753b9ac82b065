"""Test objects with every kind of checksum: all match, then exactly the damaged ones differ.

With ``NUMCRC_ACCEPTANCE=full`` they are a thousand objects of up to 64 MiB, which takes minutes.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from numcrc import store
from numcrc.store.objects import Result, State
from store.clients import s3_client
from store.faulty import FaultyServer
from store.servers import LocalStack
from store.stub_objects import StubObject
from store.uploads import MIB, SMALLEST_PART, put, put_parts

FULL = os.environ.get("NUMCRC_ACCEPTANCE") == "full"
OBJECTS, LARGEST = (1000, 64 * MIB) if FULL else (60, 17 * MIB)
DAMAGED = 9
WHOLE = ["crc32", "crc32c", "crc64nvme", "sha1", "sha256", ""]
IN_PARTS = [
    *((name, "COMPOSITE") for name in ("crc32", "crc32c", "sha1", "sha256")),
    *((name, "FULL_OBJECT") for name in ("crc32", "crc32c", "crc64nvme")),
]


class Planned(NamedTuple):
    """An object to store."""

    key: str
    size: int
    algorithm: str
    kind: str = "FULL_OBJECT"
    part_size: int = 0

    def body(self) -> bytearray:
        """Return its undamaged body."""
        return bytearray(random.Random(self.key).randbytes(self.size))

    def upload(self, client: Any, bucket: str, body: bytes) -> None:
        """Store it with this body."""
        if not self.algorithm:  # S3 adds a checksum
            client.put_object(Bucket=bucket, Key=self.key, Body=body)
        elif self.part_size:
            cuts = range(0, self.size, self.part_size)
            parts = [body[at : at + self.part_size] for at in cuts]
            put_parts(client, bucket, self.key, parts, self.algorithm, self.kind)
        else:
            put(client, bucket, self.key, body, self.algorithm)


def planned() -> list[Planned]:
    """Return the objects to store: small and large, whole and in parts, with difficult names."""
    generator = random.Random(5)
    found = []
    for number in range(OBJECTS):
        key = f"{generator.choice(['a/b', 'a', 'é +%&', 'z' * 90])}/{number}"
        if number % 6 == 0:
            size = generator.randrange(SMALLEST_PART, LARGEST)
            algorithm, kind = IN_PARTS[number // 6 % len(IN_PARTS)]
            part_size = generator.choice([SMALLEST_PART, SMALLEST_PART + 1, 8 * MIB])
            found.append(Planned(key, size, algorithm, kind, part_size))
        else:
            size = 0 if number < 6 else int(2 ** generator.uniform(0, LARGEST.bit_length() - 4))
            found.append(Planned(key, size, WHOLE[number % len(WHOLE)]))
    return found


class Damage(NamedTuple):
    """A damaged byte."""

    plan: Planned
    at: int

    @property
    def parts(self) -> tuple[int, ...]:
        """The numbers of the parts that a result should have; none for a single part."""
        if self.plan.kind != "COMPOSITE" or self.plan.size <= self.plan.part_size:
            return ()
        return (self.at // self.plan.part_size + 1,)

    def body(self) -> bytes:
        """Return the damaged body."""
        body = self.plan.body()
        body[self.at] ^= 64
        return bytes(body)


@pytest.fixture(scope="module")
def plans() -> list[Planned]:
    """Return the objects of the bucket."""
    return planned()


@pytest.fixture(scope="module")
def damages(plans: list[Planned]) -> list[Damage]:
    """Choose objects of every kind to damage."""
    generator = random.Random(6)
    some = [plan for plan in plans if plan.size and not plan.part_size]
    large = [plan for plan in plans if plan.part_size]
    chosen = generator.sample(some, DAMAGED) + generator.sample(large, min(len(large), DAMAGED))
    return [Damage(plan, generator.randrange(plan.size)) for plan in chosen]


def bad(results: Any) -> dict[str, tuple[str, tuple[int, ...]]]:
    found: list[Result] = [result for result in results if result.state is not State.MATCH]
    return {result.key: (result.state.value, result.parts) for result in found}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[dict[str, str]], None]]:
    """Return a function that leads sources to a server."""

    def lead(variables: dict[str, str]) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return lead


def test_localstack(
    plans: list[Planned],
    damages: list[Damage],
    localstack: LocalStack,
    environment: Callable[[dict[str, str]], None],
    tmp_path: Path,
) -> None:
    """All objects match the store and manifests; then the replaced ones differ."""
    environment(localstack.env)
    client = s3_client(localstack.env)
    client.create_bucket(Bucket="acceptance")
    for plan in plans:
        plan.upload(client, "acceptance", bytes(plan.body()))
    report = store.verify("s3://acceptance", report=tmp_path / "report.jsonl")
    assert bad(report) == {}
    assert (report.objects, report.exit_code) == (OBJECTS, 0)
    assert report.bytes == sum(plan.size for plan in plans)
    assert {result.key: result.algorithm for result in report} == {
        plan.key: plan.algorithm or "crc64nvme" for plan in plans
    }
    computed, kept = tmp_path / "computed.parquet", tmp_path / "kept.jsonl"
    assert store.manifest("s3://acceptance", computed).objects == OBJECTS
    assert store.manifest("s3://acceptance", kept, stored=True).objects == OBJECTS
    half = store.Selection(shard=(1, 2))
    for manifest in (computed, kept):
        assert bad(store.verify("s3://acceptance/", manifest=manifest, selection=half)) == {}
    assert bad(store.verify("s3://acceptance", manifest=kept, mode="stored")) == {}

    for damage in damages:
        damage.plan.upload(client, "acceptance", damage.body())
    expected = {damage.plan.key: ("differ", damage.parts) for damage in damages}
    assert any(damage.parts for damage in damages)
    for mode in ("full", "stored", "parts"):
        report = store.verify("s3://acceptance", manifest=kept, mode=mode)
        assert bad(report) == expected
        assert (report.objects, report.exit_code) == (OBJECTS, 1)
    report = store.verify("s3://acceptance", manifest=computed)
    assert bad(report) == dict.fromkeys(expected, ("differ", ()))


def test_damage_that_the_store_does_not_notice(
    plans: list[Planned],
    damages: list[Damage],
    faulty: FaultyServer,
    environment: Callable[[dict[str, str]], None],
) -> None:
    """The store's own checksums differ, and the results have the numbers of the parts."""
    environment(faulty.env)
    for plan in plans[:200]:
        faulty.put(
            plan.key,
            StubObject.of(
                bytes(plan.body()),
                plan.algorithm or "crc64nvme",
                part_size=plan.part_size,
                kind=plan.kind,
            ),
        )
    assert bad(store.verify("s3://bucket")) == {}
    rotten = [damage for damage in damages if damage.plan in plans[:200]]
    for damage in rotten:
        stored = faulty.objects.get(damage.plan.key)
        assert stored is not None
        faulty.put(damage.plan.key, replace(stored, body=damage.body()))
    report = store.verify("s3://bucket")
    assert bad(report) == {damage.plan.key: ("differ", damage.parts) for damage in rotten}
    assert len(report) == len(plans[:200])
