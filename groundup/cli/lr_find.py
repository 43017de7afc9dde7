"""`groundup lr-find`: how large the learning rate of a preset may be, found in one short run.

Reads and tokenizes what `groundup run` with the same words would, then trains fresh weights for a hundred
steps at rising rates (train/lr_range.py), and throws them away.

Next: recipes/lr_range_figure.py, the picture.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundup.base.config import to_dict
from groundup.base.errors import ConfigError
from groundup.base.log import sparkline

if TYPE_CHECKING:
    from groundup.recipes.pretrain import Pretrain
    from groundup.train.lr_range import LrRange
    from groundup.train.optim import OptimConfig

USAGE = """usage: groundup lr-find PRESET [--section.setting VALUE ...]
                        [--steps N] [--low F] [--high F] [--out DIR]

  PRESET      what `groundup run` takes, with the same settings
  --steps N   how many steps the rates take from lowest to highest (default: 100)
  --low F     the lowest rate, as a factor on those of the preset (default: 0.001)
  --high F    the highest (default: 100)
  --out DIR   where text, tokens, lr-find.json and lr-find.png go (default: runs/lr-find-PRESET)"""


def main(words: Sequence[str]) -> int:
    """Run the command with these words."""
    if not words or words[0] in ("-h", "--help"):
        print(USAGE)
        return 0

    from groundup.base.device import set_threads
    from groundup.base.files import write_json
    from groundup.base.rundir import RunDir
    from groundup.cli import run
    from groundup.recipes.lr_range_figure import write_range

    preset = run.load(words[0])
    asked, rest = _own().parse_known_args(words[1:])
    recipe, settings = trainable(preset.recipe, run.with_flags(preset, rest))
    out = asked.out or Path("runs") / f"lr-find-{preset.name}"
    run_dir = RunDir.open(out, recipe=recipe, config=to_dict(settings), seed=settings.seed)
    set_threads()
    found = range_test(settings, run_dir, steps=asked.steps, low=asked.low, high=asked.high)
    name, rate = main_rate(settings.optim)
    write_json(out / "lr-find.json", {
        "rate": name, "rates": [rate * factor for factor in found.factors], "losses": found.losses,
        "steepest": rate * found.steepest, "lowest": rate * found.lowest,
        "suggestion": rate * found.suggestion,
    })  # fmt: skip
    write_range(out / "lr-find.png", found, rate, name)
    print("\n".join(told(found, settings.optim)))
    print(f"\ndrawn in {out / 'lr-find.png'}")
    return 0


def _own() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--low", type=float, default=1e-3)
    parser.add_argument("--high", type=float, default=1e2)
    parser.add_argument("--out", type=Path)
    return parser


def trainable(recipe: str, settings: Any) -> tuple[str, Pretrain]:
    """The settings of the pretraining that a recipe is, or that it derives. Raises ConfigError for others."""
    from groundup.recipes.pretrain import Pretrain

    if hasattr(settings, "derived"):
        recipe, settings = "pretrain", settings.derived()
    if not isinstance(settings, Pretrain):
        raise ConfigError(
            f"lr-find knows how to train a recipe `pretrain`, and this preset is a {recipe}. Try "
            'shakespeare-char, or a TOML file of your own that begins with recipe = "pretrain".'
        )
    return recipe, settings


def range_test(settings: Pretrain, run_dir: Any, *, steps: int, low: float, high: float) -> LrRange:
    """The range test on the tokens and the model of a pretraining, with its own batches and precision."""
    import torch

    from groundup.base.device import pick_device
    from groundup.base.seeds import derive
    from groundup.data.batches import WindowBatches
    from groundup.data.shards import TokenShards
    from groundup.models.transformer import Transformer
    from groundup.recipes.pretrain_stages import transformer_config
    from groundup.train.lr_range import lr_range
    from groundup.train.objective import cross_entropy

    tokenizer, tokens_stage, _ = settings.prepare(run_dir)
    batches = WindowBatches(
        TokenShards.open(tokens_stage.dir / "train").tokens,
        context_len=settings.model.context_len,
        batch_size=settings.batch_size,
        seed=derive(settings.seed, "batches"),
    )
    torch.manual_seed(derive(settings.seed, "init"))
    model = Transformer(transformer_config(settings, tokenizer.vocab_size)).to(pick_device(settings.device))
    return lr_range(
        model,
        batches=batches,
        objective=cross_entropy,
        optim=settings.optim,
        config=replace(settings.fit, steps=steps),
        seed=settings.seed,
        low=low,
        high=high,
    )


def main_rate(optim: OptimConfig) -> tuple[str, float]:
    """The setting that names the rate of the matrices, and its value."""
    return ("lr", optim.lr) if optim.kind == "adamw" else ("muon_lr", optim.muon_lr)


def told(found: LrRange, optim: OptimConfig) -> Iterator[str]:
    """What the test saw and suggests, line by line."""
    name, rate = main_rate(optim)
    names = ("lr",) if optim.kind == "adamw" else ("muon_lr", "embedding_lr", "head_lr", "gain_lr")
    flags = " ".join(f"--optim.{each} {getattr(optim, each) * found.suggestion:.2g}" for each in names)
    yield f"loss {found.losses[0]:.3f} {sparkline(found.smoothed, 40)} {found.losses[-1]:.3f}"
    first, last = rate * found.factors[0], rate * found.factors[-1]
    yield (
        f"{name} from {first:.2g} to {last:.2g}: the loss falls fastest at {rate * found.steepest:.2g}, is "
        f"lowest at {rate * found.lowest:.2g}"
    )
    yield f"suggestion: {found.suggestion:.2g} times the rates of the preset, {flags}"
