"""HTML that is escaped by construction: text becomes markup only through `tag`, and `tag` escapes all text.

>>> tag("p", "a < b", tag("b", "!"), cls="note")
'<p class="note">a &lt; b<b>!</b></p>'

Next: report.py.
"""

from html import escape

VOID = frozenset(("meta", "line", "path", "circle", "rect", "br"))


class Markup(str):
    """Text that is markup already. Only `tag`, `join` and our own style sheet make it."""


def tag(name: str, /, *children: str | None, **attributes: str | float | None) -> Markup:
    """`<name attributes>children</name>`; None children and attributes are left out.

    `cls` is written `class`, and other underscores as hyphens (`stroke_width`). A number is written short.
    """
    written = "".join(
        f' {"class" if key == "cls" else key.replace("_", "-")}="{escape(_short(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in VOID and not children:
        return Markup(f"<{name}{written}/>")
    return Markup(f"<{name}{written}>{join(*children)}</{name}>")


def join(*children: str | None) -> Markup:
    """Children one after the other, text escaped."""
    shown = (child for child in children if child is not None)
    return Markup("".join(child if isinstance(child, Markup) else escape(child) for child in shown))


def _short(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"
