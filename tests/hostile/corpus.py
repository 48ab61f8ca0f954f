"""Builds checkpoints that attack, lie or are broken, at test time so that no such file lies in the repository.

`HOSTILE[name]()` is the bytes of one. Those in `RECOVERED` attack, but hold the tensors of `ARCHITECTURE` besides, and
are to be read with a note; all others are to be refused, or to fit no architecture. Whatever executes one of them
creates `MARKER`.
"""

from __future__ import annotations

import io
import json
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

MARKER = Path(tempfile.gettempdir()) / "gradebench-hostile-marker"
ARCHITECTURE: dict[str, tuple[int, ...]] = {"weight": (2, 3)}
WEIGHT = np.arange(6, dtype="<f4").reshape(2, 3)

LEGACY_HEAD = (
    b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
    b"\x80\x02M\xe9\x03."
    b"\x80\x02}(X\x10\x00\x00\x00protocol_versionM\xe9\x03X\r\x00\x00\x00little_endian\x88u."
)


def text(value: str) -> bytes:
    """BINUNICODE."""
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def number(value: int) -> bytes:
    """BININT where it fits, else LONG1."""
    if -(1 << 31) <= value < 1 << 31:
        return b"J" + struct.pack("<i", value)
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def numbers(values: tuple[int, ...]) -> bytes:
    """A tuple."""
    return b"(" + b"".join(number(value) for value in values) + b"t"


def tensor(
    key: str = "0",
    shape: tuple[int, ...] = (2, 3),
    stride: tuple[int, ...] = (3, 1),
    offset: int = 0,
    numel: int = 6,
    kind: str = "FloatStorage",
    legacy: bool = False,
) -> bytes:
    """The opcodes that torch writes for a tensor."""
    view = b"N" if legacy else b""
    storage = b"(" + text("storage") + f"ctorch\n{kind}\n".encode() + text(key) + text("cpu") + number(numel) + view
    size = numbers(shape) + numbers(stride)
    rest = b"\x89ccollections\nOrderedDict\n)R"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"tQ" + number(offset) + size + rest + b"tR"


def state(*pairs: tuple[str, bytes]) -> bytes:
    """A whole pickle of a dictionary."""
    return b"\x80\x02}(" + b"".join(text(key) + value for key, value in pairs) + b"u."


def archive(entries: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip archive of these entries."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return out.getvalue()


def torch_zip(pickled: bytes, **storages: bytes) -> bytes:
    """Build a file as `torch.save` writes it; storages by key, with the weight as "0" unless given."""
    storages = storages or {"0": WEIGHT.tobytes()}
    records = {f"archive/data/{key.lstrip('_')}": raw for key, raw in storages.items()}
    return archive({"archive/data.pkl": pickled, "archive/byteorder": b"little", **records, "archive/version": b"3\n"})


def torch_legacy(
    pickled: bytes, keys: tuple[str, ...] = ("0",), count: int = 6, raw: bytes = WEIGHT.tobytes()
) -> bytes:
    """Build a file as `torch.save` wrote it before 1.6, with one storage."""
    listed = b"\x80\x02](" + b"".join(text(key) for key in keys) + b"e."
    return LEGACY_HEAD + pickled + listed + struct.pack("<q", count) + raw


COMMAND = text(f"touch {MARKER}")
ATTACKS = {
    "global": b"cposix\nsystem\n(" + COMMAND + b"tR",
    "stack-global": text("posix") + text("system") + b"\x93" + COMMAND + b"\x85R",
    "inst": b"(" + COMMAND + b"iposix\nsystem\n",
    "obj": b"(cposix\nsystem\n" + COMMAND + b"o",
    "newobj": b"csubprocess\nPopen\n((" + text("touch") + text(str(MARKER)) + b"lt\x81",
    "build": b"cbuiltins\neval\n(" + text(f"open({str(MARKER)!r}, 'w')") + b"tR}" + text("a") + b"Nsb",
}


def _module(evil: bytes) -> bytes:
    """A whole module `__main__.Net` with the parameter `weight` and an attribute that attacks."""
    parameter = b"ctorch._utils\n_rebuild_parameter\n(" + tensor() + b"\x88ccollections\nOrderedDict\n)RtR"
    parts = text("_parameters") + b"}" + text("weight") + parameter + b"s"
    parts += text("_buffers") + b"}" + text("_modules") + b"}"
    return b"\x80\x02c__main__\nNet\n)\x81}(" + text("evil") + evil + parts + b"ub."


def _nested(count: int, opening: bytes, closing: bytes) -> bytes:
    return torch_zip(b"\x80\x02}" + text("a") + opening * count + closing * (count - 1) + b"s.")


def _inside_out(count: int) -> bytes:
    """Tuples around one another, without a deep stack: 1 opcode a level."""
    return b")" + b"\x85" * count


def _hash_laughs() -> bytes:
    """A key whose hash takes 2^200 steps: each tuple holds the last one twice."""
    return torch_zip(b"\x80\x02})" + b"2\x86" * 200 + b"Ns.")


def _list_laughs() -> bytes:
    """Tuples that each hold the last one twice: 2^60 tensors to walk."""
    return torch_zip(b"\x80\x02}" + text("a") + tensor() + b"2\x86" * 60 + b"s.")


def _copies() -> bytes:
    """A list of 10,000 items, and 100,000 calls that copy it."""
    base = b"]q\x00(" + b"K\x01" * 10_000 + b"e"
    return torch_zip(b"\x80\x02" + base + b"0](" + b"cbuiltins\nlist\nh\x00\x85R" * 100_000 + b"e.")


def _collisions() -> bytes:
    """100,000 integer keys with the same hash."""
    modulus = (1 << 61) - 1
    return torch_zip(b"\x80\x02}(" + b"".join(number(index * modulus) + b"N" for index in range(1, 100_000)) + b"u.")


def _aliases() -> bytes:
    """2,000 tensors of 4 MB over one storage: 8 GB from a file of 4 MB."""
    one = tensor(shape=(1_000_000,), stride=(1,), numel=1_000_000)
    return torch_zip(state(*((f"w{index}", one) for index in range(2_000))), _0=bytes(4_000_000))


def _zeros(megabytes: int) -> bytes:
    """Deflated zeros, without compressing them all."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return block * megabytes + zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS).flush()


def raw_zip(entries: list[tuple[str, bytes, int, int, int]], flags: int = 0, overlap: bool = False) -> bytes:
    """A zip written by hand. Entries are (name, packed bytes, declared size, method, check sum)."""
    body, directory = b"", b""
    for index, (name, packed, size, method, crc) in enumerate(entries):
        raw = name.encode()
        common = struct.pack("<5H3L2H", 20, flags, method, 0, 0, crc, len(packed), size, len(raw), 0)
        local = b"PK\x03\x04" + common + raw
        # Nested: the first entry's data run on to hold the whole second entry.
        offset = len(body) - (len(local) + len(packed) if overlap and index else 0)
        body = body[:offset] + local + packed if overlap and index else body + local + packed
        directory += b"PK\x01\x02" + struct.pack("<H", 20) + common + struct.pack("<3H2L", 0, 0, 0, 0, offset) + raw
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, len(entries), len(entries), len(directory), len(body), 0)
    return body + directory + end


def _deflate_bomb(declared: int, megabytes: int) -> bytes:
    """A storage of `megabytes` in 1/1000 of that, declared with `declared` bytes."""
    pickled = state(("weight", tensor(shape=(declared // 4,), stride=(1,), numel=declared // 4)))
    return raw_zip(
        [
            ("archive/data.pkl", pickled, len(pickled), 0, 0),
            ("archive/data/0", _zeros(megabytes), declared, 8, 0),
        ]
    )


def _overlapping() -> bytes:
    pickled = state(("weight", tensor()))
    filler = bytes(200) + WEIGHT.tobytes()
    return raw_zip(
        [("archive/data.pkl", pickled + filler, len(pickled + filler), 0, 0), ("archive/data/0", filler, 224, 0, 0)],
        overlap=True,
    )


def _duplicates() -> bytes:
    pickled = state(("weight", tensor()))
    raw = WEIGHT.tobytes()
    entries = [("archive/data.pkl", pickled), ("archive/data/0", raw), ("archive/data/0", raw[::-1])]
    return raw_zip([(name, content, len(content), 0, zlib.crc32(content)) for name, content in entries])


def _encrypted() -> bytes:
    pickled = state(("weight", tensor()))
    return raw_zip([("archive/data.pkl", pickled, len(pickled), 0, 0)], flags=1)


def _other_name() -> bytes:
    """Build a zip whose directory names an entry otherwise than the entry's own header."""
    good = torch_zip(state(("weight", tensor())))
    at = good.index(b"archive/data/0")
    return good[:at] + b"archive/data/1" + good[at + 14 :]


def safetensors(header: dict[str, object] | bytes, data: bytes = WEIGHT.tobytes()) -> bytes:
    """A safetensors file of this header."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + data


def _entry(begin: int = 0, end: int = 24, shape: tuple[int, ...] = (2, 3), dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def _twins() -> bytes:
    one = json.dumps(_entry())
    return safetensors(f'{{"weight": {one}, "weight": {one}}}'.encode())


def npy(array: np.ndarray, allow_pickle: bool = False) -> bytes:
    """Build a file as `numpy.save` writes it."""
    out = io.BytesIO()
    np.save(out, array, allow_pickle=allow_pickle)
    return out.getvalue()


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, (f"touch {MARKER}",)


def _objects() -> bytes:
    array = np.empty(1, object)
    array[0] = _Evil()
    return archive({"weight.npy": npy(array, allow_pickle=True)})


def _npz_bomb() -> bytes:
    head = npy(np.zeros((1100 << 18,), "<f4")[:0]).replace(b"(0,)", b"(288358400,)")
    head = head.replace(b" " * 9 + b"\n", b"\n") if len(head) > 128 else head
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    start = packer.compress(head[:128]) + packer.flush(zlib.Z_FULL_FLUSH)
    return raw_zip([("weight.npy", start + _zeros(1100), 128 + (1100 << 20), 8, 0)])


def _tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        pickled = b"\x80\x02" + ATTACKS["global"] + b"."
        member = tarfile.TarInfo("pickle")
        member.size = len(pickled)
        file.addfile(member, io.BytesIO(pickled))
    return out.getvalue()


def _rebuilt(function: str, arguments: bytes) -> bytes:
    return torch_zip(state(("weight", f"ctorch._utils\n{function}\n(".encode() + arguments + b"tR")))


def _sparse() -> bytes:
    """Indices far outside the shape; torch.load takes it and the process dies at the first use."""
    parts = tensor(shape=(1, 1), stride=(1, 1)) + tensor(shape=(1,), stride=(1,)) + numbers((3,)) + b"\x89"
    return _rebuilt("_rebuild_sparse_tensor", b"ctorch\nsparse_coo\n(" + parts + b"t")


def _weight(**changed: object) -> Callable[[], bytes]:
    return lambda: torch_zip(state(("weight", tensor(**changed))))  # type: ignore[arg-type]


def _beside(attack: bytes, legacy: bool) -> Callable[[], bytes]:
    pickled = state(("weight", tensor(legacy=legacy)), ("evil", attack))
    return lambda: (torch_legacy if legacy else torch_zip)(pickled)


def _alone(attack: bytes, legacy: bool) -> Callable[[], bytes]:
    return lambda: (torch_legacy if legacy else torch_zip)(b"\x80\x02" + attack + b".")


HOSTILE: dict[str, Callable[[], bytes]] = {
    **{f"code-{name}-zip": _alone(attack, False) for name, attack in ATTACKS.items()},
    **{f"code-{name}-legacy": _alone(attack, True) for name, attack in ATTACKS.items()},
    **{f"code-{name}-beside-weights-zip": _beside(attack, False) for name, attack in ATTACKS.items()},
    **{f"code-{name}-beside-weights-legacy": _beside(attack, True) for name, attack in ATTACKS.items()},
    **{
        f"code-{name}-in-module": (lambda attack=attack: torch_zip(_module(attack)))  # type: ignore[misc]
        for name, attack in ATTACKS.items()
    },
    "code-plain-pickle": lambda: b"\x80\x02" + ATTACKS["global"] + b".",
    "code-tar": _tar,
    "empty": lambda: b"",
    "garbage": lambda: np.random.default_rng(7).bytes(10_000),
    "truncated-zip": lambda: torch_zip(state(("weight", tensor())))[:300],
    "truncated-legacy": lambda: torch_legacy(state(("weight", tensor(legacy=True))))[:-5],
    "nested-lists": lambda: _nested(990_000, b"]", b"a"),
    "nested-tuples": lambda: torch_zip(b"\x80\x02}" + text("a") + _inside_out(200_000) + b"s."),
    "nested-key": lambda: torch_zip(b"\x80\x02}" + _inside_out(200_000) + b"Ns."),
    "nested-calls": lambda: torch_zip(b"\x80\x02" + b"cos\nsystem\n" * 100_000 + b")" + b"R\x85" * 100_000 + b"."),
    "stack": lambda: torch_zip(b"\x80\x02" + b"N" * 1_500_000 + b"."),
    "marks": lambda: torch_zip(b"\x80\x02" + b"(" * 1_000_000 + b"N."),
    "opcodes": lambda: torch_zip(b"\x80\x02" + b"N0" * 1_500_000 + b"N."),
    "memo": lambda: torch_zip(b"\x80\x04N" + b"\x94" * 1_500_000 + b"."),
    "names": lambda: torch_zip(b"\x80\x02" + b"".join(b"ca\nb%d\n0" % i for i in range(50_000)) + b"N."),
    "hash-laughs": _hash_laughs,
    "list-laughs": _list_laughs,
    "list-in-itself": lambda: torch_zip(b"\x80\x02]q\x00h\x00a."),
    "copies": _copies,
    "colliding-keys": _collisions,
    "long-binput": lambda: torch_zip(b"\x80\x02Nr" + struct.pack("<I", 1 << 31) + b"0j" + b"\xff" * 4 + b"."),
    "binbytes": lambda: torch_zip(b"\x80\x03B" + struct.pack("<I", (1 << 32) - 1) + b"abc."),
    "binbytes8": lambda: torch_zip(b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62) + b"abc."),
    "binunicode8": lambda: torch_zip(b"\x80\x04\x8d" + struct.pack("<Q", (1 << 64) - 1) + b"abc."),
    "long4": lambda: torch_zip(b"\x80\x02\x8b" + struct.pack("<i", 3_000_000) + b"\x7f" * 3_000_000 + b"."),
    "decimal": lambda: torch_zip(b"\x80\x02L" + b"9" * 3_000_000 + b"L\n."),
    "bytearray": lambda: torch_zip(b"\x80\x02cbuiltins\nbytearray\n" + number(10**12) + b"\x85R."),
    "bytearray8": lambda: torch_zip(b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"."),
    "storage": _weight(numel=10**12),
    "storage-overflow": _weight(numel=1 << 62),
    "storage-missing": _weight(key="7"),
    "storage-path": _weight(key="../data.pkl"),
    "storage-legacy": lambda: torch_legacy(state(("weight", tensor(numel=10**12, legacy=True))), count=10**12),
    "count-legacy": lambda: torch_legacy(state(("weight", tensor(legacy=True))), count=-6),
    "stride-zero": _weight(shape=(10**12,), stride=(0,)),
    "stride-negative": _weight(stride=(-3, 1), offset=3),
    "offset-negative": _weight(offset=-1),
    "offset-beyond": _weight(offset=1),
    "shape-overflow": _weight(shape=(1 << 40, 1 << 40), stride=(0, 0)),
    "shape-empty-overflow": _weight(shape=(0, 1 << 61, 1 << 61), stride=(0, 0, 0)),
    "dimensions": _weight(shape=(1,) * 70, stride=(1,) * 70),
    "numel": _weight(numel=7),
    "aliases": _aliases,
    "complex": _weight(kind="ComplexFloatStorage", numel=3),
    "quantised": lambda: _rebuilt("_rebuild_qtensor", b"N"),
    "sparse": _sparse,
    "meta": lambda: _rebuilt(
        "_rebuild_meta_tensor_no_storage", b"ctorch\nfloat32\n" + numbers((2, 3)) + numbers((3, 1))
    ),
    "no-storage": lambda: _rebuilt("_rebuild_tensor_v2", b"NK\x00" + numbers((2, 3)) + numbers((3, 1))),
    "deflate-bomb": lambda: _deflate_bomb(1100 << 20, 1100),
    "deflate-bomb-lying": lambda: _deflate_bomb(24, 512),
    "zip-duplicate": _duplicates,
    "zip-overlap": _overlapping,
    "zip-encrypted": _encrypted,
    "zip-other-name": _other_name,
    "zip-two-roots": lambda: archive(
        {"a/data.pkl": state(("weight", tensor())), "b/data.pkl": b"N.", "a/data/0": bytes(24)}
    ),
    "zip-check-sum": lambda: torch_zip(state(("weight", tensor()))).replace(WEIGHT.tobytes(), bytes(24)),
    "zip-many": lambda: (
        archive({f"archive/data/{index}": b"" for index in range(1_000)})[:-12] + struct.pack("<HLLH", 0xFFFF, 1, 1, 0)
    ),
    "torchscript": lambda: archive({"m/data.pkl": b"N.", "m/constants.pkl": b"N.", "m/code/__torch__.py": b""}),
    "pt2": lambda: archive({"m/archive_format": b"pt2", "m/models/model.json": b"{}", "m/data.pkl": b"N."}),
    "archive-in-archive": lambda: archive({"model.pt": torch_zip(state(("weight", tensor())))}),
    "onnx": lambda: b"\x08\x08\x12\x07pytorch\x1a\x052.0.0:\x00",
    "safetensors-twins": _twins,
    "safetensors-overlap": lambda: safetensors({"weight": _entry(), "b": _entry()}),
    "safetensors-gap": lambda: safetensors({"weight": _entry(4, 28)}, bytes(28)),
    "safetensors-header": lambda: struct.pack("<Q", 1 << 62) + b"{" + bytes(100),
    "safetensors-shape": lambda: safetensors({"weight": _entry(shape=(1 << 40, 1 << 40))}),
    "safetensors-negative": lambda: safetensors({"weight": _entry(shape=(-2, -3))}),
    "safetensors-type": lambda: safetensors({"weight": _entry(dtype="F8_E4M3")}),
    "safetensors-trailing": lambda: safetensors({"weight": _entry()}, bytes(30)),
    "safetensors-truncated": lambda: safetensors({"weight": _entry()}, bytes(20)),
    "safetensors-nested": lambda: safetensors(b'{"a":' + b"[" * 1_000_000),
    "npz-objects": _objects,
    "npz-bomb": _npz_bomb,
    "npy-header": lambda: b"\x93NUMPY\x01\x00\x76\x00" + b"__import__('os').abort()".ljust(117) + b"\n",
    "npy-shape": lambda: npy(WEIGHT).replace(b"(2, 3)", b"(9, 9)"),
    "npy-complex": lambda: npy(np.ones(3, complex)),
}

RECOVERED = frozenset(name for name in HOSTILE if "-beside-" in name or name.endswith("-in-module"))
