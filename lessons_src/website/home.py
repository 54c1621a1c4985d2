"""Where the course is at home, and the ways to get and to run it from there.

The build is told by its environment; what it is not told, no page mentions.

| variable | what |
|---|---|
| COURSE_SITE | the address at which this site will be, if _config.yml does not tell it |
| COURSE_REPOSITORY | the address of the repository |
| COURSE_LESSONS | a branch with the unpacked archive, which Colab and Binder open: on HOSTS |
| COURSE_HUB | the address of a JupyterHub with nbgitpuller, which then opens it, too |
"""

import os
from html import escape

from cnnlab import computer
from docutils import nodes
from sphinx.util.docutils import SphinxDirective
from sphinx.util.osutil import relative_uri

PARTS = ("site", "repository", "lessons", "hub")
COLAB, BINDER = "https://colab.research.google.com", "https://mybinder.org"
GITHUB = "https://github.com/"
HOSTS = (GITHUB, "https://gitlab.com/")  # whose addresses the theme and Binder can take apart
ARCHIVE = "_static/course.zip"
PRINTED = "<!-- the book as a PDF -->"
NO_BUTTONS = (
    "The pages have no buttons that open them elsewhere: those are made for repositories on "
    "github.com and gitlab.com."
)


def setup(app):
    """Called by Sphinx."""
    app.add_config_value("course_home", {}, "env")
    app.add_directive("get-course", GetCourse)
    app.add_directive("computer", Computer)
    app.connect("config-inited", find)
    app.connect("html-page-context", show, priority=850)


def find(app, config):
    """Take the addresses from the environment, and tell them to the theme, which makes the links.

    The committed notebooks are not opened: they have outputs, which give the answers away.
    """
    found = {part: os.environ.get(f"COURSE_{part.upper()}", "").strip("/ ") for part in PARTS}
    found["site"] = found["site"] or (config.html_baseurl or "").rstrip("/")
    config.course_home = home = {part: value for part, value in found.items() if value}
    if "site" in home:
        config.html_baseurl = home["site"] + "/"
    repository, launch = home.get("repository", ""), {}
    if not hosted(home):
        repository = ""  # the theme would end the build
    elif "lessons" in home:
        launch = {
            "notebook_interface": "jupyterlab",
            "binderhub_url": BINDER,
            "jupyterhub_url": home.get("hub", ""),
            "colab_url": COLAB if repository.startswith(GITHUB) else "",
        }
    config.html_theme_options |= {
        "repository_url": repository,
        "repository_branch": home.get("lessons", ""),
        "path_to_docs": "",
        "launch_buttons": launch,
    }


def hosted(home):
    """Whether the theme can make links to the repository: HOST/OWNER/NAME, on one of HOSTS."""
    address = home.get("repository", "")
    return address.startswith(HOSTS) and address.count("/") >= 4


def course(home, otherwise):
    """What pip can install the course from: an address, if one is known."""
    if "site" in home:
        return f"{home['site']}/{ARCHIVE}"
    return f"git+{home['repository']}" if "repository" in home else otherwise


def show(app, name, template, context, document):
    """At the top of a notebook's page, say how to run it."""
    source = context.get("sourcename") or ""
    if "body" not in context or not source.endswith(".ipynb") or name == app.config.root_doc:
        return
    groups = [g for g in context.get("header_buttons", []) if g.get("label") == "launch-buttons"]
    links = [(button["url"], button["text"]) for group in groups for button in group["buttons"]]
    links.append((relative_uri(f"{name}.html", "book/install.html"), "your computer"))
    ways = ", ".join(f'<a href="{escape(url)}">{escape(text)}</a>' for url, text in links)
    line = f'<p class="run">Run this page on {ways}.</p>'
    context["body"] = context["body"].replace("</h1>", f"</h1>\n{line}", 1)


class Computer(SphinxDirective):
    """`{computer}`: what `cnnlab.computer` says of the computer that builds the site."""

    def run(self):
        found = [*computer.findings()]
        text = "\n".join([*map(str, found), "", computer.summary(found)])
        return [nodes.literal_block(text, text, language="text")]


class GetCourse(SphinxDirective):
    """`{get-course}`: the archive, and the repository if its address is known.

    A comment keeps the place of the book as a PDF, which paper.py puts there once it has made it.
    """

    def run(self):
        way = relative_uri(f"{self.env.docname}.html", ARCHIVE)
        button = nodes.raw(
            "",
            f'<p class="get"><a href="{way}" download>Get the course (.zip)</a></p>\n{PRINTED}',
            format="html",
        )
        address = self.config.course_home.get("repository")
        if not address:
            return [button]
        text = nodes.paragraph("", "Its sources, with all tests: ")
        text += nodes.reference("", address, refuri=address)
        if "lessons" in self.config.course_home and not hosted(self.config.course_home):
            text += nodes.Text(f". {NO_BUTTONS}")
        return [button, text]
