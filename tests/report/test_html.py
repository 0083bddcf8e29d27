"""Elements, and what is escaped in them."""

from __future__ import annotations

from hfinv.report.html import Html, element, joined


def test_text_is_escaped_and_html_is_not() -> None:
    inner = element("b", "a < b & c")
    assert inner == "<b>a &lt; b &amp; c</b>"
    assert element("p", inner, "<i>") == "<p><b>a &lt; b &amp; c</b>&lt;i&gt;</p>"
    assert joined("<", Html("<br>"), None) == "&lt;<br>"


def test_attributes_are_quoted_and_their_names_made_from_pythons() -> None:
    made = element("img", alt='"><script>', class_="a", http_equiv="x", muted=True, loop=False)
    assert made == '<img alt="&quot;&gt;&lt;script&gt;" class="a" http-equiv="x" muted>'
    assert element("meta", name="n", content=None) == '<meta name="n">'


def test_a_piece_of_html_plus_text_is_text_again() -> None:
    assert element("p", Html("<b>") + "x") == "<p>&lt;b&gt;x</p>"
