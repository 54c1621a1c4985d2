"""One small style sheet for the site: what its pages use of the theme's, and dark before the paint.

The theme brings 400 kB of rules for things that no page holds. And its colours wait for a script:
they belong to `data-theme="light"` and `"dark"`, which a script finds out. Here every rule for one
of the two is also one for `data-theme="auto"`, which a page has without scripts, where the reader's
system wants that theme; and what is printed is light.
"""

import re
from pathlib import Path

import tinycss2

THEME = re.compile(r"""\[data-theme=["']?(light|dark)["']?\]""")
# A class or an id in a selector. What `:not(…)` excludes need not be there.
NAMED = re.compile(r"[.#]((?:[\w-]|\\.)+)")
NOT = re.compile(r":not\([^()]*(?:\([^()]*\)[^()]*)*\)")
ICONS = re.compile(r"^\.?(fa|fas|far|fab|fa-[\w-]+|fa\d?)\b|Font ?Awesome", re.I)


def setup(app):
    """Called by Sphinx."""
    app.connect("html-page-context", collect, priority=950)
    app.connect("build-finished", write, priority=950)


def collect(app, pagename, templatename, context, doctree):
    """Note the style sheets of this page; the template links `site.css` instead."""
    sheets = [str(getattr(sheet, "filename", sheet)) for sheet in context.pop("css_files", [])]
    app.site_sheets = list(dict.fromkeys([*getattr(app, "site_sheets", []), *sheets]))
    context["css_files"] = []


def write(app, error):
    """Write `_static/site.css`."""
    sheets = getattr(app, "site_sheets", None)
    if error or app.builder.format != "html" or not sheets:
        return  # nothing was built anew
    folder = Path(app.outdir)
    words = set()
    for path in [*folder.rglob("*.html"), *folder.glob("_static/**/*.js")]:
        words.update(re.findall(r"[\w-]+", path.read_text(encoding="utf-8")))
    first = ["basic.css", "styles/pydata-sphinx-theme.css"]
    parts = [
        shrink((folder / "_static" / name).read_text(encoding="utf-8"), words)
        for name in dict.fromkeys([*first, *(n.removeprefix("_static/") for n in sheets)])
    ]
    (folder / "_static" / "site.css").write_text("\n".join(parts), encoding="utf-8")


def shrink(css, words):
    """A style sheet without the rules of which no selector can match.

    `words` are all that stand in the site's pages and scripts: a class or an id that is not among
    them is in no page.
    """
    rules = tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True)
    return "\n".join(filter(None, (shrunk(rule, words) for rule in rules)))


def shrunk(rule, words):
    """One rule, or nothing of it."""
    if rule.type == "error":
        raise ValueError(f"A style sheet has a mistake: {rule.message}. Correct it there.")
    content = tinycss2.serialize(rule.content) if rule.content is not None else None
    prelude = tinycss2.serialize(rule.prelude).strip()
    if rule.type == "at-rule":
        if content is None or rule.at_keyword == "charset" or ICONS.search(content[:200]):
            return ""
        if rule.at_keyword in ("media", "supports", "layer", "container"):
            content = shrink(content, words)
        return f"@{rule.at_keyword} {prelude}{{{content}}}" if content else ""
    selectors = [s.strip() for s in split(prelude) if needed(s, words)]
    return themed(",".join(selectors), " ".join(content.split())) if selectors else ""


def split(prelude):
    """The selectors of a list."""
    return re.split(r",(?![^(]*\))", prelude)


def needed(selector, words):
    names = NAMED.findall(NOT.sub("", selector))
    return not ICONS.search(selector) and words.issuperset(n.replace("\\", "") for n in names)


def themed(selectors, content):
    """A rule, and where it is one for a theme what else follows from that."""
    found = set(THEME.findall(selectors))
    if len(found) != 1:
        return f"{selectors}{{{content}}}"
    [theme] = found
    auto = THEME.sub("[data-theme=auto]", selectors)
    rules = [f"@media screen{{{selectors}{{{content}}}}}"]
    rules += [f"@media screen and (prefers-color-scheme:{theme}){{{auto}{{{content}}}}}"]
    if theme == "light":
        rules += [f"@media print{{{THEME.sub('[data-theme]', selectors)}{{{content}}}}}"]
    return "".join(rules)
