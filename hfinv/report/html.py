"""HTML that cannot go wrong: whatever is plain text is escaped when it is put into an element."""

from __future__ import annotations

from html import escape

VOID = ("br", "col", "hr", "img", "link", "meta", "source")
"""Elements without an end."""


class Html(str):
    """Text that is HTML already; any other string is escaped."""


def element(name: str, /, *children: str | None, **attributes: str | int | bool | None) -> Html:
    """One element.

    Args:
        name: such as `p`.
        children: what is in it; `Html` as it is, other text escaped, None left out.
        attributes: `_` at the end is cut off and others become `-`, as in `class_` and `http_equiv`; True has no
            value, and False and None are left out.
    """
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}"
        + ("" if value is True else f'="{escape(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in VOID:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{joined(*children)}</{name}>")


def joined(*children: str | None) -> Html:
    """Pieces one after the other."""
    return Html(
        "".join(
            child if isinstance(child, Html) else escape(child)
            for child in children
            if child is not None
        )
    )
