"""A model from wherever it is: `load` takes what a person has and gives a loaded checkpoint.

    runs/my-run        a run, or a checkpoint in one       checkpoint.py
    model.gguf         a GGUF file                         gguf_read.py
    folder/            config.json and safetensors         hugging_face.py
    smollm2            a name                              named.py

Files that hold pickles (.pt, .bin and others) are programs as much as data, and are refused here,
always; `groundup convert --from nanogpt` is the one explicit way for one kind of them (nanogpt.py).

Next: foreign_names.py.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import torch

from groundup.base.errors import CheckpointError, suggest
from groundup.base.files import sha256_file
from groundup.models.transformer import Transformer
from groundup.weights import checkpoint
from groundup.weights.checkpoint import Checkpoint
from groundup.weights.gguf_file import is_gguf
from groundup.weights.gguf_read import read_gguf
from groundup.weights.hugging_face import is_folder, read_folder, weight_files
from groundup.weights.named import NAMED, path_of

PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle")


def load(source: str | Path, *, device: str | torch.device = "cpu") -> Checkpoint:
    """The model that `source` means, in eval mode. Raises CheckpointError or FetchError."""
    if str(source) in NAMED and not Path(source).exists():
        about = NAMED[str(source)]
        found = read_gguf(path_of(str(source)))
        loaded = replace(found, extra={"what": about.what}).as_checkpoint()
    elif is_gguf(source):
        loaded = read_gguf(source).as_checkpoint()
    elif is_folder(source):
        loaded = read_folder(source).as_checkpoint()
    else:
        return checkpoint.load(_ours(source), device=device)
    return replace(loaded, model=loaded.model.to(device))


def load_transformer(source: str | Path, *, device: str | torch.device = "cpu") -> Checkpoint:
    """`load`, for what only a transformer can do. Raises CheckpointError for a model of another kind."""
    loaded = load(source, device=device)
    if not isinstance(loaded.model, Transformer):
        raise CheckpointError(
            f"{source} holds a model of the kind {loaded.manifest.kind!r}. Give a transformer."
        )
    return loaded


def digest(source: str | Path) -> str:
    """The SHA-256 of the weights that `source` means: what is made from them is known by it."""
    if str(source) in NAMED and not Path(source).exists():
        return NAMED[str(source)].sha256
    if is_gguf(source):
        return sha256_file(source)
    if is_folder(source):
        hashes = [sha256_file(path) for path in (Path(source) / "config.json", *weight_files(source))]
        return hashlib.sha256("\n".join(hashes).encode()).hexdigest()
    return checkpoint.verify(_ours(source)).files["model.safetensors"]["sha256"]


def _ours(source: str | Path) -> Path:
    path = Path(source)
    if path.suffix.lower() in PICKLES:
        raise CheckpointError(
            f"{path} is by its name a pickle, and a pickle is a program: loading it could do anything. "
            "Give a run, a GGUF file or a folder with safetensors. A checkpoint of nanoGPT's: "
            f"groundup convert {path} --from nanogpt -o RUN"
        )
    if path.is_file():
        raise CheckpointError(
            f"{path} is a file, and no GGUF file. Give a run, a GGUF file, a folder with config.json and "
            f"safetensors, or a name: {', '.join(NAMED)}."
        )
    if not path.exists() and path.name == str(source):
        raise CheckpointError(
            f"{source} does not exist.{suggest(str(source), NAMED)} Give a run, such as runs/my-run, "
            f"a GGUF file, a folder of Hugging Face's, or a name: {', '.join(NAMED)}."
        )
    return checkpoint.find(path)
