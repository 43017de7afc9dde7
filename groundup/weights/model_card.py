"""What an export says about itself: a README.md that goes with the weights.

Only what is known is said: sizes from the config, and from the manifest's `extra` what the run wrote down,
the texts that it learned from with their licences (`data`), its scores, what quantizing cost. What nobody
measured or read is not there, or it is said that it is not known.

Next: gguf_file.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import groundup
from groundup.models.cost import kv_bytes, parameters
from groundup.models.transformer import Transformer
from groundup.weights.checkpoint import Checkpoint

SCORES = {  # of a manifest's extra: what was measured, and in what unit
    "loss": "nats per token",
    "bits_per_byte": "bits for a byte of held-out text",
    "scores": "share of the questions asked",
}


def model_card(
    checkpoint: Checkpoint, *, format: str, controls_can_be_typed: bool = True, tools: bool = False
) -> str:
    """The text, in Markdown. `controls_can_be_typed`: its readers look for control tokens in text. `tools`:
    they have those that the model asks for.
    """
    parts = (_about(checkpoint, format), _data(checkpoint), _measured(checkpoint), _limits(checkpoint))
    lines = [line for part in parts for line in part]
    if controls_can_be_typed:
        lines += [
            "- In this format, programs that look for control tokens in all text let a user write them.",
            "  groundup does not: there text and control tokens are apart.",
        ]
    if not tools:
        lines.append(
            "- Tools (the calculator) belong to groundup's chat, and other programs do not have them."
        )
    return "\n".join(lines) + "\n"


def _about(checkpoint: Checkpoint, format: str) -> Iterator[str]:
    extra, model = checkpoint.manifest.extra, checkpoint.model
    assert isinstance(model, Transformer), "what is exported is one"
    c, size = model.config, parameters(model.config)
    yield "# Model card"
    yield ""
    yield f"Written by groundup {groundup.__version__}. Format: {format}."
    can_do = extra.get("can_do", ())
    for line in (extra.get("what"), *([can_do] if isinstance(can_do, str) else can_do)):
        if line:
            yield f"\n{line}"
    yield "\n## What it is\n"
    yield f"- A decoder-only transformer of {size:,} parameters ({4 * size / 1e6:.1f} MB in float32):"
    yield f"  {c.n_layer} layers of {c.n_embd} channels, {c.n_head} heads ({c.kv_heads} with keys and"
    yield f"  values), {c.mlp} of width {c.mlp_hidden}."
    yield f"- It reads {c.context_len:,} tokens; each takes {kv_bytes(c, 1):,} bytes of cache in float32."
    yield f"- Its vocabulary has {c.vocab_size:,} ids; its tokenizer: {checkpoint.manifest.tokenizer[:16]}."
    steps = f"The last training of it here took {checkpoint.step:,} steps."
    yield f"- {steps if checkpoint.step else 'It was not trained here.'}"


def _data(checkpoint: Checkpoint) -> Iterator[str]:
    extra = checkpoint.manifest.extra
    yield "\n## What it learned from\n"
    if origin := extra.get("source"):
        yield f"- It came from: {origin}. What that learned from, and under which licence, its makers say;"
        yield "  the licence of the original goes with it."
    known = extra.get("data", ())
    for text in known:
        yield f"- {text['name']}: {text['what']}. Licence: {text['licence']}."
    if not known and not origin:
        yield "Not known: whoever trained it wrote nothing down."
    if known:
        yield "\nThese are licences of the texts. A licence of the weights can give only who trained them."


def _measured(checkpoint: Checkpoint) -> Iterator[str]:
    extra = checkpoint.manifest.extra
    yield "\n## What was measured\n"
    found = [
        f"- {' '.join((name, *path))}: {value} ({unit})"
        for name, unit in SCORES.items()
        if name in extra
        for path, value in _values(extra[name])
    ]
    yield from found or [
        "Nothing that this file knows of. The report of the run, if there was one, has its scores."
    ]
    if quantized := extra.get("quantized"):
        yield _quantized(quantized)


def _values(found: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every number of nested scores, with its interval where it has one.

    >>> list(_values({"train": {"value": 2.5, "low": 2.25, "high": 2.75, "n": 40}, "dev": 3}))
    [(('train',), '2.5 [2.25, 2.75], n=40'), (('dev',), '3')]
    """
    if isinstance(found, Mapping) and "value" in found:
        low, high, n = (found.get(key) for key in ("low", "high", "n"))
        between = f" [{_short(low)}, {_short(high)}]" if low is not None and high is not None else ""
        yield path, f"{_short(found['value'])}{between}{f', n={n:,}' if isinstance(n, int) else ''}"
    elif isinstance(found, Mapping):
        for name, inside in found.items():
            yield from _values(inside, (*path, str(name)))
    elif found is not None:
        yield path, _short(found)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else str(value)


def _quantized(about: Mapping[str, Any]) -> str:
    said = f"- Its matrices were rounded to {about.get('bits')} bits ({about.get('method')})"
    if (grew := about.get("perplexity_grew_by")) is None:
        return f"{said}; what that cost was not measured."
    text = about.get("text", "its held-out text")
    return f"{said}: perplexity {100 * grew:+.3f} % on {about.get('scored_tokens', 0):,} tokens of {text}."


def _limits(checkpoint: Checkpoint) -> Iterator[str]:
    yield "\n## Limits\n"
    yield "- It says what is likely after its training text, true or not. Check what matters."
    if checkpoint.manifest.extra.get("data"):
        yield "- It knows only what stands in those texts, their errors and opinions included."
    yield "- Nobody examined it for harm, bias or private data in what it writes."
