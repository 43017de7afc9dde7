"""`groundup inspect`: what is in a run or a checkpoint, and whether every byte is as it was written.

Its model is shown as a tree: shapes, parameters, bytes, operations and cache of each part; of a run the
finished model, or the newest there is. It only reads, and reads only what is there: a run that is still going
can be inspected.

Next: base/rundir.py and weights/checkpoint.py, which say what each file means; models/outline.py, the tree.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundup.base.errors import CheckpointError, ConfigError, RunDirError
from groundup.base.files import read_json, recover, write_atomic
from groundup.base.log import EventLog, clock

if TYPE_CHECKING:
    from torch import nn

    from groundup.models.outline import Node, Stored
    from groundup.weights.checkpoint import Manifest

    Shown = tuple[Node, tuple[str, ...]]  # the tree of a model, and what stands below it


def main(words: Sequence[str]) -> int:
    """Run the command with these words. Returns 2 if something in the folder is damaged."""
    asked = _parser().parse_args(words)
    folder = asked.folder
    if asked.tokens is not None and asked.tokens < 1:
        raise ConfigError(f"--tokens {asked.tokens} is no context. Choose 1 or more.")
    if asked.svg and asked.svg.suffix.lower() != ".svg":
        raise ConfigError(f"--svg {asked.svg}: the picture is an SVG. Choose a name that ends in .svg.")
    recover(folder)
    tree: Shown | None = None
    if (folder / "recipe.toml").is_file():
        lines, whole = run(folder)
        models = _models(folder)
        tree = _tree_of_ours(models[-1], asked.tokens) if models and whole else None
    elif (folder / "manifest.json").is_file():
        lines, whole = checkpoint(folder)
        tree = _tree_of_ours(folder, asked.tokens) if whole else None
    elif found := foreign(folder, asked.tokens):
        (lines, tree), whole = found, True
    elif not folder.exists():
        raise RunDirError(f"{folder} does not exist. Give a run directory, such as runs/zero-to-chat.")
    else:
        raise RunDirError(
            f"{folder} is neither a run (recipe.toml) nor a checkpoint (manifest.json). Give one of these."
        )
    print("\n".join(lines))
    _show(tree, asked.svg, folder)
    return 0 if whole else 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="groundup inspect",
        description="What is in a run or a checkpoint, whether it is whole, and its model as a tree.",
    )
    add = parser.add_argument
    add(
        "folder",
        type=Path,
        metavar="RUN",
        help="a run, a checkpoint in one, a GGUF file, a Hugging Face folder, or smollm2",
    )
    add("--svg", type=Path, metavar="FILE.svg", help="the tree as a picture, too")
    add("--tokens", type=int, metavar="T", help="the context that FLOPs are counted for (default: all of it)")
    return parser


def run(folder: Path) -> tuple[list[str], bool]:
    """What there is to say of a run, line by line, and whether its checkpoints and stages are whole."""
    about = read_json(folder / "run.json") if (folder / "run.json").exists() else {}
    git = about.get("git")
    versions = about.get("versions", {})
    lines = [
        f"{folder}: a run of the recipe {about.get('recipe', '?')}, seed {about.get('seed', '?')}",
        f"  created   {about.get('created', '?')}",
        f"  versions  {', '.join(f'{name} {version}' for name, version in versions.items() if version)}",
        f"  git       {_git(git)}",
        f"  settings  {folder / 'recipe.toml'}",
    ]
    rows, whole = _stages(folder)
    lines += ["", "  stages", *rows] if rows else ["", "  no stage has begun"]
    lines += _events(folder)
    lines += _inside(folder)
    for path in sorted(_models(folder)):
        more, good = checkpoint(path)
        whole = whole and good
        lines += ["", *(f"  {line}" for line in more)]
    if (folder / "report.json").exists():
        lines += ["", "  scores", *_scores(read_json(folder / "report.json"))]
    if (folder / "report.html").exists():
        lines += ["", f"  report    {folder / 'report.html'}"]
    if (folder / "chat.html").exists():
        lines += [f"  chat      {folder / 'chat.html'}: the model as one page"]
    return lines, whole


def checkpoint(folder: Path) -> tuple[list[str], bool]:
    """What there is to say of a checkpoint, line by line, and whether its checksums fit."""
    from groundup.weights.checkpoint import verify

    try:
        manifest = verify(folder)
    except CheckpointError as error:
        return [f"{folder}: DAMAGED", f"  {error}"], False
    size = sum(entry["bytes"] for entry in manifest.files.values())
    parameters = sum(p.numel() for p in _shape_of(manifest).parameters())
    lines = [
        f"{folder}: {manifest.kind}, {parameters:,} parameters, step {manifest.step:,}",
        f"  checksums ok: {len(manifest.files)} files, {size / 1e6:.1f} MB",
        f"  tokenizer: {manifest.tokenizer[:12]}",
    ]
    if "training.json" not in manifest.files:
        lines.append("  weights only: training cannot be carried on from it exactly")
    lines += _told(manifest.extra)
    return lines, True


def _told(extra: dict[str, Any]) -> list[str]:
    """What goes with the weights, line by line."""
    texts = [f"  learned from: {each['name']} ({each['licence']})" for each in extra.get("data", ())]
    return texts + [f"  {name}: {value}" for name, value in extra.items() if name != "data"]


def foreign(source: Path, T: int | None) -> tuple[list[str], Shown] | None:
    """What there is to say of somebody else's model, which is read whole, and its tree; None for none."""
    from groundup.models.transformer import Transformer
    from groundup.weights.gguf_file import is_gguf
    from groundup.weights.hugging_face import is_folder
    from groundup.weights.named import NAMED
    from groundup.weights.source import load_transformer
    from groundup.weights.stored import stored_in

    if not (is_gguf(source) or is_folder(source) or (str(source) in NAMED and not source.exists())):
        return None
    found = load_transformer(source)
    assert isinstance(found.model, Transformer), "or it would have been refused"
    parameters = sum(p.numel() for p in found.model.parameters())
    lines = [
        f"{source}: {found.manifest.kind}, {parameters:,} parameters",
        "  every tensor is there and fits",
    ]
    lines += [f"  {name}: {value}" for name, value in found.config.items() if value is not None]
    lines.append(f"  tokenizer: {found.manifest.tokenizer[:12]}")
    lines += _told(found.manifest.extra)
    return lines, _tree(found.model, stored_in(source, found.model), T)


# ---- The tree ------------------------------------------------------------------------------------


def _tree_of_ours(folder: Path, T: int | None) -> Shown:
    from groundup.weights.checkpoint import verify
    from groundup.weights.stored import in_checkpoint

    return _tree(_shape_of(verify(folder)), in_checkpoint(folder), T)


def _tree(model: nn.Module, stored: dict[str, Stored], T: int | None) -> Shown:
    """The tree, and what stands below it."""
    from groundup.models.catalog import kind_of
    from groundup.models.outline import outline
    from groundup.models.transformer import Transformer

    tree = outline(model, T=T, stored=stored, name=kind_of(model))
    if not isinstance(model, Transformer) or tree.kv is None:
        return tree, ("FLOPs and cache are counted for transformers only.",)
    length = model.config.context_len
    return tree, (
        f"FLOPs of a forward pass with {T or length:,} tokens of context; training takes 3 times as many.",
        f"The cache in float32, as here: {tree.kv * length / 1e6:,.1f} MB for all {length:,} tokens.",
    )


def _show(shown: Shown | None, svg: Path | None, source: Path) -> None:
    if shown is None and svg:
        raise RunDirError("There is no model to draw yet. Let the run go on, or give one with a model.")
    if shown is None:
        return
    from groundup.models.outline_draw import as_svg, as_text

    tree, notes = shown
    if tree.parameters:
        print("\n" + "\n".join([*as_text(tree), *notes]))
    if svg:
        title = f"{source.resolve().name}: {tree.parameters:,} parameters, {tree.bytes / 1e6:.2f} MB"
        write_atomic(svg, as_svg(tree, title=title, notes=notes))
        print(f"\n{svg}: the tree as a picture.")


def _shape_of(manifest: Manifest) -> nn.Module:
    """The model that a manifest describes: names and shapes, in no memory where that is possible."""
    from groundup.base.config import from_dict
    from groundup.models.catalog import build
    from groundup.models.transformer import TransformerConfig
    from groundup.weights.foreign_names import hollow

    if manifest.kind == "transformer":
        return hollow(from_dict(TransformerConfig, manifest.config))
    return build(manifest.kind, manifest.config)


def _models(folder: Path) -> list[Path]:
    """The checkpoints of a run, by age; the finished one (`model/`) last."""
    found = [
        path.parent
        for path in folder.rglob("manifest.json")
        if (path.parent / "model.safetensors").exists() and "replaced" not in path.relative_to(folder).parts
    ]
    return sorted(found, key=lambda path: (path == folder / "model", path.stat().st_mtime))


def _git(git: dict[str, Any] | None) -> str:
    if not git:
        return "none (installed, or no git)"
    return f"{git['commit'][:12]}{', with uncommitted changes' if git['changed'] else ''}"


def _stages(folder: Path) -> tuple[list[str], bool]:
    rows, whole = [], True
    begun = sorted(folder.glob("*/inputs.json"), key=lambda path: path.stat().st_mtime)
    for marker in begun:
        stage = marker.parent
        if not (stage / "stage.json").exists():
            rows.append(f"    {stage.name:<16} not finished; run the same command again to carry on")
            continue
        done = read_json(stage / "stage.json")
        lost = [
            name
            for name, size in done["files"].items()
            if not (stage / name).is_file() or (stage / name).stat().st_size != size
        ]
        row = f"    {stage.name:<16} {clock(done['seconds']):>8}"
        row += f"  {done['flops']:.2e} FLOPs" if done["flops"] else ""
        if lost:
            whole = False
            row += f"  DAMAGED: missing or of another size: {', '.join(lost[:3])}"
        rows.append(row)
    return rows, whole


def _events(folder: Path) -> list[str]:
    """How long ago something happened, and the newest figure of each kind of measurement."""
    newest: dict[tuple[str, str], dict[str, Any]] = {}
    last = None
    for event in EventLog(folder / "events.jsonl").read():
        last = event
        if any(isinstance(value, float) for name, value in event.items() if name != "time"):
            newest[event["kind"], str(event.get("label", ""))] = event
    if last is None:
        return []
    lines = ["", f"  last event {clock(max(0.0, time.time() - last['time']))} ago: {last['kind']}"]
    for (kind, label), event in newest.items():
        figures = [
            f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in event.items()
            if name not in ("time", "kind", "label") and isinstance(value, int | float)
        ]
        lines.append(f"    {label or kind:<16} {'  '.join(figures)}")
    return lines


def _inside(folder: Path) -> list[str]:
    """What the looks inside the network say, where any were made."""
    from groundup.train.diagnosis import diagnose
    from groundup.train.diagnostics import FILE
    from groundup.train.diagnostics_data import looks

    if not (folder / FILE).is_file():
        return []
    found = diagnose(looks(folder)) or ["no rule of train/diagnosis.py finds an illness"]
    return ["", "  inside the network", *(f"    {text}" for text in found)]


def _scores(report: dict[str, Any]) -> Iterator[str]:
    for name, score in report.get("scores", {}).items():
        if isinstance(score, dict) and {"value", "low", "high", "n"} <= score.keys():
            yield (
                f"    {name:<20} {100 * score['value']:5.1f} %  "
                f"[{100 * score['low']:.1f}, {100 * score['high']:.1f}]  n={score['n']}"
            )
    for name in ("bits_per_byte", "ngram_bits_per_byte"):
        if isinstance(report.get(name), float):
            yield f"    {name:<20} {report[name]:.3f}"
