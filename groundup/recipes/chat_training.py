"""The training stages of zero-to-chat: pretrain, fine-tune, reinforce, and the control that costs as much.

They differ in their data, their objective and their rates; the loop is `fit`, and every one can be stopped
and goes on from its last save.

Next: chat_scores.py, how the assistant is examined.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from groundup.base.errors import FetchError, HashError
from groundup.base.files import read_json, write_json
from groundup.base.rundir import RunDir, Stage
from groundup.base.seeds import derive, python_rng, torch_generator
from groundup.data.batches import WindowBatches
from groundup.data.bucketing import BucketBatches
from groundup.data.dialogues import Dialogue, dialogues
from groundup.data.skills import columns, mix
from groundup.data.skills.people import from_people
from groundup.evals.bits_per_byte import bits_per_byte
from groundup.evals.phrasings import normalise
from groundup.evals.skills import shapes
from groundup.infer.generate import generate
from groundup.infer.sampling import SamplingParams
from groundup.models.cost import flops_per_token
from groundup.models.transformer import Transformer
from groundup.posttrain import grpo, sft
from groundup.recipes import chat_scores, chat_text
from groundup.recipes.chat_text import held_out_by_source, shard, words
from groundup.tokenizer.bpe import BytePairTokenizer
from groundup.tokenizer.chat import Conversation, user
from groundup.train.fit import FitConfig, FitResult, fit
from groundup.train.objective import cross_entropy, cross_entropy_where_asked
from groundup.weights import checkpoint

if TYPE_CHECKING:
    from groundup.recipes.zero_to_chat import ZeroToChat


# The requests that a stage trained on, emptied of operands and names: no wording among them is examined as
# an untrained one.
SHAPES = "shapes.json"


class Stopped(Exception):
    """A signal came; everything is saved."""


def build(recipe: ZeroToChat, vocab_size: int) -> Transformer:
    """A freshly initialised model; the same for the same seed."""
    torch.manual_seed(derive(recipe.seed, "init"))
    return Transformer(recipe.model.transformer(vocab_size))


def pretrain(recipe: ZeroToChat, run: RunDir, text: Stage, ids: Stage, tok: BytePairTokenizer) -> Stage:
    """The base model: next-token prediction, with held-out bits per byte by source."""
    config = recipe.pretrain
    stage = run.stage(
        "pretrain",
        {
            "tokens": ids.digest,
            "model": recipe.model,
            "config": config,
            "scored": chat_text.SCORED,
            "workers": recipe.workers,
            "seed": recipe.seed,
        },
    )
    if stage.done:
        return stage
    model = build(recipe, tok.vocab_size)
    train, held_out = shard(ids, "train", tok), shard(ids, "held_out", tok)
    glance = held_out.tokens[: 16 * config.context_len + 1]

    def evaluate(model: Any) -> dict[str, float]:
        score = bits_per_byte(model, glance, tok, config.context_len, stride=config.context_len)
        return {"loss": score.loss, "bits_per_byte": score.value}

    def sample(model: Any) -> str:
        prompt = [tok.special("<|bos|>"), *tok.encode("The people of")]
        params = SamplingParams(temperature=0.8, max_tokens=40)
        return "The people of" + tok.decode(
            generate(model, [prompt], params, torch_generator(recipe.seed, "sample"))[0].ids
        )

    result = train_stage(
        recipe,
        run,
        stage,
        model,
        tok,
        batches=WindowBatches(
            train.tokens,
            context_len=config.context_len,
            batch_size=config.batch_size,
            seed=derive(recipe.seed, "pretrain"),
        ),
        objective=cross_entropy,
        optim=config.optim,
        schedule=config.schedule,
        steps=config.steps,
        evaluate=evaluate,
        sample=sample,
        looks=8,
        T=config.context_len,
    )
    parts = held_out_by_source(text, ids, tok)
    finish(stage, result, bits_per_byte=scores_by_source(model, parts, tok, config.context_len))
    return stage


def scores_by_source(
    model: Any, parts: Mapping[str, np.ndarray], tok: BytePairTokenizer, context_len: int
) -> dict[str, float]:
    """Held-out bits per byte of each source, and of all of them together under "all"."""
    found = {name: bits_per_byte(model, part, tok, context_len) for name, part in parts.items()}
    nats, size = sum(score.nats for score in found.values()), sum(score.bytes for score in found.values())
    return {"all": nats / math.log(2) / size, **{name: score.value for name, score in found.items()}}


def finish(stage: Stage, result: FitResult, **record: Any) -> None:
    """Mark a training stage done. Its seconds are of all that it did here, at least of its training."""
    stage.finish(
        seconds=max(stage.elapsed, result.seconds),
        training_seconds=result.seconds,
        flops=result.flops,
        tokens=result.tokens,
        steps=result.step,
        **record,
    )


def train_stage(
    recipe: ZeroToChat,
    run: RunDir,
    stage: Stage,
    model: Transformer,
    tok: BytePairTokenizer,
    *,
    batches: Any,
    objective: Any,
    optim: Any,
    schedule: Any,
    steps: int,
    evaluate: Any = None,
    sample: Any = None,
    looks: int = 0,
    parts: int = 1,
    T: int,
) -> FitResult:
    """`fit` in the stage's folder, looking `looks` times on the way. Raises Stopped when a signal came.

    A step has `parts` micro-batches for each worker. T: about the tokens of a row, for counting FLOPs.
    """
    every = max(1, steps // looks) if looks else 0
    result = fit(
        model,
        batches=batches,
        objective=objective,
        optim=optim,
        schedule=schedule,
        config=FitConfig(
            steps=steps,
            accumulate=parts * recipe.workers,
            workers=recipe.workers,
            eval_every=every,
            sample_every=every,
            save_every=max(1, steps // 4),
            log_every=max(1, min(10, steps // 50)),  # a curve of fifty points at least
        ),
        out=stage.dir,
        events=run.events,
        tokenizer=tok,
        seed=derive(recipe.seed, stage.name),
        evaluate=evaluate,
        sample=sample,
        flops_per_token=flops_per_token(model.config, T),
        label=stage.name,
    )
    if result.interrupted:
        raise Stopped
    return result


def finetune(
    recipe: ZeroToChat,
    run: RunDir,
    text: Stage,
    spoken: Stage,
    base: Stage | None,
    tok: BytePairTokenizer,
    *,
    name: str = "finetune",
) -> Stage:
    """Supervised fine-tuning of the base model, or of random weights if there is no `base` (the ablation)."""
    config = recipe.finetune
    stage = run.stage(
        name,
        {
            "base": base.digest if base else None,
            "tokenizer": spoken.digest,
            "corpus": text.digest,
            "config": config,
            "model": recipe.model,
            "workers": recipe.workers,
            "seed": recipe.seed,
            "dialogues": len(dialogues_at_hand()),
        },
    )
    if stage.done:
        return stage
    if config.real_dialogues and not dialogues_at_hand():
        run.events.write("warning", text="People's dialogues could not be fetched: going on without them.")
    conversations, asked = lessons(
        recipe, text, count=config.conversations, shares=config.mix, purpose="finetune"
    )
    write_json(stage.dir / SHAPES, sorted(asked))
    encoded = sft.encode(tok, conversations, context_len=recipe.model.context_len)
    batches = BucketBatches(
        encoded.examples, batch_tokens=config.batch_tokens, seed=derive(recipe.seed, "buckets")
    )
    model = assistant(recipe, tok, base)
    result = train_stage(
        recipe,
        run,
        stage,
        model,
        tok,
        batches=batches,
        objective=cross_entropy_where_asked,
        optim=config.optim,
        schedule=config.schedule,
        steps=batches.batches_per_epoch // recipe.workers,
        sample=lambda model: chat_scores.glance(model, tok),
        looks=6,
        T=encoded.tokens // len(encoded.examples),
    )
    finish(
        stage,
        result,
        conversations=len(encoded.examples),
        dropped=encoded.dropped,
    )
    return stage


def lessons(
    recipe: ZeroToChat, text: Stage, *, count: int, shares: mix.MixConfig, purpose: str
) -> tuple[list[Conversation], set[str]]:
    """Generated conversations and people's own; and the shape of every request (evals/skills.py)."""
    seed = derive(recipe.seed, f"lessons.{purpose}")
    made = mix.conversations(seed, count, shares, words=words(text))
    real = from_people(
        dialogues_at_hand(),
        int(count * recipe.finetune.real_dialogues),
        python_rng(recipe.seed, f"people.{purpose}"),
    )
    asked = shapes(made) | {normalise(talk.messages[0].text) for talk in real}
    return [example.conversation for example in made] + real, asked


@cache
def dialogues_at_hand() -> list[Dialogue]:
    """People's dialogues in both languages; none where they cannot be fetched.

    How many there are is an input of every stage that reads them, for other lessons are other steps.
    """
    try:
        return [dialogue for name in ("chatterbot", "chatterbot-chinese") for dialogue in dialogues(name)]
    except HashError:
        raise
    except FetchError:
        return []


def trained_shapes(*stages: Stage) -> set[str]:
    """The shape of every request that these stages trained on."""
    return {shape for stage in stages for shape in read_json(stage.dir / SHAPES)}


def assistant(recipe: ZeroToChat, tok: BytePairTokenizer, trained: Stage | None) -> Transformer:
    """The model that a stage left, ready to be trained on; random weights without one."""
    model = build(recipe, tok.vocab_size)
    if trained is not None:
        checkpoint.restore(trained.dir / "last", model=model, tokenizer=tok)
    return model


def reinforce(recipe: ZeroToChat, run: RunDir, text: Stage, tuned: Stage, tok: BytePairTokenizer) -> Stage:
    """Addition in the head by group-relative policy optimisation, with replay of all other skills."""
    config = recipe.reinforce
    stage = run.stage(
        "reinforce",
        {
            "tuned": tuned.digest,
            "config": config,
            "people": recipe.finetune.real_dialogues,
            "workers": recipe.workers,
            "seed": recipe.seed,
            "dialogues": len(dialogues_at_hand()),
        },
    )
    if stage.done:
        return stage
    model = assistant(recipe, tok, tuned)
    skill = columns.HeadAddition()

    def problem(rng: random.Random) -> grpo.Prompt:
        pair = skill.problems(rng, "train", 1)[0]
        return grpo.Prompt(
            Conversation((user(skill.ask_plainly(pair, rng)),)), lambda reply: float(skill.score(pair, reply))
        )

    replayed, asked = lessons(
        recipe, text, count=config.replay_conversations, shares=config.replay_mix, purpose="replay"
    )
    examples = sft.encode(tok, replayed, context_len=config.replay_tokens).examples
    seed = derive(recipe.seed, "reinforce")
    rollouts = grpo.RolloutBatches(model, tok, problem, config=config.grpo, seed=seed)
    for micro in range(config.steps * recipe.workers):
        asked |= shapes(
            mix.Example(item.conversation, skill.name, None, (None,)) for item in rollouts.prompts(micro)
        )
    write_json(stage.dir / SHAPES, sorted(asked))
    replay = grpo.ReplayBatches(
        examples, size=config.grpo.replay, weight=config.grpo.replay_weight, seed=seed
    )
    result = train_stage(
        recipe,
        run,
        stage,
        model,
        tok,
        objective=grpo.weighted_cross_entropy,
        optim=config.optim,
        batches=grpo.Interleaved(rollouts, replay),
        parts=2,
        T=64,
        schedule=config.schedule,
        steps=config.steps,
    )
    finish(stage, result)
    return stage


def control(
    recipe: ZeroToChat, run: RunDir, text: Stage, tuned: Stage, reinforced: Stage, tok: BytePairTokenizer
) -> Stage:
    """What the same seconds of more fine-tuning give, from the same weights on fresh conversations.

    Its number of steps follows from the measured speed of the fine-tuning stage, so that it costs what
    `reinforce` cost on this machine.
    """
    config = recipe.finetune
    pace = tuned.record["training_seconds"] / tuned.record["steps"]
    steps = max(1, round(reinforced.record["training_seconds"] / pace))
    stage = run.stage(
        "control",
        {
            "tuned": tuned.digest,
            "config": config,
            "reinforced": reinforced.digest,
            "steps": steps,
            "workers": recipe.workers,
            "seed": recipe.seed,
            "dialogues": len(dialogues_at_hand()),
        },
    )
    if stage.done:
        return stage
    model = assistant(recipe, tok, tuned)
    share = steps / tuned.record["steps"]
    conversations, asked = lessons(
        recipe,
        text,
        count=int(config.conversations * share * 1.1) + 100,
        shares=config.mix,
        purpose="control",
    )
    write_json(stage.dir / SHAPES, sorted(asked))
    encoded = sft.encode(tok, conversations, context_len=recipe.model.context_len)
    batches = BucketBatches(
        encoded.examples, batch_tokens=config.batch_tokens, seed=derive(recipe.seed, "control")
    )
    result = train_stage(
        recipe,
        run,
        stage,
        model,
        tok,
        batches=batches,
        objective=cross_entropy_where_asked,
        optim=config.optim,
        schedule=config.schedule,
        steps=steps,
        T=encoded.tokens // len(encoded.examples),
    )
    finish(stage, result)
    return stage
