"""The chat page's files: read once, served under their exact names, with a policy that allows nothing else.

No build step and no address but ours: two modules, a style sheet, a page. Script and style only from this
server, no inline code, no picture, no frame; a string cannot become markup (Trusted Types). Conversations
stay in the browser that has them.

Next: page/chat.js.
"""

from __future__ import annotations

from pathlib import Path

HOME = Path(__file__).parent / "page"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
KINDS = {".html": b"text/html; charset=utf-8", ".js": b"text/javascript; charset=utf-8",
         ".css": b"text/css; charset=utf-8"}  # fmt: skip


def files() -> dict[bytes, tuple[bytes, bytes]]:
    """(content type, content) of each path."""
    found = {f"/{file.name}".encode(): (KINDS[file.suffix], file.read_bytes()) for file in HOME.iterdir()}
    found[b"/"] = found.pop(b"/index.html")
    return found
