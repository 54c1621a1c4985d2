"""Formulas as MathML, which every browser shows and reads aloud without a script.

Their letters come from one font in the site, `book/_static/vendor/stix-two-math.woff2`: the part of
STIX Two Math that a course like this needs, cut out with fontTools (`pyftsubset FONT
--layout-features=ssty,dtls,flac --no-hinting --flavor=woff2 --unicodes=…`). A test notices a
formula with a sign that the font lacks.
"""

from docutils.nodes import SkipNode
from math_core import LatexError, LatexToMathML
from sphinx.errors import ExtensionError

CONVERTER = LatexToMathML(fancy_error=False)


def setup(app):
    """Called by Sphinx."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))


def mathml(tex, *, display=False):
    """The MathML of a formula, on a line of its own or not.

    Raises:
        ExtensionError: if it is not TeX that can be shown; it says what is wrong with which.
    """
    try:
        return CONVERTER.convert_with_local_state(tex, displaystyle=display)
    except LatexError as problem:
        raise ExtensionError(
            f"This formula cannot be shown: {tex!r}. {problem}. It should be written with the TeX "
            "commands that math-core knows; correct it in the page's source."
        ) from problem


def inline(translator, node):
    """A formula in a line of text."""
    translator.body.append(f'<span class="math">{mathml(node.astext())}</span>')
    raise SkipNode


def block(translator, node):
    """A formula on a line of its own. It may be wide, and scrolls by itself."""
    formula = mathml(node.astext(), display=True)
    translator.body.append(f"{translator.starttag(node, 'div', CLASS='math')}{formula}</div>\n")
    raise SkipNode
