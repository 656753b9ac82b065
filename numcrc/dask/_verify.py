"""Implement `numcrc.dask.verify`: check a store with the workers of a Dask cluster."""

from __future__ import annotations

import hashlib
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import islice
from queue import Empty, SimpleQueue
from threading import Event
from typing import Any
from uuid import uuid4

from numcrc._light import NamedTuple
from numcrc.store._verify import exists, manifest_identity
from numcrc.store._verify import verify as verify_here
from numcrc.store.keys import KeyRange, key_bytes
from numcrc.store.manifests import read_manifest, write_manifest
from numcrc.store.manifests.cuts import open_cuts
from numcrc.store.manifests.output import partial_path
from numcrc.store.manifests.reports import ReportPart, read_results, report_writer
from numcrc.store.merge import sorted_entries
from numcrc.store.objects import Entry, Result, State
from numcrc.store.pipeline import DEFAULT_LIMITS, MODES, Limits
from numcrc.store.progress import Progress
from numcrc.store.report import Report
from numcrc.store.report_folder import Commit, ReportFolder
from numcrc.store.retries import Retries, StoppedError
from numcrc.store.selection import EVERYTHING, Selection
from numcrc.store.source import MissingError, StoreError
from numcrc.store.sources import StrPath, opened, without_login
from numcrc.store.sources.local import path_of

try:
    import distributed
except ImportError as error:
    raise ImportError("this needs Dask: pip install 'numcrc[dask]'") from error

# Objects of which a worker must know what this process knows of them.
_PROBED = 3
# Tasks for each thread of a worker that are given to the scheduler at a time.
_AHEAD = 4
# Seconds between looks at a stop, and at the number of workers.
_POLL, _RECOUNT = 0.2, 5.0
# Bytes of a file that are hashed at a time.
_PIECE = 1 << 20
# How often a part is tried whose task raises an exception.
_ATTEMPTS = 3
# A script for local workers: a terminal interrupts them too, but only the client is to react.
_IGNORE_INTERRUPTS = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
_KILLED = "the worker died each time that it checked this part of the keys"


class _Job(NamedTuple):
    """All that tasks have in common. Credentials are those of the workers."""

    source: str
    manifest: str
    folder: str
    identity: dict[str, Any]
    mode: str
    one_way: bool
    selection: Selection
    limits: Limits


class _Failure(NamedTuple):
    """What went wrong in a task: exceptions of the store need not be pickled."""

    text: str


def verify(
    source: StrPath,
    *,
    manifest: StrPath,
    report: StrPath,
    client: Any = None,
    keys_per_task: int = 2000,
    mode: str = "full",
    algorithm: str | None = None,
    selection: Selection = EVERYTHING,
    limits: Limits = DEFAULT_LIMITS,
    one_way: bool = False,
    progress: Progress | None = None,
    on_failure: Callable[[Result], object] | None = None,
    stop: Event | None = None,
) -> Report:
    r"""Check which objects of a store are as a manifest says, with the workers of a Dask cluster.

    The keys are divided into ranges, and each task checks one as `numcrc.store.verify` does. A task
    writes the results of its part to a folder, where the parts that are done are the state of the
    job: if it is interrupted, the same call does only what is missing. Parts with objects that
    could not be checked are done again.

    Parameters
    ----------
    source
        A path or URL that all workers see. Credentials are those of the workers' environment.
    manifest
        The expected objects, as for `numcrc.store.verify`. A Parquet file in the order of its keys,
        as `numcrc.store.manifest` writes it, must be at a path that all workers see; anything else
        is copied to such a file in the folder of the report.
    report
        The path of a folder for the report, which all workers see and can write to. It is made if
        it does not exist.
    client
        A ``distributed.Client``, the address of a scheduler, or ``"local:N"`` for N processes of
        this machine. By default, the current client of Dask.
    keys_per_task
        The rows of the manifest for a task.
    mode, algorithm, selection, one_way
        As for `numcrc.store.verify`.
    limits
        Those of each task. By default, a task reads with one thread from a path, and with eight
        from a store; as many tasks run at once as the workers have threads.
    progress
        Counts the objects of parts that are done.
    on_failure
        Called with each result other than a match, in the order of their keys, at the end.
    stop
        An event that, once set, ends the run early.

    Returns
    -------
    Report
        The results of all parts, in the order of their keys, and their counts.

    Raises
    ------
    StoreError
        The source cannot be listed, a worker does not see it or the folder, or the scheduler
        cannot be reached.
    ValueError
        An argument is invalid, a manifest is damaged, or the folder has the report of another job.
    OSError
        The manifest or the folder cannot be read or written.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from distributed import Client
    >>> from numcrc import store
    >>> local = Client(processes=False, dashboard_address=":0")
    >>> with TemporaryDirectory() as folder, local as client:
    ...     data, listed = Path(folder, "data"), Path(folder, "data.parquet")
    ...     data.mkdir()
    ...     for name in ("a", "b", "c"):
    ...         size = data.joinpath(name).write_bytes(b"123456789")
    ...     assert store.manifest(data, listed).ok
    ...     report = verify(data, manifest=listed, report=Path(folder, "report"), client=client)
    ...     [result.key for result in report], report.exit_code
    (['a', 'b', 'c'], 0)
    """
    if keys_per_task < 1:
        raise ValueError(f"keys_per_task must be at least 1, not {keys_per_task}")
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, not {mode!r}")
    start = time.monotonic()
    stop = stop or Event()
    folder = ReportFolder(_folder_path(report))
    url = _source_url(source)
    manifest = os.fspath(manifest)
    if manifest.startswith("file://"):
        manifest = path_of(manifest)
    if "://" not in url:
        if _is_inside(folder.path, url):
            raise ValueError(f"report {folder.path}: it is inside of the source")
        limits = limits._replace(threads=limits.threads or 1)
    found = Report(lambda: _results(folder, done), selection.allow_empty)
    identified = manifest_identity(manifest)
    with _planned(
        manifest, folder, url, keys_per_task, algorithm, selection, limits, found
    ) as plan:
        ranges = [keys.common(selection.range) for keys in plan.ranges]
        ranges = [keys for keys in ranges if not keys.ends_before(keys.first)]
        identity = folder.begin(
            {
                "source": url,
                "manifest": [*identified, *plan.digest],
                "mode": mode,
                "algorithm": algorithm,
                **selection.identity,
                "one_way": one_way,
                "keys per task": keys_per_task,
                "parts": len(ranges),
            }
        )
        listed = folder.keep_manifest(plan.manifest) if plan.copied else plan.manifest
    if not one_way and "://" not in url:
        found.unmarked = ""  # objects that it lacks are extra
    job = _Job(url, listed, folder.path, identity, mode, one_way, selection, limits)
    done: dict[int, Commit] = {}
    if progress is not None:
        progress.expect(plan.rows)

    def finish(commit: Commit) -> None:
        done[commit.number] = commit
        if progress is not None:
            progress.add(sum(commit.counts.values()), commit.bytes)

    for commit in folder.commits():
        if commit.final and commit.number < len(ranges):
            finish(commit)
    missing = [number for number in range(len(ranges)) if number not in done]
    killed: list[int] = []
    try:
        if missing:
            folder.clean()
            with _connected(client, stop) as cluster:
                tasks = _Tasks(cluster, job, ranges, stop)
                tasks.check_first_worker()
                killed = tasks.run(missing, finish)
        for number in killed:
            _write_killed(folder, job, number, ranges[number], finish)
    except StoppedError:
        parts = f"{len(done)} of {len(ranges)} parts are done"
        found.stopped = f"stopped early; {parts}, the same call does the others"
    for number in sorted(done):
        found.add(done[number].counts, done[number].bytes)
        if on_failure is not None and done[number].counts.keys() - {State.MATCH}:
            for result in read_results(folder.part(number)):
                if result.state is not State.MATCH:
                    on_failure(result)
    if killed:
        parts = "1 part was" if len(killed) == 1 else f"{len(killed)} parts were"
        found.stopped = f"{parts} not checked: {_KILLED}"
    found.seconds = time.monotonic() - start
    return found


def _folder_path(report: StrPath) -> str:
    path = os.fspath(report)
    if "://" in path and not path.startswith("file://"):
        raise ValueError(f"report {without_login(path)}: expected the path of a folder")
    return os.path.abspath(path_of(path))


def _source_url(source: object) -> str:
    """Return the path or URL that workers open."""
    if not isinstance(source, (str, os.PathLike)):
        raise TypeError(f"expected the path or URL of a source, got {type(source).__name__}")
    url = os.fspath(source)
    if without_login(url) != url:
        problem = "a login in a URL would be sent to the scheduler"
        raise ValueError(f"{without_login(url)}: {problem}")
    if "://" in url and not url.startswith("file://"):
        return url
    return os.path.abspath(path_of(url))


def _is_inside(path: str, folder: str) -> bool:
    start = os.path.join(os.path.realpath(folder), "")
    return os.path.join(os.path.realpath(path), "").startswith(start)


def _results(folder: ReportFolder, done: Iterable[int]) -> Iterator[Result]:
    for number in sorted(done):
        yield from read_results(folder.part(number))


# Ranges of keys


class _Plan(NamedTuple):
    manifest: str
    """The path of a Parquet file in the order of its keys."""
    ranges: list[KeyRange]
    rows: int
    copied: bool = False
    """Whether that file is a copy, which is removed unless it is kept."""
    digest: list[str] = []  # noqa: RUF012
    """That of the copy, if the manifest is not a local file: it may change, and keep its name."""


@contextmanager
def _planned(
    manifest: str,
    folder: ReportFolder,
    source: str,
    keys_per_task: int,
    algorithm: str | None,
    selection: Selection,
    limits: Limits,
    found: Report,
) -> Iterator[_Plan]:
    """Divide the keys; copy a manifest that is not Parquet in the order of its keys."""
    with open_cuts(manifest) as cuts:
        plan = None
        if cuts is not None:
            ranges = list(cuts.ranges(keys_per_task))
            plan = _Plan(os.path.abspath(manifest), ranges, cuts.rows)
    if plan is not None:
        yield plan
        return
    _check_is_outside(manifest, source, selection)
    firsts = [b""]

    def counted(entries: Iterable[Entry]) -> Iterator[Entry]:
        for row, entry in enumerate(entries):
            if any(checksum.guessed for checksum in entry.checksums):
                # Parquet has no place for that, and a mismatch would look certain.
                problem = f"the algorithm of {entry.key!r} is a guess: pass algorithm"
                raise ValueError(f"manifest {manifest}: {problem}")
            if row and row % keys_per_task == 0:
                firsts.append(key_bytes(entry.key))
            yield entry

    os.makedirs(folder.path, exist_ok=True)
    copy = folder.temporary_manifest()
    try:
        with opened(source) as here:
            entries = read_manifest(
                manifest,
                algorithm=algorithm,
                prefix=here.inventory_prefix,
                on_malformed=found.malformed.add,
                on_unmarked=found.set_unmarked,
                exists=partial(exists, here, Retries(limits.attempts, time.sleep)),
            )
            rows = write_manifest(copy, counted(sorted_entries(entries)))
        digest = [] if os.path.isfile(manifest) else [_digest(copy)]
        yield _Plan(copy, list(map(KeyRange, firsts, [*firsts[1:], None])), rows, True, digest)
    finally:
        with suppress(FileNotFoundError):
            os.remove(copy)


def _check_is_outside(manifest: str, source: str, selection: Selection) -> None:
    """Raise ValueError if a manifest is an object of the source: workers read a copy of it."""
    if "://" in source:
        start = f"{source.rstrip('/')}/"
        if manifest.startswith(start) and selection(manifest[len(start) :]):
            raise ValueError(f"manifest {manifest}: it is an object of the source: exclude it")
    elif os.path.exists(manifest) and _is_inside(manifest, source):
        raise ValueError(f"manifest {manifest}: it is inside of the source, and not sorted Parquet")


def _digest(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


# Tasks, which run in workers


def _check_part(job: _Job, number: int, keys: KeyRange) -> Commit | _Failure:
    """Check a part, unless it is done."""
    folder = ReportFolder(job.folder)
    written = folder.temporary(number)
    try:
        if folder.job() != job.identity:
            raise ValueError(f"{folder.path}: the report of another job")
        known = folder.committed(number)
        if known is not None and known.final:
            return known
        report = verify_here(
            job.source,
            manifest=job.manifest,
            mode=job.mode,
            report=written,
            selection=job.selection.within(keys),
            limits=job.limits,
            one_way=job.one_way,
            keep=False,
        )
        commit = Commit(number, report.counts, report.bytes)
        folder.commit(written, commit)
    except (StoreError, OSError, ValueError, ImportError) as error:
        for path in (written, partial_path(written)):
            with suppress(OSError):
                os.remove(path)
        return _failure(error)
    return commit


def _sizes(source: str, keys: Sequence[str]) -> list[int | str | _Failure | None] | _Failure:
    """Return the sizes of some objects; the text of the error for those that are missing."""
    sizes: list[int | str | _Failure | None] = []
    try:
        with opened(source) as here:
            for key in keys:
                try:
                    sizes.append(here.stat(key).size)
                except MissingError as error:
                    sizes.append(str(error))
                except StoreError as error:
                    sizes.append(_failure(error))
    except (StoreError, OSError, ValueError, ImportError) as error:
        return _failure(error)
    return sizes


def _failure(error: Exception) -> _Failure:
    return _Failure(f"{error or type(error).__name__}")


# The client


@contextmanager
def _connected(client: Any, stop: Event) -> Iterator[Any]:
    """Yield a client; close what is opened for that."""
    if client is None:
        try:
            client = distributed.get_client()
        except ValueError as error:
            raise ValueError("no Dask client: pass client") from error
    if not isinstance(client, str):
        if not isinstance(client, distributed.Client) or client.asynchronous:
            raise TypeError("client must be a synchronous distributed.Client, or an address")
        yield client
        return
    local = client.startswith("local:")
    count = client.removeprefix("local:")
    if local and not (count.isascii() and count.isdecimal() and 0 < int(count) < 10_000):
        raise ValueError(f"invalid number of processes: {client!r}")
    with ExitStack() as stack:
        try:
            where: Any = client
            if local:
                where = stack.enter_context(_local_cluster(int(count)))
            found = stack.enter_context(distributed.Client(where, set_as_default=False))
        except Exception as error:
            if stop.is_set():  # an interrupt ends workers that are starting
                raise StoppedError from error
            problem = f"{type(error).__name__}: {error}"
            raise StoreError(f"cannot connect to {client}: {problem}") from error
        yield found


def _local_cluster(count: int) -> Any:
    return distributed.LocalCluster(
        n_workers=count,
        threads_per_worker=1,
        processes=True,
        dashboard_address="127.0.0.1:0",  # any free port
        silence_logs="ERROR",
        preload=[_IGNORE_INTERRUPTS],
    )


class _Tasks:
    """The tasks of a job."""

    def __init__(self, client: Any, job: _Job, ranges: Sequence[KeyRange], stop: Event) -> None:
        self._client, self._job, self._ranges, self._stop = client, job, ranges, stop
        self._folder = ReportFolder(job.folder)
        self._name = f"numcrc-verify-{uuid4().hex[:12]}"
        self._running: dict[str, tuple[Any, int]] = {}
        self._ended: SimpleQueue[Any] = SimpleQueue()
        self._window, self._counted = _AHEAD, 0.0

    def check_first_worker(self) -> None:
        """Raise StoreError if a worker does not find objects that are found here."""
        entries = read_manifest(self._job.manifest, keys=self._ranges[0])
        keys = [entry.key for entry in islice(entries, _PROBED)]
        here = _sizes(self._job.source, keys)
        self._start(_sizes, -1, self._job.source, keys)
        try:
            there = self._next()[1]
        finally:
            self._cancel()
        if isinstance(there, distributed.KilledWorker):
            raise StoreError("the first worker died when it opened the source") from there
        failures = [there] if isinstance(there, _Failure) else there
        if failures and all(isinstance(found, _Failure) for found in failures):
            raise StoreError(f"a worker cannot use the source: {failures[0].text}")
        if isinstance(here, _Failure):  # such as without credentials
            return
        for size, found in zip(here, there, strict=True):
            if not isinstance(size, (str, _Failure)) and isinstance(found, (str, _Failure)):
                problem = found.text if isinstance(found, _Failure) else found
                raise StoreError(f"a worker does not see the objects of the source: {problem}")

    def run(self, numbers: Iterable[int], finish: Callable[[Commit], object]) -> list[int]:
        """Do the parts *numbers*, and return those that end their worker each time.

        Raises
        ------
        StoppedError
            The stop is set.
        StoreError
            A part cannot be done, or the scheduler is gone.
        """
        waiting, suspects = deque(numbers), deque[int]()
        failures: Counter[int] = Counter()
        killed: list[int] = []
        try:
            while waiting or suspects or self._running:
                while waiting and len(self._running) < self._most():
                    self._check(waiting.popleft())
                alone = not self._running
                if alone:
                    # A worker that dies leaves all of its tasks under suspicion.
                    self._check(suspects.popleft())
                number, result = self._next()
                if isinstance(result, Commit):
                    finish(result)
                elif isinstance(result, distributed.KilledWorker):
                    (killed if alone else suspects).append(number)
                else:
                    failures[number] += 1
                    if failures[number] == _ATTEMPTS:
                        raise StoreError(f"part {number}: {result.text}")
                    waiting.append(number)
        finally:
            self._cancel()
        return killed

    def _check(self, number: int) -> None:
        self._start(_check_part, number, self._job, number, self._ranges[number])

    def _start(self, function: Callable[..., object], number: int, *arguments: object) -> None:
        future = self._client.submit(
            function, *arguments, key=f"{self._name}-{number}-{uuid4().hex[:8]}", pure=False
        )
        self._running[future.key] = future, number
        future.add_done_callback(self._ended.put)

    def _next(self) -> tuple[int, Any]:
        """Wait for a task; return its number with its result, or `KilledWorker`."""
        while True:
            if self._stop.is_set():
                raise StoppedError
            try:
                future = self._ended.get(timeout=_POLL)
                break
            except Empty:
                if self._client.status not in ("running", "connecting"):
                    raise StoreError("the connection to the scheduler is lost") from None
        _, number = self._running.pop(future.key)
        if future.status == "finished":
            # To ask the worker for the result takes much longer than to read it here.
            known = self._folder.committed(number) if number >= 0 else None
            result = known if known is not None and known.final else future.result()
        elif future.status == "error":
            result = future.exception()
            if not isinstance(result, distributed.KilledWorker):
                what = f"part {number}" if number >= 0 else "a worker cannot run tasks"
                raise StoreError(f"{what}: {type(result).__name__}: {result}") from result
        else:
            raise StoreError("the scheduler is gone, or has cancelled the tasks")
        future.release()
        return number, result

    def _most(self) -> int:
        """Return how many tasks the scheduler should have."""
        now = time.monotonic()
        if now > self._counted + _RECOUNT:
            self._window = _AHEAD * max(1, sum(self._client.nthreads().values()))
            self._counted = now
        return self._window

    def _cancel(self) -> None:
        futures = [future for future, _ in self._running.values()]
        self._running.clear()
        if futures:
            with suppress(Exception):  # the scheduler may be gone
                self._client.cancel(futures, force=True)


def _write_killed(
    folder: ReportFolder,
    job: _Job,
    number: int,
    keys: KeyRange,
    finish: Callable[[Commit], object],
) -> None:
    """Write an error for each expected object of a part."""
    selection = job.selection.within(keys)
    counts: Counter[State] = Counter()
    written = folder.temporary(number)
    with report_writer(written, part=ReportPart(selection.share, selection.keys)) as add:
        entries = (e for e in read_manifest(job.manifest, keys=keys) if selection(e.key))
        for entry in sorted_entries(entries):
            add(Result(entry.key, State.ERROR, entry.size, detail=_KILLED))
            counts[State.ERROR] += 1
    if counts:
        commit = Commit(number, dict(counts), 0)
        folder.commit(written, commit)
        finish(commit)
    else:
        os.remove(written)
