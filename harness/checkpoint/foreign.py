"""Recognises files that are not checkpoints that can be read, and says for each what to hand in instead."""

from __future__ import annotations

import bz2
import json
import lzma
import re
import zlib
from collections.abc import Callable

from harness.checkpoint.inert import printable
from harness.checkpoint.torchfiles import INSTEAD

SKLEARN = "np.savez('pca.npz', components_=pca.components_, mean_=pca.mean_)"
KERAS = "np.savez('model.npz', **{getattr(w, 'path', w.name): w.numpy() for w in model.weights})"
NUMPY = "np.savez('model.npz', **{name: np.asarray(array) for name, array in state.items()})"
DISTRIBUTED = "python -m torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER model.pt"
SHARD = re.compile(r"-(\d{5})-of-(\d{5})\.safetensors$")
_PEEK = 1 << 16
"""Bytes of a compressed or pickled file that are looked through for the name of what wrote it."""


def foreign(data: memoryview, name: str) -> str | None:
    """A sentence for a file of another known format that isn't accepted, with what to submit instead; else None."""
    head = bytes(data[:512])
    return _by_name(name) or _text(data) or _pickled(data) or _compressed(data) or _binary(head)


def _by_name(name: str) -> str | None:
    if name.endswith(".distcp") or name.rpartition("/")[2] == ".metadata":
        return f"it is a part of a distributed checkpoint; join the parts and submit the result: {DISTRIBUTED}"
    return None


def _text(data: memoryview) -> str | None:
    head = bytes(data[:4096]).removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer, not the checkpoint; fetch the file with `git lfs pull` and submit that"
    if head[:1] == b"<":
        if b"google drive" in head.lower() or b"drive.google" in head.lower() or b"uc-download" in head.lower():
            return (
                "it is a page of Google Drive that asks to confirm the download, not the checkpoint; open the link in "
                "a browser, choose 'Download anyway', and submit that file"
            )
        return (
            "it is a web page, not the checkpoint; download the checkpoint again (the site may have asked to confirm)"
        )
    if re.match(rb"(https?://|\[InternetShortcut\]|\[\{000214A0)", head, re.IGNORECASE):
        return "it is a link, not the checkpoint; download the file that it leads to, and submit that"
    if head.startswith((b"model_checkpoint_path:", b"all_model_checkpoint_paths:")):
        found = re.search(rb'"([^"\n]{1,200})"', head)
        prefix = printable(found[1].decode("utf-8", "replace").rpartition("/")[2]) if found else "model.ckpt"
        return (
            f"it is TensorFlow's list of checkpoints, not one of them; submit {prefix}.index together with "
            f"{prefix}.data-00000-of-00001"
        )
    if head[:1] == b"{" and len(data) <= 16 << 20:
        return _json(bytes(data))
    return None


def _json(raw: bytes) -> str | None:
    try:
        index = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    parts = index.get("weight_map") if isinstance(index, dict) else None
    if isinstance(parts, dict):
        names = sorted({str(part) for part in parts.values()})
        shown = ", ".join(printable(part) for part in names[:3]) + (" …" if len(names) > 3 else "")
        return f"it lists the files of a model and holds none of its weights; submit those too: {shown}"
    return f"it is a JSON file, which holds no weights; {INSTEAD}"


def _writer(raw: bytes) -> str | None:
    """The sentence for a pickle, or what is inside a compressed file, by the library that its beginning names."""
    if b"sklearn" in raw:
        return f"it is an object of scikit-learn, pickled, which can't be opened without running it; submit {SKLEARN}"
    if b"torch.distributed.checkpoint" in raw:
        return f"it is a part of a distributed checkpoint; join the parts and submit the result: {DISTRIBUTED}"
    if b"joblib" in raw:
        return f"it was written by joblib, whose files can't be opened without running them; submit {NUMPY}"
    return None


def _pickled(data: memoryview) -> str | None:
    if bytes(data[:1]) != b"\x80" or bytes(data[1:2]) not in (b"\0", b"\1", b"\2", b"\3", b"\4", b"\5"):
        return None
    return _writer(bytes(data[:_PEEK])) or f"it is a plain pickle, which torch.save does not write; {INSTEAD}"


def _compressed(data: memoryview) -> str | None:
    head, start = bytes(data[:6]), bytes(data[:_PEEK])
    kinds: list[tuple[str, bool, Callable[[], bytes]]] = [
        ("gzip", head.startswith(b"\x1f\x8b"), lambda: zlib.decompressobj(31).decompress(start, _PEEK)),
        (
            "zlib",
            head[:1] == b"\x78" and len(head) > 1 and int.from_bytes(head[:2], "big") % 31 == 0,
            lambda: zlib.decompressobj().decompress(start, _PEEK),
        ),
        ("bzip2", head.startswith(b"BZh"), lambda: bz2.BZ2Decompressor().decompress(start, _PEEK)),
        (
            "xz",
            head.startswith((b"\xfd7zXZ\0", b"\x5d\0\0")),
            lambda: lzma.LZMADecompressor(memlimit=64 << 20).decompress(start, _PEEK),
        ),
    ]
    for kind, fits, peek in kinds:
        if not fits:
            continue
        try:
            inside = peek()
        except (zlib.error, OSError, EOFError, ValueError, lzma.LZMAError):
            inside = b""
        if said := _writer(inside):
            return said
        if kind == "zlib":
            return f"it is compressed with zlib, as joblib.dump(…, compress=…) does; submit {NUMPY}"
        return f"it is compressed with {kind}; submit the checkpoint itself"
    return None


def _binary(head: bytes) -> str | None:
    if head[257:262] == b"ustar" or head.startswith((b"sys_info\0", b"pickle\0", b"tensors\0", b"storages\0")):
        return (
            "it is a tar archive (as torch before 0.2 also wrote); unpack it, or save the model again with torch.save"
        )
    if head[:1] == b"\x08" and (b"pytorch" in head[:64] or b"onnx" in head[:64].lower()):
        return f"it is an ONNX model, which can't be graded; {INSTEAD}"
    if head.startswith(b"\x89HDF"):
        return f"it is an HDF5 file, such as Keras writes; submit its weights by name: {KERAS}"
    if head.startswith((b"7z\xbc\xaf\x27\x1c", b"Rar!")):
        return "it is an archive of 7-Zip or RAR; unpack it, and submit the checkpoint in it"
    if head.startswith(b"%PDF"):
        return f"it is a PDF document, not a checkpoint; {INSTEAD}"
    return None


def archive(leaves: list[str]) -> str | None:
    """The sentence for a zip archive of another format, by the names of its entries; else None."""
    if "config.json" in leaves and "model.weights.h5" in leaves:
        return f"it is a model of Keras; submit its weights by name: {KERAS}"
    if "schema.skops" in leaves or "schema" in leaves:
        return f"it is an object of scikit-learn, saved with skops; submit {SKLEARN}"
    return None


def part_of_several(name: str) -> str:
    """The sentence for one of several safetensors files that make a model; "" for any other file."""
    found = SHARD.search(name)
    if found is None or int(found[2]) < 2:
        return ""
    return (
        f"it is file {int(found[1])} of {int(found[2])} of a model; submit all of them, side by side, or the whole as "
        "one: save_file(model.state_dict(), 'model.safetensors')"
    )
