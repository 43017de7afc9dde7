r"""How a word becomes its tokens, merge by merge, and the same as a picture. "hello", for example:

                        llo       merge 3
      he            ll            merges 2 and 1
    h    e        l    l    o     the bytes, at the bottom

Does not: follow the fast path. This is the readable way, one merge at a time, for a word or a few.
Next:     show.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from itertools import pairwise

from groundup.base.errors import TokenizerError
from groundup.tokenizer.patterns import split
from groundup.tokenizer.pieces import PieceTokenizer, utf8

MOST_BYTES = 200  # in one picture: above that it is wallpaper
CELL, ROW, BOX, MARGIN = 46.0, 58.0, 34.0, 24.0  # pixels
INK, SOFT, LINE, PAPER = "#1f2328", "#646b75", "#b9b3a7", "#fbfaf7"
FILLS = {"byte": "#ffffff", "merged": "#e3f1ef", "token": "#f6e7d8"}


@dataclass(frozen=True)
class Node:
    """A token with what it was merged from, None for a byte; `step` counts the merges of its piece from 1."""

    id: int
    token: bytes
    step: int = 0
    parts: tuple[Node, Node] | None = None

    @property
    def depth(self) -> int:
        """How many merges are above one another in it."""
        return 1 + max(part.depth for part in self.parts) if self.parts else 0


def merge_tree(tokenizer: PieceTokenizer, piece: bytes) -> list[Node]:
    """The tokens of one piece, each with the merges that made it.

    >>> from groundup.tokenizer.bpe import BytePairTokenizer
    >>> tokenizer = BytePairTokenizer([(108, 108), (104, 101), (256, 111)])
    >>> [(node.token, node.step) for node in merge_tree(tokenizer, b"hello")]
    [(b'he', 2), (b'llo', 3)]
    """
    first = [tokenizer.piece_ids(bytes([byte]))[0] for byte in piece]
    nodes = [Node(id, bytes([byte])) for id, byte in zip(first, piece, strict=True)]
    step = 0
    while len(nodes) > 1:
        found = [
            (*joined, place)
            for place, (left, right) in enumerate(pairwise(nodes))
            if (joined := tokenizer.join(left.id, right.id))
        ]
        if not found:
            break
        _, id, place = min(found, key=lambda one: (one[0], one[2]))
        left, right = nodes[place : place + 2]
        step += 1
        nodes[place : place + 2] = [Node(id, left.token + right.token, step, (left, right))]
    whole = tokenizer.piece_ids(piece)
    if list(whole) != [node.id for node in nodes]:  # a vocabulary that looks a piece up before merging it
        nodes = [Node(whole[0], piece)]
    return nodes


def draw_merges(tokenizer: PieceTokenizer, text: str) -> str:
    """The merge trees of a text as SVG, one beside the other. Raises TokenizerError above 200 bytes."""
    pieces = [utf8(piece) for piece in split(tokenizer.pattern, text)]
    if not 0 < sum(map(len, pieces)) <= MOST_BYTES:
        raise TokenizerError(
            f"A merge tree is drawn for 1 to {MOST_BYTES} bytes of text, and this has "
            f"{sum(map(len, pieces))}. Give a word or two."
        )
    trees = [merge_tree(tokenizer, piece) for piece in pieces]
    depth = max(node.depth for tree in trees for node in tree)
    parts: list[str] = []
    left = MARGIN
    for tree in trees:
        for node in tree:
            width = len(node.token) * CELL
            _draw(parts, node, left, depth, top=True)
            left += width
        left += CELL / 2
    width, height = left - CELL / 2 + MARGIN, 2 * MARGIN + depth * ROW + BOX + 16
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="ui-monospace, monospace" font-size="12">',
        f"<title>{escape(text)}</title>",
        f'<rect width="100%" height="100%" fill="{PAPER}"/>',
        *parts,
        "</svg>\n",
    ])  # fmt: skip


def _draw(parts: list[str], node: Node, left: float, depth: int, *, top: bool = False) -> tuple[float, float]:
    """Add a node and what is below it; returns the middle of its upper edge."""
    width = len(node.token) * CELL
    x, y = left + width / 2, MARGIN + (depth - node.depth) * ROW
    if node.parts:
        middle = left + len(node.parts[0].token) * CELL
        for part, start in zip(node.parts, (left, middle), strict=True):
            to_x, to_y = _draw(parts, part, start, depth)
            parts.append(f'<path d="M{x:.1f} {y + BOX:.1f}L{to_x:.1f} {to_y:.1f}" stroke="{LINE}"/>')
    kind = "token" if top else "merged" if node.parts else "byte"
    step = f"merge {node.step} of this piece" if node.step else "a byte" if len(node.token) == 1 else "whole"
    parts.append(
        f'<g><title>id {node.id}, {step}</title><rect x="{left + 3:.1f}" y="{y:.1f}" width="{width - 6:.1f}" '
        f'height="{BOX:.0f}" rx="5" fill="{FILLS[kind]}" stroke="{LINE}"/>'
        f'<text x="{x:.1f}" y="{y + 15:.1f}" text-anchor="middle" fill="{INK}">'
        f"{escape(visible(node.token))}</text>"
        f'<text x="{x:.1f}" y="{y + 28:.1f}" text-anchor="middle" fill="{SOFT}" font-size="9">'
        f"{node.id}</text></g>"
    )
    return x, y


def visible(token: bytes, *, newline: str = "\\n") -> str:
    r"""A token so that one sees all of it: a blank as a dot, controls and pieces of characters as escapes.

    >>> visible(b" caf\xc3\xa9\n"), visible(b"\xe4\xbd")
    ('·café\\n', '\\xe4\\xbd')
    """
    shown = []
    for character in token.decode("utf-8", errors="surrogateescape"):
        if character == " ":
            shown.append("·")
        elif character == "\n":
            shown.append(newline)
        elif "\udc80" <= character <= "\udcff":
            shown.append(f"\\x{ord(character) - 0xDC00:02x}")
        elif character.isprintable():
            shown.append(character)
        else:
            shown.append(character.encode("unicode_escape").decode())
    return "".join(shown)
