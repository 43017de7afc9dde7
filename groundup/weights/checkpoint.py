"""A model at rest: one directory that says what it is, and is whole or refused.

    manifest.json         schema version, model kind and config, step, tokenizer fingerprint,
                          size and SHA-256 of each file
    model.safetensors     the weights; one that two names share is written once, and of a quantized one the
                          codes and scales (quantized.py)
    tokenizer.json        what its ids mean
    training.safetensors  optimizer state, if training is to go on
    training.json         counters, if training is to go on

Written beside its place, flushed and renamed over it (base/files.py), so a kill at any moment leaves the old
one or the new one. Every byte is checked on loading. Nothing here can execute code: tensors are safetensors,
the rest is JSON. The checksums find accidents, not enemies: who can write the file can write the manifest.

Next: train/fit.py, which writes them; huggingface.py and others, which translate foreign ones.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from groundup.base.config import diff, to_dict
from groundup.base.errors import CheckpointError, DataError
from groundup.base.files import atomic_dir, read_json, recover, sha256_file, write_json
from groundup.models.catalog import build, kind_of
from groundup.tokenizer.load import load as load_tokenizer
from groundup.tokenizer.protocol import Tokenizer
from groundup.weights.quantized import Quantized, restored, stored

SCHEMA = 1
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """What a checkpoint says about itself. `files` maps a name to its size in bytes and its SHA-256."""

    kind: str
    config: dict[str, Any]
    step: int
    tokenizer: str  # fingerprint
    files: dict[str, dict[str, Any]]
    tied: dict[str, str] = field(default_factory=dict)  # alias -> the name under which its weight is written
    extra: dict[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint: a model in eval mode, the tokenizer it was trained with, and where it stood."""

    model: nn.Module
    tokenizer: Tokenizer
    manifest: Manifest

    @property
    def step(self) -> int:
        return self.manifest.step

    @property
    def config(self) -> dict[str, Any]:
        return self.manifest.config


def save(
    path: str | Path,
    *,
    model: nn.Module,
    tokenizer: Tokenizer,
    step: int,
    training: Mapping[str, Any] | None = None,
    extra: Mapping[str, Any] | None = None,
    quantized: Mapping[str, Quantized] | None = None,
) -> None:
    """Write a checkpoint, replacing one that is there only when the new one is complete and on the disk.

    `training` maps names to tensors (training.safetensors) and plain JSON values (training.json). `extra` is
    kept in the manifest: where the weights come from, what they scored. Of the matrices in `quantized` the
    codes are written in place of the weights. Raises UserError if the disk is full.
    """
    tensors, tied = _untied(model.state_dict())
    for name, matrix in (quantized or {}).items():
        del tensors[name]
        tensors |= stored(name, matrix)
    with atomic_dir(path) as fresh:
        save_file(tensors, fresh / "model.safetensors")
        tokenizer.save(fresh / "tokenizer.json")
        if training is not None:
            held = {name: value.contiguous() for name, value in training.items() if isinstance(value, Tensor)}
            save_file(held, fresh / "training.safetensors")
            write_json(fresh / "training.json", {n: value for n, value in training.items() if n not in held})
        files = {
            p.name: {"bytes": p.stat().st_size, "sha256": sha256_file(p)} for p in sorted(fresh.iterdir())
        }
        manifest = Manifest(
            kind=kind_of(model),
            config=to_dict(model.config),
            step=step,
            tokenizer=tokenizer.fingerprint,
            files=files,
            tied=tied,
            extra=dict(extra or {}),
        )
        _write_manifest(fresh, manifest)


def copy(source: str | Path, target: str | Path, *, extra: Mapping[str, Any], training: bool = True) -> None:
    """The checkpoint `source` under another path, with `extra` added to its manifest.

    Files are linked where the disk can, which takes no room and no time. `training=False` leaves the training
    state behind, which is two thirds of the bytes.
    """
    source = Path(source)
    manifest = _manifest(source)
    files = {
        name: file for name, file in manifest.files.items() if training or not name.startswith("training.")
    }
    with atomic_dir(target) as fresh:
        for name in files:
            try:
                os.link(source / name, fresh / name)  # safe: checkpoints are replaced, never written into
            except OSError:
                shutil.copyfile(source / name, fresh / name)
        _write_manifest(fresh, dataclasses.replace(manifest, files=files, extra={**manifest.extra, **extra}))


def load(
    path: str | Path, *, device: str | torch.device = "cpu", tokenizer: Tokenizer | None = None
) -> Checkpoint:
    """The model in this directory, every byte checked. With `tokenizer`, refuses weights made for another.

    Raises CheckpointError that names the file, what is wrong with it, and the newest valid one beside it.
    """
    path = Path(path)
    manifest = verify(path)
    own = load_tokenizer(path / "tokenizer.json")
    _same_tokenizer(path, own.fingerprint, manifest.tokenizer, "its own tokenizer.json")
    if tokenizer is not None:
        _same_tokenizer(path, tokenizer.fingerprint, manifest.tokenizer, "the tokenizer in use")
    model = build(manifest.kind, manifest.config)
    _fill(model, path, manifest)
    return Checkpoint(model.to(device).eval(), own, manifest)


def restore(path: str | Path, *, model: nn.Module, tokenizer: Tokenizer) -> tuple[Manifest, dict[str, Any]]:
    """Fill `model` with these weights; returns the manifest and the `training` mapping saved with it.

    Raises CheckpointError like `load`, and also if this is another model than `model` or has no training
    state.
    """
    path = Path(path)
    manifest = verify(path)
    _same_tokenizer(path, tokenizer.fingerprint, manifest.tokenizer, "the tokenizer in use")
    here = {"kind": kind_of(model), **to_dict(model.config)}
    if changes := diff({"kind": manifest.kind, **manifest.config}, here):  # a new setting that is off is none
        raise CheckpointError(
            f"{path} holds another model than the one to be trained ({'; '.join(changes)}). Train on "
            "with the saved settings, or choose a new run directory."
        )
    if "training.json" not in manifest.files:
        raise CheckpointError(
            f"{path} has weights but no training state, so training cannot go on exactly. "
            "Load it as the start of a new run instead."
        )
    _fill(model, path, manifest)
    return manifest, {**read_json(path / "training.json"), **_tensors(path / "training.safetensors")}


def verify(path: str | Path) -> Manifest:
    """The manifest, once every byte has been found as it was written. Raises CheckpointError otherwise."""
    path = Path(path)
    recover(path)
    try:
        return _whole(path)
    except CheckpointError as error:
        raise CheckpointError(f"{error} {_advice(path)}") from None


def newest_valid(folder: str | Path) -> tuple[Path, Manifest] | None:
    """The valid checkpoint with the highest step among the sub-folders of `folder`, or None."""
    found = []
    for path in sorted(Path(folder).glob("*/")):
        if not path.name.startswith("."):
            with contextlib.suppress(CheckpointError):
                found.append((path, _whole(path)))
    return max(found, key=lambda pair: pair[1].step, default=None)


def find(path: str | Path) -> Path:
    """The checkpoint that a path means: the directory itself, or the `model` folder of a finished run.

    Never guesses: for a run that is not finished it raises CheckpointError with the checkpoints there are to
    choose from.
    """
    path = Path(path)
    for candidate in (path, path / "model"):
        recover(candidate)
        if (candidate / MANIFEST).is_file():
            return candidate
    if not path.exists():
        raise CheckpointError(
            f"{path} does not exist. Give a run directory, such as runs/my-run, or a checkpoint in it."
        )
    below = sorted(p.parent for p in path.rglob(MANIFEST) if (p.parent / "model.safetensors").exists())
    choices = (
        f"It is not finished; choose one of: {', '.join(map(str, below))}." if below else "Train one first."
    )
    raise CheckpointError(f"{path} holds no finished model. {choices}")


def _whole(path: Path) -> Manifest:
    """The manifest of a checkpoint of which every byte is as it was written."""
    manifest = _manifest(path)
    for name, expected in manifest.files.items():
        _check_file(path / name, expected)
    return manifest


def _manifest(path: Path) -> Manifest:
    """The manifest as written, itself unharmed and of a schema that we read."""
    if not path.is_dir():
        raise CheckpointError(f"There is no checkpoint at {path}.")
    if not (path / MANIFEST).is_file():
        raise CheckpointError(f"{path} is not a checkpoint: it has no {MANIFEST}.")
    try:
        content = read_json(path / MANIFEST)
    except DataError as error:
        raise CheckpointError(f"The manifest cannot be read: {error}") from None
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != SCHEMA:
        raise CheckpointError(
            f"{path / MANIFEST} has schema version {schema}, and this groundup reads version "
            f"{SCHEMA}. Load it with the groundup that wrote it."
        )
    if content.pop("sha256", None) != _digest(content):
        raise CheckpointError(
            f"{path / MANIFEST} was altered after it was written: its own checksum does not fit."
        )
    return Manifest(**content)


def _write_manifest(folder: Path, manifest: Manifest) -> None:
    content = to_dict(manifest)
    write_json(folder / MANIFEST, {**content, "sha256": _digest(content)})


def _check_file(path: Path, expected: Mapping[str, Any]) -> None:
    if not path.is_file():
        raise CheckpointError(f"{path} is missing.")
    if (size := path.stat().st_size) != expected["bytes"]:
        what = "truncated" if size < expected["bytes"] else "longer than it was"
        raise CheckpointError(f"{path} is {what}: {size:,} bytes, and {expected['bytes']:,} were written.")
    if sha256_file(path) != expected["sha256"]:
        raise CheckpointError(
            f"{path} was altered or damaged: its SHA-256 is not the one that was written down."
        )


def _advice(path: Path) -> str:
    """What to do about a checkpoint that cannot be used: its twin, or the newest valid one beside it."""
    if twin := _twin(path):
        return f"The same weights lie unharmed in {twin}: use those."
    found = newest_valid(path.parent)
    if found is None or found[0] == path:
        return "No other valid checkpoint lies beside it: start the run again in a new directory."
    newest, manifest = found
    says = f"The newest valid checkpoint beside it is {newest} (step {manifest.step:,}): use that one"
    if "training.safetensors" in manifest.files:
        return f"{says}, or rename it to {path.name} to train on from it."
    return f"{says} as a model; it has no state of a training to go on from."


def _twin(path: Path) -> Path | None:
    """Valid weights of a stage that are the very same: `model/` of a run is a copy of a stage's best."""
    with contextlib.suppress(CheckpointError):
        wanted = _manifest(path).files.get("model.safetensors")
        for manifest in sorted(path.parent.glob(f"[!.]*/[!.]*/{MANIFEST}")):
            with contextlib.suppress(CheckpointError):
                if wanted and _whole(manifest.parent).files.get("model.safetensors") == wanted:
                    return manifest.parent
    return None


def _same_tokenizer(path: Path, have: str, saved: str, whose: str) -> None:
    if have != saved:
        raise CheckpointError(
            f"The weights in {path} were trained with the tokenizer {saved}, and {whose} is {have}: the "
            "same ids mean other text. Use the tokenizer.json beside the weights, or train anew."
        )


def _untied(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors, a shared one under its first name only; and the other names of those, {alias: name}."""
    tensors: dict[str, Tensor] = {}
    tied: dict[str, str] = {}
    seen: dict[tuple[Any, ...], str] = {}
    for name, tensor in state.items():
        place = (
            (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype) if tensor.numel() else (name,)
        )
        if place in seen:
            tied[name] = seen[place]
        else:
            seen[place] = name
            tensors[name] = tensor.detach().contiguous()
    return tensors, tied


def _fill(model: nn.Module, path: Path, manifest: Manifest) -> None:
    """Copy the saved weights into `model`: exactly its names and shapes, or CheckpointError."""
    tensors = restored(_tensors(path / "model.safetensors"), where=str(path))
    tensors.update({alias: tensors[name] for alias, name in manifest.tied.items()})
    try:
        model.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        raise CheckpointError(
            f"The weights in {path} do not fit the model that its manifest describes: {error}"
        ) from None


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise CheckpointError(f"{path} is not a safetensors file: {error}.") from None


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
