"""How the weights of a model lie in its files: the format and the bytes of each of our parameters.

Read from headers alone. One of our matrices may be several of theirs (q, k and v): their bytes are added, and
where their formats differ, all are named. What is counted is the tensors: a file's header and padding, and a
copy that nobody reads, are not in it.

Next: models/outline.py, which shows it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from safetensors import safe_open

from groundup.base.files import read_json
from groundup.models.outline import Stored
from groundup.models.transformer import Transformer
from groundup.weights.foreign_names import Names, parts
from groundup.weights.gguf_file import GGUFFile, is_gguf
from groundup.weights.gguf_read import FAMILIES
from groundup.weights.hugging_face import NAMES, is_folder, plain, weight_files
from groundup.weights.named import NAMED, path_of
from groundup.weights.quantized import CODES, GROUP, SCALES

BITS = {"F64": 64, "F32": 32, "F16": 16, "BF16": 16, "I64": 64, "I32": 32, "I16": 16, "I8": 8, "U8": 8}
SPELLED = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def stored_in(source: str | Path, model: Transformer) -> dict[str, Stored]:
    """Of each parameter of `model`, which was read from `source`, how it lies there."""
    if str(source) in NAMED and not Path(source).exists():
        source = path_of(str(source))
    if is_gguf(source):
        return _gguf(Path(source), model)
    if is_folder(source):
        return _hugging_face(Path(source), model)
    return in_checkpoint(Path(source))


def in_checkpoint(folder: Path) -> dict[str, Stored]:
    """The same for a checkpoint of ours, of any model."""
    tensors = _tensors(folder / "model.safetensors")
    found = {}
    for name, at in tensors.items():
        if name.endswith(CODES):
            matrix = name.removesuffix(CODES)
            bits = 4 if at.format == "U8" else 8  # quantized.py: two codes of 4 bits in a byte without sign
            both = at.bytes + tensors[matrix + SCALES].bytes
            found[matrix] = Stored(f"int{bits}, a scale for {GROUP}", both)
        elif not name.endswith(SCALES):
            found[name] = Stored(SPELLED.get(at.format, at.format.lower()), at.bytes)
    return found


def _gguf(path: Path, model: Transformer) -> dict[str, Stored]:
    with GGUFFile(path) as file:
        names, _ = FAMILIES[file.metadata["general.architecture"]]
        theirs = {
            name: Stored(info.format.name, info.end - info.start) for name, info in file.tensors.items()
        }
    return _ours(model, names, theirs)


def _hugging_face(path: Path, model: Transformer) -> dict[str, Stored]:
    kind = read_json(path / "config.json")["model_type"]
    theirs = {}
    for file in weight_files(path):
        for name, at in _tensors(file).items():
            if (known := plain(name, kind)) is not None:
                theirs[known] = Stored(SPELLED.get(at.format, at.format.lower()), at.bytes)
    return _ours(model, NAMES[kind], theirs)


def _ours(model: Transformer, names: Names, theirs: Mapping[str, Stored]) -> dict[str, Stored]:
    found = {}
    for name, made_of in parts(model, names).items():
        lying = [theirs[part.name] for part in made_of]
        formats = " + ".join(dict.fromkeys(at.format for at in lying))
        found[name] = Stored(formats, sum(at.bytes for at in lying))
    return found


def _tensors(path: Path) -> dict[str, Stored]:
    """The tensors of a safetensors file, with the names that it has for formats."""
    found = {}
    with safe_open(path, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118  (a safetensors handle is no dict)
            part = file.get_slice(name)
            format = part.get_dtype()
            found[name] = Stored(format, math.prod(part.get_shape()) * BITS.get(format, 32) // 8)
    return found
