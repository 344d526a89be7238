# SPDX-License-Identifier: Apache-2.0
"""Makes the files in files/ whose listing says "made_by": "make_fixtures.py", and their listings.

Run with Python 3.11, torch 2.13.0, numpy: python make_fixtures.py
The other files there, 01_selfcheck and keys/ come from the reference set made by the official code.
"""
import io
import json
import pathlib
import pickle
import struct
import zipfile
from collections import OrderedDict

import numpy as np
import torch

OUT = pathlib.Path(__file__).parent / "files"


def values(*shape):
    count = int(np.prod(shape))
    return torch.from_numpy((np.arange(count) % 251 / 8 - 7).astype(np.float32)).reshape(shape)


def leaves(value, path=()):
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, (list, tuple)):
        items = enumerate(value)
    else:
        yield list(path), value
        return
    for key, item in items:
        yield from leaves(item, (*path, key))


def listing(name, tree, note):
    tensors, scalars = [], []
    for path, value in leaves(tree):
        if not isinstance(value, torch.Tensor):
            scalars.append({"path": path, "value": value})
            continue
        flat = value.detach().double().flatten()
        tensors.append({
            "path": path, "dtype": str(value.dtype).split(".")[1], "shape": list(value.shape),
            "stride": list(value.stride()), "storage_offset": value.storage_offset(),
            "first8": flat[:8].tolist(), "sum_f64": float(flat.sum()),
        })
    row = {"file": name, "note": note, "made_by": "make_fixtures.py", "tensors": tensors, "scalars": scalars}
    (OUT / f"{name}.json").write_text(json.dumps(row, indent=1) + "\n")


def save(name, tree, note, **options):
    torch.save(tree, OUT / name, **options)
    listing(name, tree, note)


def rewritten(source, name, tree, note, change, zip64=False):
    """The zip archive `source` with entries changed by `change(entry name, bytes)`, by Python's zipfile."""
    with zipfile.ZipFile(OUT / source) as old, zipfile.ZipFile(OUT / name, "w", zipfile.ZIP_STORED) as new:
        for entry in old.namelist():
            info = zipfile.ZipInfo(entry, (1980, 1, 1, 0, 0, 0))
            with new.open(info, "w", force_zip64=zip64) as out:
                out.write(change(entry, old.read(entry)))
    listing(name, tree, note)


class LegacyPickler(pickle.Pickler):
    """Writes tensors as PyTorch 0.4 did, with storages that are views of another storage."""

    def persistent_id(self, item):
        if isinstance(item, View):
            return ("storage", torch.FloatStorage, "7", "cpu", item.root_count, ("9", item.offset, item.count))
        return None


class View:
    def __init__(self, root_count, offset, count):
        self.root_count, self.offset, self.count = root_count, offset, count


class Described:
    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return (self.function, self.args)


def legacy_view(name):
    root = values(20)
    out = io.BytesIO()
    for part in (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True}):
        pickle.dump(part, out, protocol=2)
    tree = OrderedDict(inner=Described(torch._utils._rebuild_tensor, View(20, 5, 10), 1, (3, 2), (2, 1)))
    LegacyPickler(out, protocol=2).dump(tree)
    pickle.dump(["7"], out, protocol=2)
    out.write(struct.pack("<q", 20) + root.numpy().tobytes())
    (OUT / name).write_bytes(out.getvalue())
    view = torch.empty(0).set_(root[5:15].clone().untyped_storage(), 1, (3, 2), (2, 1))
    listing(name, {"inner": view}, "a storage that views part of another, by _rebuild_tensor")


def main():
    torch.manual_seed(0)
    plain = OrderedDict([("a.weight", values(3, 4, 2)), ("a.bias", values(3).half()), ("n", torch.tensor(7))])
    for protocol in (3, 5):
        save(f"zip_protocol{protocol}.pt", plain, f"zip with pickle protocol {protocol}", pickle_protocol=protocol)
    save("legacy_protocol4.pt", plain, "legacy stream with framed pickles", pickle_protocol=4,
         _use_new_zipfile_serialization=False)
    odd = {"size": values(2, 3).size(), "big": 2**62, "low": -(2**63), "tuple": ((), (1,), (1, 2), (1, 2, 3, 4)),
           3: {-1: values(2)}, "text": "\u00e9" * 200, "empty": [{}, [], ""], "same": [plain["n"], plain["n"]]}
    save("values.pt", odd, "sizes, long integers, integer keys, long text, one tensor in two places")

    def swap(entry, data):
        if entry.endswith("byteorder"):
            return b"big"
        if "/data/" not in entry:
            return data
        width = {0: 4, 1: 2, 2: 8}[int(entry.rsplit("/", 1)[1])]
        return np.frombuffer(data, f"<u{width}").byteswap().tobytes()

    rewritten("zip_protocol3.pt", "big_endian.pt", plain, "written on a big-endian machine", swap)
    rewritten("zip_protocol3.pt", "zip64.pt", plain, "zip64 fields in entry headers", lambda _, data: data, True)
    legacy_view("legacy_view.pt")


main()
