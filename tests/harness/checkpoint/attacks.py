"""More checkpoints that attack, lie or are broken: several files in one, TensorFlow's, names, reparametrised weights.

`ATTACKS[name]()` is the bytes of one; all are to be refused, or to fit no architecture. Others: tests.hostile.corpus.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable

import numpy as np

from harness.checkpoint import pack
from tests.harness.checkpoint.bundles import (
    assembled,
    block,
    bundle,
    entry,
    header,
    index,
    nested,
    number,
    packed,
    table,
    varint,
)
from tests.hostile.corpus import WEIGHT, archive, npy, numbers, raw_zip, state, tensor, text, torch_zip
from tests.hostile.corpus import number as pickled

RAW = WEIGHT.tobytes()
PACKED = b"\x93gradebench files 1\n"


def _tensor(
    kind: int = 1, shape: tuple[int, ...] = (2, 3), offset: int = 0, size: int = 24, shard: int = 0, more: bytes = b""
) -> Callable[[], bytes]:
    return lambda: packed(index({"weight": entry(kind, shape, offset, size, shard, more)}), RAW)


def _last_block(start: int, size: int) -> bytes:
    """A table whose index says that its second block has this place."""
    first, second = block([(b"", header())]), block([(b"weight", entry(1, (2, 3), 0, 24))])
    return packed(assembled([(b"", first), (b"weight", second)], [(0, len(first)), (start, size)]), RAW)


def _aliases() -> bytes:
    """100,000 tensors over the same 4 MB: 400 GB."""
    one = entry(1, (1_000_000,), 0, 4_000_000)
    return packed(index({f"w{number:06d}": one for number in range(20_000)}), bytes(4_000_000))


def _index_of_itself() -> bytes:
    """An index block whose entries are the index block: a cycle, were it followed."""
    blocks = block([(b"", header())])
    good = assembled([(b"", blocks)])
    at = len(good) - 48 - 5
    return packed(good[: at + 5] + (varint(0) + varint(0) + varint(0) + varint(at)).ljust(40, b"\0") + good[-8:], RAW)


def _long_names(count: int, length: int) -> bytes:
    """Names that share all but their end with the one before: 32 bytes in the file for each of `length`."""
    value = entry(1, (), 0, 4)
    first = varint(0) + varint(length + 6) + varint(len(value)) + b"w" * length + b"%06d" % 0 + value
    others = (varint(length) + varint(6) + varint(len(value)) + b"%06d" % place + value for place in range(1, count))
    return _one_block(first, *others)


def _one_block(*entries: bytes) -> bytes:
    """A single block, with entries written by hand after the header's."""
    first = varint(0) + varint(0) + varint(len(header())) + header()
    return packed(assembled([(b"z", first + b"".join(entries) + struct.pack("<2L", 0, 1))]), RAW)


def _weight_norm(count: int) -> bytes:
    """`count` weights folded from one storage of 400 kB, each to as much again."""
    pairs = b"".join(
        text(f"l{place}.weight_v")
        + (b"h\x05" if place else tensor(shape=(100_000,), stride=(1,), numel=100_000) + b"q\x05")
        + text(f"l{place}.weight_g")
        + (b"h\x06" if place else tensor(key="1", shape=(1,), stride=(1,), numel=1) + b"q\x06")
        for place in range(count)
    )
    return torch_zip(b"\x80\x02}(" + pairs + b"u.", _0=bytes(400_000), _1=bytes(4))


def _refused_tensors(count: int) -> bytes:
    """Names `count` quantised tensors, beside none that can be read."""
    one = b"ctorch._utils\n_rebuild_qtensor\nq\x05)Rq\x060"
    return torch_zip(b"\x80\x02" + one + b"]q\x07(" + b"h\x06" * count + b"e.")


def _numbers(count: int) -> bytes:
    return torch_zip(b"\x80\x02](" + b"K\x01" * count + b"e.")


def _shards(*headers: dict[str, object]) -> bytes:
    files = {}
    for place, content in enumerate(headers, 1):
        raw = json.dumps(content).encode()
        files[f"m-{place:05d}-of-{len(headers):05d}.safetensors"] = struct.pack("<Q", len(raw)) + raw + RAW
    return pack(files)


_PART = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
_FUNCTION = b"ctorch._utils\n_rebuild_device_tensor_from_numpy\n"

ATTACKS: dict[str, Callable[[], bytes]] = {
    "files-none": lambda: pack({}),
    "files-cut": lambda: bundle({"weight": WEIGHT})[:60],
    "files-short": lambda: bundle({"weight": WEIGHT})[:-1],
    "files-long": lambda: bundle({"weight": WEIGHT}) + b"\0",
    "files-count": lambda: PACKED + struct.pack("<L", 0xFFFFFFFF),
    "files-size": lambda: PACKED + struct.pack("<LLQ", 1, 1, (1 << 64) - 1) + b"a",
    "files-name": lambda: PACKED + struct.pack("<LLQ", 1, 0xFFFFFFFF, 1) + b"a",
    "files-twice": lambda: PACKED + struct.pack("<L", 2) + (struct.pack("<LQ", 1, 0) + b"a") * 2,
    "files-nested": lambda: pack({"a.index": pack({"a.index": b""})}),
    "files-of-neither": lambda: pack({"a.pt": torch_zip(state(("weight", tensor())))}),
    "shard-missing": lambda: pack({"m-00001-of-00002.safetensors": b"", "m-00003-of-00002.safetensors": b""}),
    "shards-many": lambda: pack({"m-00001-of-99999.safetensors": b""}),
    "shards-alike": lambda: _shards({"weight": _PART}, {"weight": _PART}),
    "tf-index-alone": lambda: index({"weight": entry(1, (2, 3), 0, 24)}),
    "tf-data-alone": lambda: pack({"m.data-00000-of-00001": RAW, "m.data-00001-of-00001": RAW}),
    "tf-cut": lambda: packed(index({"weight": entry(1, (2, 3), 0, 24)})[:-9], RAW),
    "tf-empty": lambda: packed(assembled([]), RAW),
    "tf-no-header": lambda: packed(table([(b"weight", entry(1, (2, 3), 0, 24))]), RAW),
    "tf-first-format": lambda: packed(table([(b"", nested(1, b"")), (b"weight", b"")]), RAW),
    "tf-big-endian": lambda: packed(index({"weight": entry(1, (2, 3), 0, 24)}, big=True), RAW),
    "tf-shards": lambda: packed(index({"weight": entry(1, (2, 3), 0, 24)}, shards=(1 << 31) - 1), RAW),
    "tf-shards-negative": lambda: packed(index({"weight": entry(1, (2, 3), 0, 24)}, shards=-1), RAW),
    "tf-shard": _tensor(shard=7),
    "tf-shard-negative": _tensor(shard=-1),
    "tf-offset": _tensor(offset=1),
    "tf-offset-huge": _tensor(offset=(1 << 63) - 1),
    "tf-offset-negative": _tensor(offset=-24),
    "tf-size": _tensor(size=20),
    "tf-size-negative": _tensor(size=-24),
    "tf-shape-overflow": _tensor(shape=(1 << 40, 1 << 40)),
    "tf-shape-negative": _tensor(shape=(-2, -3)),
    "tf-shape-empty-overflow": _tensor(shape=(0, 1 << 61, 1 << 61), size=0),
    "tf-dimensions": _tensor(shape=(1,) * 70, size=4),
    "tf-string": _tensor(kind=7),
    "tf-resource": _tensor(kind=20),
    "tf-type": _tensor(kind=1 << 60),
    "tf-sliced": _tensor(more=nested(7, b"")),
    "tf-fields": _tensor(more=number(9, 1) * 100_000),
    "tf-overlap": lambda: packed(
        index({"weight": entry(1, (2, 3), 0, 24), "w": entry(1, (2,), 20, 8)}), RAW + bytes(8)
    ),
    "tf-aliases": _aliases,
    "tf-block-outside": lambda: _last_block(1 << 50, 40),
    "tf-block-huge": lambda: _last_block(40, (1 << 64) - 1),
    "tf-block-tiny": lambda: _last_block(40, 3),
    "tf-blocks-overlap": lambda: _last_block(10, 20),
    "tf-names-out-of-order": lambda: packed(
        table([(b"", header()), (b"b", entry(1, (), 0, 4)), (b"a", entry(1, (), 4, 4))]), RAW
    ),
    "tf-names-twice": lambda: packed(table([(b"", header()), *[(b"weight", entry(1, (2, 3), 0, 24))] * 2]), RAW),
    "tf-cycle": _index_of_itself,
    "tf-restarts": lambda: packed(assembled([(b"", struct.pack("<L", 0xFFFFFFFF))]), RAW),
    "tf-compressed": lambda: packed(assembled([(b"", block([(b"", header())]))], kind=1), RAW),
    "tf-footer": lambda: packed(bytes(10) + b"\xff" * 40 + index({})[-8:], RAW),
    "tf-varint": lambda: _one_block(b"\xff" * 11),
    "tf-shared": lambda: _one_block(varint(1) + varint(1) + varint(0) + b"a"),
    "tf-name-huge": lambda: _one_block(varint(0) + varint(1 << 40) + varint(0)),
    "tf-value-huge": lambda: _one_block(varint(0) + varint(1) + varint((1 << 64) - 1) + b"a"),
    "tf-name-megabyte": lambda: _one_block(varint(0) + varint(1 << 20) + varint(0) + b"w" * (1 << 20)),
    "tf-names-long": lambda: _long_names(90_000, 1_900),
    "tf-names-many": lambda: _long_names(150_000, 3),
    "tf-group": _tensor(more=varint(9 << 3 | 3)),
    "tf-field-huge": _tensor(more=varint(9 << 3 | 2) + varint(1 << 62)),
    "name-megabyte": lambda: torch_zip(state(("w" * (1 << 20), tensor()))),
    "names-of-wrappers": lambda: torch_zip(
        state(*((("model." * 80) + f"x{place}", tensor()) for place in range(3_000)))
    ),
    "list-million": lambda: _numbers(240_000),
    "refused-tensors": lambda: _refused_tensors(240_000),
    "weight-norm-many": lambda: _weight_norm(2_500),
    "weight-norm-misfit": lambda: torch_zip(
        state(("weight_v", tensor()), ("weight_g", tensor(shape=(3, 2), stride=(1, 1))))
    ),
    "spectral-norm-misfit": lambda: torch_zip(
        state(("weight_orig", tensor()), ("weight_u", tensor(shape=(5,), stride=(1,))))
    ),
    "pruning-misfit": lambda: torch_zip(
        state(("weight_orig", tensor()), ("weight_mask", tensor(shape=(3,), stride=(1,))))
    ),
    "spectral-norm-zero": lambda: torch_zip(
        state(("weight_orig", tensor(offset=0)), ("weight_u", tensor(key="1", shape=(2,), stride=(1,), numel=2))),
        _0=RAW,
        _1=bytes(8),
    ),
    "device-nothing": lambda: torch_zip(state(("weight", _FUNCTION + b")R"))),
    "device-text": lambda: torch_zip(state(("weight", _FUNCTION + text("x") + b"\x85R"))),
    "device-itself": lambda: torch_zip(b"\x80\x02}(" + text("weight") + b"]q\x05" + _FUNCTION + b"h\x05\x85Rau."),
    "frombuffer": lambda: torch_zip(
        state(
            (
                "weight",
                b"cnumpy.core.numeric\n_frombuffer\n("
                + b"cnumpy\ndtype\n"
                + text("f4")
                + b"\x85R"
                + text("f4")
                + numbers((1 << 40,))
                + text("C")
                + b"tR",
            ),
        )
    ),
    "zlib-bomb": lambda: zlib.compress(bytes(64 << 20), 9),
    "gzip-garbage": lambda: b"\x1f\x8b\x08\x00" + b"\xff" * 1000,
    "xz-garbage": lambda: b"\xfd7zXZ\0" + b"\xff" * 1000,
    "lzma-dictionary": lambda: b"\x5d\0\0" + b"\xff" * 1000,
    "json-nested": lambda: b"{" + b'"a":{' * 200_000,
    "json-million": lambda: json.dumps(
        {"weight_map": {f"w{place}": f"{place}.safetensors" for place in range(200_000)}}
    ).encode(),
    "npz-unreadable": lambda: archive({"weight.npy": npy(np.ones(3, complex)), "a.npy": npy(np.array(["x"]))}),
    "zip-keras": lambda: raw_zip([("config.json", b"{}", 2, 0, 0), ("model.weights.h5", b"", 0, 0, 0)]),
    "integer-keys": lambda: torch_zip(b"\x80\x02}(" + pickled(1) + tensor() + b"u."),
}
