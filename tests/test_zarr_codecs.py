"""Test the codecs of Zarr 3 and of numcodecs that append a CRC."""

from __future__ import annotations

import asyncio
import pickle
import zlib
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from support import passes

import numcrc
import numcrc.zarr

zarr = pytest.importorskip("zarr")
numcodecs = pytest.importorskip("numcodecs")

from zarr.codecs import BytesCodec, ShardingCodec  # noqa: E402
from zarr.core import codec_pipeline  # noqa: E402

OURS = numcrc.zarr.Crc32cCodec()
THEIRS = zarr.codecs.Crc32cCodec()
DATA = np.arange(24 * 36, dtype="<i4").reshape(24, 36)

V3 = [numcrc.zarr.Crc32cCodec, numcrc.zarr.Crc32Codec, numcrc.zarr.Crc64NvmeCodec]
V2 = [numcrc.zarr.CRC32, numcrc.zarr.CRC32C, numcrc.zarr.CRC64NVME]

PIPELINES = [
    f"zarr.core.codec_pipeline.{name}"
    for name in ("BatchedCodecPipeline", "FusedCodecPipeline")
    if hasattr(codec_pipeline, name)
]


@pytest.fixture(params=PIPELINES, ids=lambda path: path.rpartition(".")[2], autouse=True)
def pipeline(request):
    """Use each pipeline of Zarr."""
    with zarr.config.set({"codec_pipeline.path": request.param}):
        yield request.param.rpartition(".")[2]


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in Path(folder).rglob("*")
        if path.is_file()
    }


def write(folder, codec, layout):
    """Write `DATA` in 12 chunks, flat or inside shards with their index at the start or the end."""
    if layout == "flat":
        array = zarr.create_array(
            folder, shape=DATA.shape, chunks=(8, 9), dtype="<i4", compressors=[codec]
        )
    else:
        serializer = ShardingCodec(
            chunk_shape=(8, 9),
            codecs=[BytesCodec(), codec],
            index_codecs=[BytesCodec(), codec],
            index_location=layout,
        )
        array = zarr.create_array(
            folder,
            shape=DATA.shape,
            chunks=(24, 18),
            dtype="<i4",
            serializer=serializer,
            compressors=None,
        )
    array[:] = DATA
    return array


@pytest.mark.parametrize("layout", ["flat", "start", "end"])
def test_files_are_those_of_zarr(tmp_path, layout):
    write(tmp_path / "theirs", THEIRS, layout)
    write(tmp_path / "ours", OURS, layout)
    assert files(tmp_path / "ours") == files(tmp_path / "theirs")
    assert (zarr.open_array(tmp_path / "ours")[:] == DATA).all()
    with numcrc.zarr.enable():
        array = zarr.open_array(tmp_path / "theirs")
        assert "numcrc" in str(array.metadata.codecs[-1].__class__.__module__) or layout != "flat"
        assert (array[:] == DATA).all()
        assert (array[3:17, 5:20] == DATA[3:17, 5:20]).all()
        array[3:5, 5:7] = -1
    assert (zarr.open_array(tmp_path / "theirs")[3:5, 5:7] == -1).all()


@pytest.mark.parametrize("layout", ["flat", "start", "end"])
def test_tensorstore_reads_and_writes_the_same_files(tmp_path, layout):
    tensorstore = pytest.importorskip("tensorstore")
    write(tmp_path / "ours", OURS, layout)
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(tmp_path / "ours")}}
    store = tensorstore.open(spec).result()
    assert (store.read().result() == DATA).all()
    store[...] = DATA + 1
    with numcrc.zarr.enable():
        assert (zarr.open_array(tmp_path / "ours")[:] == DATA + 1).all()


@pytest.mark.parametrize("codec", V3)
@pytest.mark.parametrize("layout", ["flat", "start", "end"])
def test_each_codec_reads_what_it_writes(tmp_path, codec, layout):
    with numcrc.zarr.enable():
        write(tmp_path / "a", codec(), layout)
        assert (zarr.open_array(tmp_path / "a")[:] == DATA).all()
    if layout == "flat":
        stored = files(tmp_path / "a")["c/1/2"]
        crc = codec.algorithm
        body = DATA[8:16, 18:27].tobytes()
        assert stored == body + crc(body).to_bytes(crc.width // 8, "little")


@pytest.mark.parametrize("codec", V3)
def test_codecs_are_values(codec):
    assert codec() == codec() == pickle.loads(pickle.dumps(codec()))
    assert hash(codec()) == hash(codec())
    assert codec.from_dict(codec().to_dict()) == codec()
    assert codec.from_dict({"name": codec.codec_name, "configuration": {}}) == codec()
    assert repr(codec()) == f"{codec.__name__}()"
    with pytest.raises(ValueError, match="expected codec"):
        codec.from_dict({"name": "zstd"})
    with pytest.raises(ValueError, match="has no configuration"):
        codec.from_dict({"name": codec.codec_name, "configuration": {"location": "start"}})


def test_ours_stands_where_zarr_wants_its_own():
    assert isinstance(OURS, zarr.codecs.Crc32cCodec)


@pytest.mark.parametrize("codec", V3)
def test_sync_and_async_hooks_agree(codec):
    made, prototype = codec(), zarr.core.buffer.default_buffer_prototype()
    spec = type("Spec", (), {"prototype": prototype})
    for size in (0, 1, 1000):
        body = prototype.buffer.from_bytes(bytes(range(250)) * 4)[:size]
        encoded = made._encode_sync(body, spec)
        (other,) = asyncio.run(made.encode([(body, spec)]))
        assert encoded.to_bytes() == other.to_bytes()
        assert len(encoded) == made.compute_encoded_size(size, spec)
        found = [made._decode_sync(encoded, spec), *asyncio.run(made.decode([(encoded, spec)]))]
        assert [one.to_bytes() for one in found] == [body.to_bytes()] * 2
        short = encoded[: codec.algorithm.width // 8 - 1]
        with pytest.raises(numcrc.zarr.ChecksumError, match="fewer than its CRC"):
            made._decode_sync(short, spec)
    assert asyncio.run(made.encode([(None, spec)])) == [None]


def flip(path, place=0):
    data = bytearray(path.read_bytes())
    data[place] ^= 4
    path.write_bytes(data)


def test_an_error_has_both_crcs(tmp_path):
    write(tmp_path / "a", numcrc.zarr.Crc64NvmeCodec(), "flat")
    stored = files(tmp_path / "a")["c/1/2"]
    flip(tmp_path / "a/c/1/2")
    computed = numcrc.crc64nvme(files(tmp_path / "a")["c/1/2"][:-8])
    text = f"numcrc.crc64nvme: stored {stored[:-9:-1].hex()}, computed {computed:016x} from 288"
    with numcrc.zarr.enable(), pytest.raises(numcrc.zarr.ChecksumError, match=text):
        zarr.open_array(tmp_path / "a")[:]


def names(call, expected, pipeline):
    """Assert that an error begins with the chunk's name, where the pipeline knows it."""
    with pytest.raises(numcrc.zarr.ChecksumError) as caught:
        call()
    if pipeline == "BatchedCodecPipeline":
        assert str(caught.value).startswith(expected)


def test_an_error_names_the_chunk(tmp_path, pipeline):
    group = zarr.create_group(tmp_path)
    write(tmp_path / "deep/a", THEIRS, "flat")
    flip(tmp_path / "deep/a/c/1/2")
    with numcrc.zarr.enable():
        array = group["deep/a"]
        assert (array[:8] == DATA[:8]).all()
        names(lambda: array[:], "deep/a/c/1/2: crc32c: stored ", pipeline)
        names(lambda: array.__setitem__((9, 20), 1), "deep/a/c/1/2: ", pipeline)
        with zarr.config.set({"codec_pipeline.batch_size": 5}):
            array = group["deep/a"]
            text = "one of 5 chunks from deep/a/c/1/1 to deep/a/c/2/1: "
            names(lambda: array[:], text, pipeline)


def test_an_error_names_the_inner_chunk(tmp_path, pipeline):
    write(tmp_path / "a", THEIRS, "end")
    flip(tmp_path / "a/c/0/1")
    with numcrc.zarr.enable():
        array = zarr.open_array(tmp_path / "a")
        for call in (lambda: array[:], lambda: array[0, 20]):
            names(call, "c/0/1: inner chunk (0, 0): crc32c: stored ", pipeline)


def test_an_error_names_the_shard_of_a_damaged_index(tmp_path, pipeline):
    write(tmp_path / "a", THEIRS, "end")
    flip(tmp_path / "a/c/0/1", -7)
    with numcrc.zarr.enable():
        names(lambda: zarr.open_array(tmp_path / "a")[:], "c/0/1: crc32c: stored ", pipeline)


def test_enable_keeps_another_pipeline_and_can_be_undone(pipeline):
    before = dict(zarr.config.get("codecs")), zarr.config.get("codec_pipeline.path")
    with numcrc.zarr.enable():
        path = zarr.config.get("codec_pipeline.path")
        named = path == "numcrc.zarr.ChunkNamingPipeline"
        assert named == (pipeline == "BatchedCodecPipeline")
        assert zarr.registry.get_codec_class("crc32c") is numcrc.zarr.Crc32cCodec
    assert (dict(zarr.config.get("codecs")), zarr.config.get("codec_pipeline.path")) == before
    assert zarr.registry.get_codec_class("crc32c") is zarr.codecs.Crc32cCodec


# Zarr 2

REFERENCES = {"crc32": zlib.crc32, "crc32c": numcrc.crc32c, "numcrc.crc64nvme": numcrc.crc64nvme}


@pytest.mark.parametrize("location", [None, "start", "end"])
@pytest.mark.parametrize("codec", V2)
def test_numcodecs_have_the_same_bytes(codec, location):
    made, size = codec(location), codec.algorithm.width // 8
    for data in (b"", b"123456789", DATA, bytearray(5), np.arange(9.0)[:, None]):
        encoded = made.encode(data)
        body = np.asarray(memoryview(data)).tobytes()
        crc = REFERENCES[codec.codec_id](body).to_bytes(size, "little")
        assert encoded.tobytes() == (crc + body if made.location == "start" else body + crc)
        assert bytes(made.decode(encoded)) == body
        assert bytes(made.decode(encoded.tobytes())) == body
        out = np.empty(len(body), "u1")
        made.decode(encoded, out)
        assert out.tobytes() == body
        if codec.codec_id in ("crc32", "crc32c"):
            theirs = getattr(numcodecs, codec.__name__, None)
            if theirs is not None:
                assert theirs(location).encode(data).tobytes() == encoded.tobytes()
                assert theirs(location).get_config() == made.get_config()
    assert pickle.loads(pickle.dumps(made)) == made
    config = made.get_config()
    assert config.pop("id") == codec.codec_id
    assert codec.from_config(config) == made


@pytest.mark.parametrize("codec", V2)
def test_numcodecs_find_damage(codec):
    encoded = codec().encode(b"123456789")
    for place in range(len(encoded)):
        damaged = encoded.copy()
        damaged[place] ^= 1
        with pytest.raises(RuntimeError, match=f"{codec.codec_id}: stored [0-9a-f]+, computed"):
            codec().decode(damaged)
    with pytest.raises(ValueError, match="the chunk has 3 bytes, fewer than its CRC"):
        codec().decode(b"123")
    with pytest.raises(ValueError, match="location must be 'start' or 'end', not 'middle'"):
        codec("middle")


def test_zarr_2_arrays(tmp_path, monkeypatch, pipeline):
    def write(name, codec):
        array = zarr.create_array(
            tmp_path / name,
            shape=DATA.shape,
            chunks=(8, 9),
            dtype="<i4",
            zarr_format=2,
            compressors=codec,
        )
        array[:] = DATA
        return files(tmp_path / name)

    registry = dict(numcodecs.registry.codec_registry)
    monkeypatch.setattr(numcodecs.registry, "codec_registry", registry)
    for kind in V2:
        numcodecs.register_codec(kind)
        written = write(kind.codec_id, kind())
        assert (zarr.open_array(tmp_path / kind.codec_id)[:] == DATA).all()
        flip(tmp_path / kind.codec_id / "1.2")
        with numcrc.zarr.enable():
            array = zarr.open_array(tmp_path / kind.codec_id)
            names(lambda array=array: array[:], f"1.2: {kind.codec_id}: stored ", pipeline)
        if kind is numcrc.zarr.CRC32:
            assert written == write("theirs", numcodecs.CRC32())


# The package

ROOT = Path(numcrc.__file__).parents[1]


@pytest.mark.skipif(not (ROOT / "pyproject.toml").exists(), reason="numcrc is installed")
def test_entry_points_name_the_codecs():
    tomllib = import_module("tomllib")  # Python 3.10 lacks it, and zarr
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for group, attribute in (("zarr.codecs", "codec_name"), ("numcodecs.codecs", "codec_id")):
        for name, home in project["entry-points"][group].items():
            module, _, kind = home.partition(":")
            assert getattr(getattr(import_module(module), kind), attribute) == name


def test_without_zarr_the_package_says_what_to_install():
    passes(
        "import sys; sys.modules['zarr'] = sys.modules['numcodecs'] = None\n"
        "import numcrc\n"
        "for name in numcrc.zarr.__all__:\n"
        "    try: getattr(numcrc.zarr, name)\n"
        "    except ImportError as error: assert 'pip install' in str(error), error\n"
        "    else: assert name in ('verify', 'ChecksumError'), name\n"
        "print('done')"
    )


def test_import_numcrc_imports_no_zarr():
    passes(
        "import sys, numcrc; numcrc.zarr\n"
        "assert not {'zarr', 'numcodecs'} & set(sys.modules); print('done')"
    )
