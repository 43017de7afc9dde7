r"""tokenizer.json of Hugging Face's `tokenizers`: theirs read, ours written, with equal ids.

Such a file joins five parts: a normalizer, a pre-tokenizer (our split pattern), a model (tokens and
merges), a post-processor and a decoder. We read it if it is byte-level byte-pair encoding, and refuse it by
name of the part if anything in it would give other ids than ours. Two things differ on purpose:

- what they call added tokens are found in any text by `tokenizers`; here a control token is reached by its
  name only (`special`), and text that spells it is text;
- their post-processor may put a token before each text; here the chat template does that.

What is written has the split patterns without possessive quantifiers, which their engine reads differently
(to Oniguruma `{1,3}+` is "one or more times up to three"). Its Unicode version is not ours: in text with the
newest letters the ids may differ.

Source: `tokenizers` 0.23, whose behaviour the tests compare.
Next:   published.py.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from groundup.base.errors import TokenizerError
from groundup.base.files import write_json
from groundup.tokenizer.bpe import BytePairTokenizer
from groundup.tokenizer.byte_level import from_strings, to_text
from groundup.tokenizer.patterns import GPT2, PATTERNS, name_of
from groundup.tokenizer.pieces import PieceTokenizer
from groundup.tokenizer.vocabulary import VocabularyTokenizer

_ENDINGS = r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"""
_REST = r"""| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+\z|\s*[\r\n]+|\s+(?!\S)|\s+"""
WRITTEN = {  # the named patterns as Oniguruma reads them; gpt2's is built into `tokenizers`
    "cl100k": _ENDINGS + r"\p{N}{1,3}" + _REST,
    "digits": _ENDINGS + r"\p{N}" + _REST,
    "o200k": PATTERNS["o200k"],
}
DIGITS_FIRST = GPT2.replace(r" ?\p{N}+", r"\p{N}").replace(r"|\s+(?!\S)", r"|\s+(?=\p{N})|\s+(?!\S)")


def is_hugging_face(content: Any) -> bool:
    """Whether this JSON is a tokenizer.json of theirs, and not one of ours."""
    return isinstance(content, Mapping) and isinstance(content.get("model"), Mapping)


# ---- Reading -------------------------------------------------------------------------------------


def from_hugging_face(content: Mapping[str, Any], *, where: str = "the tokenizer.json") -> PieceTokenizer:
    """The tokenizer of a tokenizer.json. TokenizerError, with the part, for what we would not do exactly."""
    if reasons := list(_unlike_ours(content)):
        raise TokenizerError(
            f"{where} cannot be used here, because the ids would differ: {'; '.join(reasons)}. Byte-level "
            "byte-pair encoding is what can be read: GPT-2, Llama 3, SmolLM, and others like them."
        )
    model = content["model"]
    try:
        size = max([*model["vocab"].values(), -1]) + 1
        if size > 2 * len(model["vocab"]) + 100_000 or min([*model["vocab"].values(), 0]) < 0:
            raise ValueError(f"ids up to {size - 1} for {len(model['vocab'])} tokens")
        tokens: list[str | None] = [None] * size
        for text, id in model["vocab"].items():
            tokens[id] = text
        specials = {token["content"]: int(token["id"]) for token in content.get("added_tokens") or ()}
        return from_strings(
            tokens,
            model["merges"],
            pattern=_pattern(content.get("pre_tokenizer")),
            specials=specials,
            whole_pieces=bool(model.get("ignore_merges")),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise TokenizerError(
            f"{where} is damaged: {type(error).__name__} {error} in its model. Copy it again from where "
            "it was made."
        ) from None


def _unlike_ours(content: Mapping[str, Any]) -> Iterator[str]:
    model = content["model"]
    if model.get("type", "BPE") != "BPE":
        yield f'its model is "{model.get("type")}"'
    for switch in ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"):
        if model.get(switch):
            yield f'its model has "{switch}": {model[switch]!r}'
    if content.get("normalizer"):
        yield f"it has a normalizer, {_type(content['normalizer'])}, which changes the text"
    if _pattern(content.get("pre_tokenizer")) == "":
        yield f"its pre-tokenizer is {content.get('pre_tokenizer')}"
    if content.get("decoder") and _type(content["decoder"]) != "ByteLevel":
        yield f"its decoder is {_type(content['decoder'])}"
    blank = [
        token["content"]
        for token in content.get("added_tokens") or ()
        if isinstance(token, Mapping) and not token.get("special") and not str(token.get("content")).strip()
    ]
    if blank:
        yield f"its added tokens {blank[:3]} are white space, which any text has"


def _type(part: Any) -> str:
    return str(part.get("type")) if isinstance(part, Mapping) else str(part)


def _pattern(part: Any) -> str | None:
    """The split pattern of a pre-tokenizer; None if it splits nothing, "" if it does what ours cannot say."""
    steps = part.get("pretokenizers", [part]) if isinstance(part, Mapping) else [part]
    *before, last = steps
    if _type(last) != "ByteLevel" or last.get("add_prefix_space"):
        return ""
    built_in = last.get("use_regex", True)
    if not before:
        return GPT2 if built_in else None
    first = before[0]
    if len(before) == 1 and _type(first) == "Digits" and first.get("individual_digits") and built_in:
        return DIGITS_FIRST
    if len(before) > 1 or _type(first) != "Split" or built_in:
        return ""
    if first.get("behavior") != "Isolated" or first.get("invert"):
        return ""
    pattern = first.get("pattern")
    regular = pattern.get("Regex") if isinstance(pattern, Mapping) else None
    if not isinstance(regular, str):
        return ""
    return {written: PATTERNS[name] for name, written in WRITTEN.items()}.get(regular, regular)


# ---- Writing -------------------------------------------------------------------------------------


def save_hugging_face(tokenizer: PieceTokenizer, path: str | Path) -> None:
    """Write a tokenizer.json that `tokenizers` and `transformers` load."""
    write_json(path, to_hugging_face(tokenizer))


def to_hugging_face(tokenizer: PieceTokenizer) -> dict[str, Any]:
    """The content of such a file."""
    specials = {tokenizer.special(name): name for name in tokenizer.specials}
    vocab = {
        to_text(token): id for id in range(tokenizer.vocab_size) if (token := tokenizer.bytes_or_none(id))
    }
    merges = [[to_text(left), to_text(right)] for left, right in merges_of(tokenizer)]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": id, "content": name, **flags} for id, name in sorted(specials.items())],
        "normalizer": None,
        "pre_tokenizer": _pre_tokenizer(tokenizer.pattern),
        "post_processor": None,
        "decoder": _byte_level(use_regex=True),
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": isinstance(tokenizer, VocabularyTokenizer) and tokenizer.whole_pieces,
            "vocab": vocab,
            "merges": merges,
        },
    }


def merges_of(tokenizer: PieceTokenizer) -> Iterator[tuple[bytes, bytes]]:
    """The pairs in the order of their ranks, as bytes."""
    if isinstance(tokenizer, BytePairTokenizer | VocabularyTokenizer) and tokenizer.merges is not None:
        yield from ((tokenizer.bytes_of(left), tokenizer.bytes_of(right)) for left, right in tokenizer.merges)
        return
    tokens = [tokenizer.bytes_or_none(id) or b"" for id in range(tokenizer.vocab_size)]
    known = set(tokens) - {b""}
    for token in tokens:  # all splits of a token share its rank; among them the order is ours to choose
        for middle in range(1, len(token)):
            if token[:middle] in known and token[middle:] in known:
                yield token[:middle], token[middle:]


def _pre_tokenizer(pattern: str | None) -> dict[str, Any]:
    name = name_of(pattern)
    if pattern is None or name == "gpt2":
        return _byte_level(use_regex=pattern is not None)
    split = {"type": "Split", "behavior": "Isolated", "invert": False}
    split["pattern"] = {"Regex": pattern if name is None else WRITTEN[name]}
    return {"type": "Sequence", "pretokenizers": [split, _byte_level(use_regex=False)]}


def _byte_level(*, use_regex: bool) -> dict[str, Any]:
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": use_regex}
