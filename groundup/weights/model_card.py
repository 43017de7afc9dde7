"""What an export says about itself: a README.md that goes with the weights.

Only what is known is said: sizes from the config, scores that the run measured, sources and licences that the
run wrote down. What nobody measured is not there.

Next: gguf_file.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import groundup
from groundup.models.cost import kv_bytes, parameters
from groundup.models.transformer import Transformer
from groundup.weights.checkpoint import Checkpoint

KNOWN = ("chat", "stop", "bos", "what", "source", "can_do")  # of a manifest's extra: not scores


def model_card(checkpoint: Checkpoint, *, format: str, controls_can_be_typed: bool = True) -> str:
    """The text, in Markdown. `controls_can_be_typed`: its readers look for control tokens in text."""
    return "\n".join(_lines(checkpoint, format, controls_can_be_typed)) + "\n"


def _lines(checkpoint: Checkpoint, format: str, controls_can_be_typed: bool) -> Iterator[str]:
    extra, model = checkpoint.manifest.extra, checkpoint.model
    assert isinstance(model, Transformer), "what is exported is one"
    c = model.config
    yield "# Model card"
    yield ""
    yield f"Written by groundup {groundup.__version__}. Format: {format}."
    can_do = extra.get("can_do", ())
    for line in (extra.get("what"), *([can_do] if isinstance(can_do, str) else can_do)):
        if line:
            yield f"\n{line}"
    yield "\n## What it is\n"
    yield f"- A decoder-only transformer of {parameters(c):,} parameters: {c.n_layer} layers of"
    yield f"  {c.n_embd} channels, {c.n_head} heads ({c.kv_heads} with keys and values), {c.mlp} of width"
    yield f"  {c.mlp_hidden}."
    yield f"- It reads {c.context_len:,} tokens; each takes {kv_bytes(c, 1):,} bytes of cache in float32."
    yield f"- Its vocabulary has {c.vocab_size:,} ids; its tokenizer: {checkpoint.manifest.tokenizer[:16]}."
    yield f"- Trained for {checkpoint.step:,} steps here." if checkpoint.step else "- Not trained here."
    if source := extra.get("source"):
        yield f"- It came from: {source}. The licence of the original goes with it."
    scores = {name: value for name, value in extra.items() if name not in KNOWN}
    yield "\n## What was measured\n"
    yield from (f"- {name}: {json.dumps(value, ensure_ascii=False)}" for name, value in scores.items())
    if not scores:
        yield "Nothing that this file knows of. The report of the run, if there was one, has its scores."
    yield "\n## Limits\n"
    yield "- It says what is likely after its training text, true or not. Check what matters."
    if controls_can_be_typed:
        yield "- In this format, programs that look for control tokens in all text let a user write them."
        yield "  groundup does not: there text and control tokens are apart."
    yield "- Tools (the calculator) belong to groundup's chat and are not part of this export."
