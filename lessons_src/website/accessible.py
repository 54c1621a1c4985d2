"""What docutils' HTML lacks for those who hear a page.

The language of foreign words, what a table's heads stand over, which section a table is from, and
roles that today's standard knows.
"""

import re

HEADING = r"<h[1-6][^>]*>(?P<heading>.*?)</h[1-6]>"
TABLE = r"<table(?P<attributes>[^>]*)>(?!\s*<caption)"
HEAD = r"<thead>.*?</thead>"
CHINESE = re.compile(r"(?<=>)([^<>]*[\u4e00-\u9fff][^<>]*)(?=<)")
SIGNS = re.compile(r"[\u4e00-\u9fff\u3000-\u303f\uff00-\uffef]*[\u4e00-\u9fff]+")
EMPTY = re.compile(r"<th\b[^>]*></th>")  # the corner above the names of rows is no heading
# Docutils writes these for a bibliography; a later standard took the one back, and the other wants
# such children.
ROLES = {'role="doc-biblioentry"': 'role="listitem"'}
TOGGLE = ' aria-label="Toggle hidden content"'  # in place of the words that everybody else sees


def setup(app):
    """Called by Sphinx."""
    app.connect("html-page-context", improve, priority=800)


def improve(app, name, template, context, document):
    if "body" in context:
        context["body"] = improved(context["body"])
    for key in ("title", "toc"):
        if context.get(key):
            context[key] = CHINESE.sub(speak, context[key])


def improved(html):
    """The HTML of a page's text with all that."""
    for old, new in {**ROLES, TOGGLE: ""}.items():
        html = html.replace(old, new)
    html = CHINESE.sub(speak, html)
    html = EMPTY.sub("<td></td>", html)
    heading = ""

    def table(found):
        nonlocal heading
        if found["heading"] is not None:
            heading = re.sub(r'<a class="headerlink".*?</a>|<[^>]*>', "", found["heading"]).replace(
                '"', ""
            )
            return found[0]
        if found["attributes"] is None:
            return re.sub(r"<th(?![^>]*scope)(?=[\s>])", '<th scope="col"', found[0])
        if "aria-label" in found["attributes"]:
            return found[0]
        return found[0].replace("<table", f'<table aria-label="Table in: {heading}"')

    return re.sub(f"{HEADING}|{TABLE}|{HEAD}", table, html, flags=re.DOTALL)


def speak(found):
    """Chinese words, marked as such."""
    return SIGNS.sub(r'<span lang="zh">\g<0></span>', found[1])
