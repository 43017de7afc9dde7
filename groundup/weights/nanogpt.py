"""A checkpoint of nanoGPT's as a model of ours: by an explicit command only, for it is a pickle.

The file is a zip: one pickle that says which tensors there are, and their numbers as they are. The pickle is
read by another process, which carries out nothing and can reach nothing (pickle_child.py); what it says is
checked here; the numbers are taken from the zip. They must not be packed: no small file becomes a large one.

Its GELU is exact, where GPT-2's is the tanh form: mlp "gelu_erf". The tokenizer is not in the file: GPT-2's
for its vocabulary, or the characters of the meta.pkl that nanoGPT's prepare.py wrote.

Source: karpathy/nanoGPT, model.py and train.py; torch's file format, caffe2/serialize/inline_container.h.
Next:   source.py.
"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from groundup.base.errors import CheckpointError
from groundup.tokenizer.chars import CharTokenizer
from groundup.tokenizer.load import load as load_tokenizer
from groundup.tokenizer.protocol import Tokenizer
from groundup.weights.foreign_names import NANOGPT, filled
from groundup.weights.imported import Imported, config_of, fitting

MOST_PICKLE = 1 << 26  # bytes
TIMEOUT = 120  # seconds, of a busy machine
DTYPES = {
    "torch FloatStorage": torch.float32,
    "torch HalfStorage": torch.float16,
    "torch BFloat16Storage": torch.bfloat16,
}
GPT2_SIZES = (50257, 50304)  # the second is rounded up, as nanoGPT does by default
ARGUMENTS = {"n_layer", "n_head", "n_embd", "block_size", "vocab_size"}
SKIPPED = (".attn.bias", ".attn.masked_bias")  # tables of masks


def read_nanogpt(path: str | Path, *, meta: str | Path | None = None) -> Imported:
    """The model in this file. `meta` is the meta.pkl of its data, if it was trained on characters."""
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as zipped:
            prefix = _prefix(zipped, path)
            about = _in_a_child(_member(zipped, f"{prefix}data.pkl", path, MOST_PICKLE), path)
            tensors, config = _tensors(about, path), config_of(_settings(about, path), where=str(path))
            shapes = {name: tuple(one["shape"]) for name, one in tensors.items()}

            def read(name: str, out: Tensor) -> None:
                out.copy_(_numbers(zipped, prefix, tensors[name], path))

            model = filled(config, NANOGPT, shapes, read, where=str(path))
    except FileNotFoundError:
        raise CheckpointError(f"{path} does not exist. Give the path of a checkpoint of nanoGPT's.") from None
    except zipfile.BadZipFile as error:
        raise CheckpointError(f"{path} is no file of torch.save's, or is damaged: {error}.") from None
    tokenizer = fitting(_tokenizer(config.vocab_size, meta, path), config.vocab_size, where=str(path))
    return Imported(model, tokenizer, source=f"nanoGPT, {path.name}")


def _prefix(zipped: zipfile.ZipFile, path: Path) -> str:
    found = [name for name in zipped.namelist() if name.endswith("data.pkl") and name.count("/") == 1]
    if len(found) != 1:
        raise CheckpointError(f"{path} is no file of torch.save's: it has no data.pkl of its own.")
    return found[0].removesuffix("data.pkl")


def _member(zipped: zipfile.ZipFile, name: str, path: Path, most: int) -> bytes:
    try:
        info = zipped.getinfo(name)
    except KeyError:
        raise CheckpointError(f"{path} lacks {name}. It is not whole: copy it again.") from None
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > most:
        raise CheckpointError(
            f"{path}: {name} is packed, or larger than it may be ({info.file_size:,} bytes, {most:,} "
            "allowed). torch.save does not write that."
        )
    return zipped.read(name)


def _in_a_child(data: bytes, path: Path) -> dict[str, Any]:
    """What the pickle describes, read by a process that can do nothing else."""
    command = [sys.executable, "-I", "-S", str(Path(__file__).with_name("pickle_child.py"))]
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=TIMEOUT, env={}, check=False)
    except subprocess.TimeoutExpired:
        raise CheckpointError(f"{path}: reading its pickle took over {TIMEOUT} seconds.") from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        why = lines[-1] if lines else f"the reader was ended by signal {-done.returncode}"
        raise CheckpointError(
            f"{path} is refused: {why[:200]}. No checkpoint of nanoGPT's does. Nothing was run."
        )
    return json.loads(done.stdout)


def _settings(about: Mapping[str, Any], path: Path) -> dict[str, Any]:
    given = about.get("model_args")
    if not isinstance(given, dict) or (missing := ARGUMENTS - given.keys()):
        lacking = sorted(ARGUMENTS if not isinstance(given, dict) else missing)
        raise CheckpointError(f"{path} is no checkpoint of nanoGPT's: model_args lacks {', '.join(lacking)}.")
    if unknown := sorted(given.keys() - ARGUMENTS - {"bias", "dropout"}):
        raise CheckpointError(
            f"{path} sets {', '.join(unknown)}, which nanoGPT has not. It is of a variant of it."
        )
    return {
        "context_len": given["block_size"], "norm": "layer", "position": "learned", "mlp": "gelu_erf",
        "qk_norm": False, "bias": bool(given.get("bias", True)), "tie": True, "norm_eps": 1e-5,
        **{name: given[name] for name in ARGUMENTS - {"block_size"}},
    }  # fmt: skip


def _tensors(about: Mapping[str, Any], path: Path) -> dict[str, dict[str, Any]]:
    """Our tensors' places by name, each checked: whole numbers, in order, within its storage."""
    model = about.get("model")
    if not isinstance(model, dict):
        raise CheckpointError(f'{path} is no checkpoint of nanoGPT\'s: it has no "model".')
    found = {
        name.removeprefix("_orig_mod."): one for name, one in model.items() if not name.endswith(SKIPPED)
    }
    for name, one in found.items():
        if _is_place(one):
            continue
        raise CheckpointError(f"{path}: the tensor {name} is not one that can be read: {str(one)[:80]}.")
    head, embedding = found.pop("lm_head.weight", None), found.get("transformer.wte.weight")
    if head is not None and head != embedding:
        raise CheckpointError(f"{path}: its head is not its embedding, and in nanoGPT they are one.")
    return found


def _is_place(one: Any) -> bool:
    """Whether this says where a tensor lies: in order, and within its storage."""
    match one:
        case {"key": str(), "count": int(count), "start": int(start), "shape": list(shape), "stride": stride}:
            sizes = [*shape, start, count]
            return (
                all(type(size) is int and 0 <= size < 1 << 40 for size in sizes)
                and one.get("storage") in DTYPES
                and stride == [prod(shape[i + 1 :]) for i in range(len(shape))]
                and start + prod(shape) <= count
            )
    return False


def _numbers(zipped: zipfile.ZipFile, prefix: str, one: Mapping[str, Any], path: Path) -> Tensor:
    dtype = DTYPES[one["storage"]]
    data = _member(zipped, f"{prefix}data/{one['key']}", path, one["count"] * dtype.itemsize)
    if len(data) != one["count"] * dtype.itemsize:
        raise CheckpointError(
            f"{path}: data/{one['key']} has {len(data):,} bytes. It is damaged: copy it again."
        )
    whole = torch.from_numpy(np.frombuffer(data, np.uint8).copy()).view(dtype)
    return whole[one["start"] : one["start"] + prod(one["shape"])].view(one["shape"])


def _tokenizer(vocab_size: int, meta: str | Path | None, path: Path) -> Tokenizer:
    if meta is None:
        if vocab_size not in GPT2_SIZES:
            raise CheckpointError(
                f"{path} has {vocab_size:,} ids, and does not say what they mean. Name the meta.pkl of its "
                "data: --meta data/NAME/meta.pkl"
            )
        return load_tokenizer("gpt2")
    meta = Path(meta)
    if not meta.is_file() or meta.stat().st_size > MOST_PICKLE:
        raise CheckpointError(f"{meta} is not there, or too large for a meta.pkl of nanoGPT's.")
    table = _in_a_child(meta.read_bytes(), meta).get("itos")
    good = isinstance(table, list) and all(
        type(id) is int and isinstance(text, str) and len(text) == 1 for id, text in table
    )
    characters = "".join(text for _, text in table) if good and table else ""
    if [id for id, _ in table or ()] != list(range(vocab_size)) or list(characters) != sorted(
        set(characters)
    ):
        raise CheckpointError(
            f"{meta} does not give a character to each of the {vocab_size:,} ids of {path}."
        )
    return CharTokenizer(characters)
