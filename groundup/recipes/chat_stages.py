"""The stages of zero-to-chat, in order: each opens its stage, skips it if it is done, and returns it.

A stage's inputs are the settings it reads and the digests of the stages it reads; what it leaves is in its
folder and in its record, and nothing is passed on in memory. That is what makes the road resumable.

Next: chat_scores.py, how the assistant is examined; report.py, what a person reads in the end.
"""

from __future__ import annotations

import json
import math
import random
import time
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from groundup.base.errors import DataError, FetchError, HashError
from groundup.base.files import write_atomic, write_json
from groundup.base.log import Progress
from groundup.base.rundir import RunDir, Stage
from groundup.base.seeds import derive, python_rng, torch_generator
from groundup.data import fetch
from groundup.data.batches import WindowBatches
from groundup.data.bucketing import BucketBatches
from groundup.data.dialogues import Dialogue, dialogues
from groundup.data.documents import Document, documents
from groundup.data.shards import TokenShards, write_shards
from groundup.data.skills import columns, mix
from groundup.data.skills.people import from_people
from groundup.data.sources import source
from groundup.data.split import split_of
from groundup.evals.bits_per_byte import bits_per_byte
from groundup.evals.phrasings import normalise
from groundup.evals.skills import shapes
from groundup.infer.generate import generate
from groundup.infer.sampling import SamplingParams
from groundup.models.cost import flops_per_token
from groundup.models.ngram import NGram
from groundup.models.transformer import Transformer
from groundup.posttrain import grpo, sft
from groundup.recipes import chat_report, chat_scores
from groundup.tokenizer import patterns
from groundup.tokenizer.bpe import BytePairTokenizer
from groundup.tokenizer.chat import SPECIALS, Conversation, user
from groundup.tokenizer.load import load as load_tokenizer
from groundup.train.fit import FitConfig, FitResult, fit
from groundup.train.objective import cross_entropy, cross_entropy_where_asked
from groundup.weights import checkpoint

if TYPE_CHECKING:
    from groundup.recipes.zero_to_chat import ZeroToChat

WORD_LETTERS = range(3, 13)  # words that a person might ask to spell
# Held-out tokens of each source that are scored: 0.1 bits per byte would be seen in a tenth of it.
SCORED = 40_000
WORD_COUNT = 3  # a word of the corpus occurs at least this often: below that it is mostly names and slips


class Stopped(Exception):
    """A signal came; everything is saved."""


# ---- Text to tokens ------------------------------------------------------------------------------


def corpus(recipe: ZeroToChat, run: RunDir) -> Stage:
    """Real text, whole documents held out: train.jsonl and held_out.jsonl.

    If a source cannot be fetched, the run goes on with the text that every Python carries, and says so; an
    unknown source, or an archive with a wrong hash, is an error. That the sources were there is one of the
    inputs: when they can be fetched later, the stage runs again.
    """
    config = recipe.corpus
    names, missing = list(config.sources), ""
    archives = [wanted for wanted in map(source, names) if wanted.kind != "stdlib"]
    try:
        for wanted in archives:
            fetch.archive(wanted)
    except HashError:
        raise
    except FetchError as error:
        names, missing = [config.fallback], str(error)
        run.events.write("warning", text=f"{error} Going on with {config.fallback} instead.")
    stage = run.stage("corpus", {"held_out": config.held_out, "seed": recipe.seed, "sources": names})
    if stage.done:
        return stage
    shares = {"train": 1 - config.held_out, "held_out": config.held_out}
    lines: dict[str, list[str]] = {"train": [], "held_out": []}
    size: Counter[str] = Counter()
    for name in names:
        with Progress(None, f"corpus {name}", "byte") as bar:
            for document in documents(name):
                side = split_of(document.id, recipe.seed, shares)
                lines[side].append(json.dumps(vars(document), ensure_ascii=False) + "\n")
                size[side] += len(document.text.encode())
                bar.advance(len(document.text))
    if not lines["held_out"]:
        raise DataError(
            f"No document of {', '.join(names)} is held out at held_out={config.held_out}. Raise it."
        )
    for side, content in lines.items():
        write_atomic(stage.dir / f"{side}.jsonl", "".join(content))
    write_atomic(stage.dir / "words.txt", "\n".join(counted_words(lines["train"])))
    stage.finish(sources=names, missing=missing, bytes=size["train"], held_out_bytes=size["held_out"])
    return stage


def texts(stage: Stage, side: str) -> Iterator[Document]:
    """The documents of the corpus stage's "train" or "held_out" side."""
    with open(stage.dir / f"{side}.jsonl", encoding="utf-8") as file:
        for line in file:
            yield Document(**json.loads(line))


def tokenizer(recipe: ZeroToChat, run: RunDir, text: Stage) -> tuple[Stage, BytePairTokenizer]:
    """Byte-pair encoding trained on the corpus and a little chat; each digit stays a token of its own."""
    stage = run.stage(
        "tokenizer",
        {"corpus": text.digest, "seed": recipe.seed, "mix": recipe.finetune.mix, **vars(recipe.tokenizer)},
    )
    if not stage.done:
        sample, room = [], recipe.tokenizer.text_bytes
        pool = list(texts(text, "train"))
        python_rng(recipe.seed, "tokenizer.sample").shuffle(pool)
        for document in pool:
            sample.append(document.text[:room])
            room -= len(sample[-1])
            if room <= 0:
                break
        chats = mix.conversations(
            derive(recipe.seed, "tokenizer.chats"),
            recipe.tokenizer.chats,
            recipe.finetune.mix,
            words=words(text),
        )
        said = [message.text for example in chats for message in example.conversation]
        trained = BytePairTokenizer.train(
            [*sample, *said],
            vocab_size=recipe.tokenizer.vocab_size,
            pattern=patterns.DIGITS,
            specials=SPECIALS,
        )
        trained.save(stage.dir / "tokenizer.json")
        stage.finish(vocab_size=trained.vocab_size, fingerprint=trained.fingerprint)
    loaded = load_tokenizer(stage.dir / "tokenizer.json")
    assert isinstance(loaded, BytePairTokenizer), "this stage saves no other kind"
    return stage, loaded


def words(text: Stage) -> list[str]:
    """The corpus's own words, most frequent first: what the assistant is asked to spell."""
    return (text.dir / "words.txt").read_text(encoding="utf-8").split()


def counted_words(lines: list[str]) -> list[str]:
    """Lower-case words of 3 to 12 letters that occur at least three times, most frequent first."""
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(json.loads(line)["text"].split())
    kept = (
        (word, n)
        for word, n in counts.items()
        if n >= WORD_COUNT
        and len(word) in WORD_LETTERS
        and word.isascii()
        and word.isalpha()
        and word.islower()
    )
    return [word for word, _ in sorted(kept, key=lambda pair: (-pair[1], pair[0]))]


def tokens(run: RunDir, text: Stage, spoken: Stage, tok: BytePairTokenizer) -> Stage:
    """Both sides of the corpus as memory-mapped ids, each document behind <|bos|>."""
    stage = run.stage("tokens", {"corpus": text.digest, "tokenizer": spoken.digest})
    if stage.done:
        return stage
    bos = tok.special("<|bos|>")
    total = text.record["bytes"] + text.record["held_out_bytes"]
    with Progress(total, "encode", "byte") as bar:

        def encoded(side: str) -> Iterator[list[int]]:
            for document in texts(text, side):
                yield [bos, *tok.encode(document.text)]
                bar.advance(len(document.text.encode()))

        sizes = {
            side: write_shards(
                stage.dir / side,
                encoded(side),
                vocab_size=tok.vocab_size,
                tokenizer_fingerprint=tok.fingerprint,
            )
            for side in ("train", "held_out")
        }
    stage.finish(**{side: len(shard.tokens) for side, shard in sizes.items()})
    return stage


def shard(stage: Stage, side: str, tok: BytePairTokenizer) -> TokenShards:
    """The ids of the tokens stage's "train" or "held_out" side."""
    return TokenShards.open(stage.dir / side, tokenizer_fingerprint=tok.fingerprint)


# ---- Tokens to a base model ----------------------------------------------------------------------


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
    found = {
        name: bits_per_byte(model, part, tok, config.context_len)
        for name, part in held_out_by_source(text, ids, tok).items()
    }
    scores = {name: score.value for name, score in found.items()}
    everything = (
        sum(score.nats for score in found.values())
        / math.log(2)
        / sum(score.bytes for score in found.values())
    )
    stage.finish(
        seconds=spent(stage, result),
        flops=result.flops,
        tokens=result.tokens,
        bits_per_byte={"all": everything, **scores},
    )
    return stage


def held_out_by_source(text: Stage, ids: Stage, tok: BytePairTokenizer) -> dict[str, np.ndarray]:
    """The first SCORED held-out ids of each source: network and n-grams are scored on the same ones."""
    held_out = shard(ids, "held_out", tok)
    parts: dict[str, list[np.ndarray]] = {}
    for number, document in enumerate(texts(text, "held_out")):
        parts.setdefault(document.source, []).append(held_out[number])
    return {name: np.concatenate(part)[:SCORED] for name, part in parts.items()}


def ngrams(run: RunDir, text: Stage, ids: Stage, tok: BytePairTokenizer) -> Stage:
    """What counting gives: 3- to 6-gram models of the whole training text, on the same held-out text."""
    orders = (3, 4, 5, 6)
    stage = run.stage("ngrams", {"tokens": ids.digest, "orders": orders, "scored": SCORED})
    if stage.done:
        return stage
    train = shard(ids, "train", tok).tokens
    sizes = np.array([len(tok.bytes_of(id)) for id in range(tok.vocab_size)])
    parts = held_out_by_source(text, ids, tok)
    lengths = {name: int(sizes[part].sum()) for name, part in parts.items()}
    found: dict[str, dict[str, float]] = {}
    with Progress(len(orders), "ngrams", "order") as bar:
        longest = NGram.train(train, order=max(orders), vocab_size=tok.vocab_size)
        for order in orders:
            model = NGram(
                longest.orders[:order], tok.vocab_size
            )  # the counts of a shorter one are among them
            scores = {name: model.bits_per_byte(part, lengths[name]) for name, part in parts.items()}
            everything = sum(scores[name] * lengths[name] for name in parts) / sum(lengths.values())
            found[f"{order}-gram"] = {"all": everything, **scores}
            bar.advance(1, bits_per_byte=everything)
    stage.finish(bits_per_byte=found)
    return stage


def spent(stage: Stage, result: FitResult) -> float:
    """Seconds of a training stage with what it prepares and scores; if resumed, at least its training."""
    return max(stage.elapsed, result.seconds)


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


# ---- Base model to assistant ---------------------------------------------------------------------


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
        },
    )
    if stage.done:
        return stage
    conversations, asked = lessons(recipe, text, count=config.conversations, purpose="finetune")
    write_json(stage.dir / "shapes.json", sorted(asked))
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
    stage.finish(
        seconds=spent(stage, result),
        training_seconds=result.seconds,
        flops=result.flops,
        tokens=result.tokens,
        steps=result.step,
        conversations=len(encoded.examples),
        dropped=encoded.dropped,
    )
    return stage


def lessons(
    recipe: ZeroToChat, text: Stage, *, count: int, purpose: str
) -> tuple[list[Conversation], set[str]]:
    """Generated conversations and people's own; and the shape of every request (evals/skills.py)."""
    config = recipe.finetune
    seed = derive(recipe.seed, f"lessons.{purpose}")
    made = mix.conversations(seed, count, config.mix, words=words(text))
    real = from_people(
        dialogues_at_hand(), int(count * config.real_dialogues), python_rng(recipe.seed, f"people.{purpose}")
    )
    asked = shapes(made) | {normalise(talk.messages[0].text) for talk in real}
    return [example.conversation for example in made] + real, asked


def dialogues_at_hand() -> list[Dialogue]:
    """People's dialogues in both languages; none where they cannot be fetched."""
    try:
        return [dialogue for name in ("chatterbot", "chatterbot-chinese") for dialogue in dialogues(name)]
    except HashError:
        raise
    except FetchError:
        return []


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
            "mix": recipe.finetune.mix,
            "workers": recipe.workers,
            "seed": recipe.seed,
        },
    )
    if stage.done:
        return stage
    model = assistant(recipe, tok, tuned)
    skill = columns.HeadAddition()

    def problem(rng: random.Random) -> grpo.Prompt:
        pair = skill.problems(rng, "train", 1)[0]
        return grpo.Prompt(
            Conversation((user(skill.ask(pair, rng)),)), lambda reply: float(skill.score(pair, reply))
        )

    examples = sft.encode(
        tok,
        lessons(recipe, text, count=config.replay_conversations, purpose="replay")[0],
        context_len=config.replay_tokens,
    ).examples
    seed = derive(recipe.seed, "reinforce")
    rollouts = grpo.RolloutBatches(model, tok, problem, config=config.grpo, seed=seed)
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
    stage.finish(
        seconds=spent(stage, result),
        training_seconds=result.seconds,
        flops=result.flops,
        tokens=result.tokens,
        steps=result.step,
    )
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
        },
    )
    if stage.done:
        return stage
    model = assistant(recipe, tok, tuned)
    share = steps / tuned.record["steps"]
    encoded = sft.encode(
        tok,
        lessons(recipe, text, count=int(config.conversations * share * 1.1) + 100, purpose="control")[0],
        context_len=recipe.model.context_len,
    )
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
    stage.finish(
        seconds=spent(stage, result),
        training_seconds=result.seconds,
        flops=result.flops,
        tokens=result.tokens,
        steps=result.step,
    )
    return stage


# ---- The road ------------------------------------------------------------------------------------


def road(recipe: ZeroToChat, run: RunDir) -> str:
    """All stages in order; what to tell the user. The assistant ends up in `model/` of the run directory."""
    try:
        return _road(recipe, run)
    except Stopped:
        return "Stopped, and everything is saved. The same command carries on from there."


def _road(recipe: ZeroToChat, run: RunDir) -> str:
    began, stages = time.monotonic(), dict[str, Stage]()
    stages["corpus"] = text = corpus(recipe, run)
    spoken, tok = tokenizer(recipe, run, text)
    stages["tokenizer"] = spoken
    stages["tokens"] = ids = tokens(run, text, spoken, tok)
    stages["ngrams"] = ngrams(run, text, ids, tok)
    stages["pretrain"] = base = pretrain(recipe, run, text, ids, tok)
    stages["finetune"] = tuned = finetune(recipe, run, text, spoken, base, tok)
    vocabulary = words(text)
    asked = set(json.loads((tuned.dir / "shapes.json").read_text(encoding="utf-8")))

    def examined(name: str, of: Stage) -> Stage:
        return chat_scores.scores(
            recipe,
            run,
            of,
            assistant(recipe, tok, of),
            tok,
            name=name,
            words=vocabulary,
            trained_shapes=asked,
        )

    stages["scores_before"] = examined("scores_before", tuned)
    stages["reinforce"] = reinforced = reinforce(recipe, run, text, tuned, tok)
    stages["scores"] = examined("scores", reinforced)
    stages["control"] = more = control(recipe, run, text, tuned, reinforced, tok)
    stages["scores_control"] = examined("scores_control", more)
    if recipe.ablation:
        stages["ablation"] = scratch = finetune(recipe, run, text, spoken, None, tok, name="ablation")
        stages["scores_ablation"] = examined("scores_ablation", scratch)
    model = assistant(recipe, tok, reinforced)
    data = chat_report.write(recipe, run, stages, model, tok)
    took = time.monotonic() - began
    run.events.write("finished", seconds=took, stages=sum(stage.seconds for stage in stages.values()))
    checkpoint.copy(
        reinforced.dir / "last",
        run.path / "model",
        extra={"can_do": chat_report.CAN_DO, "scores": data["scores"]},
        training=False,
    )
    return chat_report.in_words(run, data)
