"""A model of ours as one page: open it in any browser, without a network, and talk to it. Made to be mailed.

    page.html               the frame; page.css
    model.js                reads model.bin, which the page carries as base64: that of c_export.py, int8
    tokenizer.js engine.js  text to ids; ids to the next one
    calculator.js chat.js   the model's one tool; conversations, and texts to continue
    words.js page.js        what the page says, in English and Chinese; what it does

The page is the program: a few hundred lines of plain JavaScript, as they stand in html/. Its security policy
allows these and nothing else: no other script, no request to anywhere. What a user types is text and never a
control token; what the model writes becomes text nodes and never markup.

Equal to ours: the ids of a text, the prompt of a conversation, the calculator's answers; and with temperature
0 the ids that the model writes, if its matrices are what the int8 numbers stand for (c_export.py). Sums there
are made in double precision and in another order, so two ids that are as likely to seven digits may change
places. Refused is what c_export.py refuses.

Oracle: the JavaScript in node against the model, its tokenizer and its calculator; the page in a browser.
Next:   html/chat.js.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from groundup.base.errors import CheckpointError
from groundup.base.files import write_atomic
from groundup.models.cost import parameters
from groundup.models.transformer import Transformer
from groundup.tokenizer import chat
from groundup.weights.c_export import model_bytes
from groundup.weights.checkpoint import Checkpoint
from groundup.weights.imported import layout_or_none
from groundup.weights.model_card import model_card

ENGINE = ("model.js", "tokenizer.js", "engine.js", "calculator.js", "chat.js")  # runs without a page, too
SCRIPTS = (*ENGINE, "words.js", "page.js")
MOST_PARAMETERS = 300_000_000  # a browser's strings end at 512 MB, and base64 takes 1.5 bytes for each
TITLE = "A language model in one file"


def write_page(checkpoint: Checkpoint, path: str | Path) -> int:
    """Write the page; returns its bytes. CheckpointError, before anything is written, if it cannot be."""
    path = Path(path)
    if path.exists():
        raise CheckpointError(f"{path} is there already. Choose another with -o PATH.")
    if path.suffix.lower() not in (".html", ".htm"):
        raise CheckpointError(f"{path} would not open in a browser. Choose a name that ends in .html.")
    text = page(checkpoint)
    write_atomic(path, text)
    return len(text.encode())


def page(checkpoint: Checkpoint) -> str:
    """The page as text. CheckpointError if the page could not be faithful."""
    model = checkpoint.model
    if not isinstance(model, Transformer):
        raise CheckpointError(
            f"A model of the kind {checkpoint.manifest.kind!r} cannot be a page: it knows transformers."
        )
    if (size := parameters(model.config)) > MOST_PARAMETERS:
        raise CheckpointError(
            f"This model has {size:,} parameters, and a browser opens pages of up to {MOST_PARAMETERS:,}. "
            "Export it for llama.cpp: groundup export gguf."
        )
    what = checkpoint.manifest.extra.get("what")
    script, style = "\n".join(map(source, SCRIPTS)), source("page.css")
    weights = model_bytes(checkpoint, dtype="int8")
    about = {**facts(checkpoint), "checksum": zlib.adler32(weights)}
    card = model_card(checkpoint, format="HTML page, int8", controls_can_be_typed=False, tools=True)
    parts = {
        "policy": policy(script, style),
        "title": escape(str(what) if what else TITLE),
        "style": style,
        "script": script,
        "card": escape(card),
        "facts": json.dumps(about).replace("<", "\\u003c"),  # closes no element
        "model": base64.b64encode(weights).decode("ascii"),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], source("page.html"))


def source(name: str) -> str:
    """The text of a file of html/."""
    return (files("groundup.weights") / "html" / name).read_text(encoding="utf-8")


def policy(script: str, style: str) -> str:
    """A Content-Security-Policy (level 3) of this script, this style sheet, and no request to anywhere."""
    return (
        f"default-src 'none'; script-src {_digest(script)}; style-src {_digest(style)}; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def facts(checkpoint: Checkpoint) -> dict[str, Any]:
    """What the page knows of the model beside model.bin.

    `done` is the id after a tool's answer, None where there is no tool. The examples are those in `can_do`:
    what stands behind a colon.
    """
    model, extra = checkpoint.model, checkpoint.manifest.extra
    assert isinstance(model, Transformer), "page has looked"
    can_do = extra.get("can_do", ())
    lines = [can_do] if isinstance(can_do, str) else list(can_do)
    layout = layout_or_none(checkpoint)
    return {
        "title": extra.get("what", ""),
        "source": extra.get("source", ""),
        "parameters": parameters(model.config),
        "context": model.config.context_len,
        "chat": layout is not None,
        "done": checkpoint.tokenizer.special(chat.DONE) if layout and layout.tools else None,
        "canDo": lines,
        "examples": [line.split(": ", 1)[1] for line in lines if ": " in line] if layout else [],
    }


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"
