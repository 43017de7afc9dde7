"""The first stages of zero-to-chat: text, a tokenizer trained on it, its ids, and what counting them gives.

Each opens its stage, skips it if it is done, and returns it. A stage's inputs are the settings it reads and
the digests of the stages it reads; what it leaves is in its folder and in its record, and nothing is passed
on in memory. That is what makes the road resumable.

Next: chat_training.py, ids to a base model and on to an assistant.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from groundup.base.errors import DataError, FetchError, HashError
from groundup.base.files import write_atomic
from groundup.base.log import Progress
from groundup.base.rundir import RunDir, Stage
from groundup.base.seeds import derive, python_rng
from groundup.data import fetch
from groundup.data.documents import Document, documents
from groundup.data.shards import TokenShards, write_shards
from groundup.data.skills import mix
from groundup.data.sources import source
from groundup.data.split import split_of
from groundup.models.ngram import NGram
from groundup.tokenizer import patterns
from groundup.tokenizer.bpe import BytePairTokenizer
from groundup.tokenizer.chat import SPECIALS
from groundup.tokenizer.load import load as load_tokenizer
from groundup.tokenizer.train import train

if TYPE_CHECKING:
    from groundup.recipes.zero_to_chat import ZeroToChat

WORD_LETTERS = range(3, 13)  # words that a person might ask to spell
# Held-out tokens of each source that are scored: 0.1 bits per byte would be seen in a tenth of it.
SCORED = 40_000
WORD_COUNT = 3  # a word of the corpus occurs at least this often: below that it is mostly names and slips


def corpus(recipe: ZeroToChat, run: RunDir) -> Stage:
    """Real text, whole documents held out: train.jsonl and held_out.jsonl.

    If a source cannot be fetched, the run goes on with the text that every Python carries, and says so; an
    unknown source, or an archive with a wrong hash, is an error. That the sources were there is one of the
    inputs: when they can be fetched later, the stage runs again.
    """
    config = recipe.corpus
    names, missing = list(config.sources), ""
    inputs = {
        "held_out": config.held_out,
        "seed": recipe.seed,
        "words": [WORD_LETTERS.start, WORD_LETTERS.stop, WORD_COUNT],
        "sources": names,
    }
    archives = [wanted for wanted in map(source, names) if wanted.kind != "stdlib"]
    if not run.finished("corpus", inputs):  # a finished corpus needs no archives any more
        try:
            for wanted in archives:
                fetch.archive(wanted)
        except HashError:
            raise
        except FetchError as error:
            names, missing = [config.fallback], str(error)
            run.events.write("warning", text=f"{error} Going on with {config.fallback} instead.")
    stage = run.stage("corpus", {**inputs, "sources": names})
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
        trained = train(
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
