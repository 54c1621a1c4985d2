"""Plots become part of their page, so that they follow its theme."""

import re
from base64 import b64decode

# In a notebook a plot is an image by itself, which looks the same everywhere.
_PLOT = re.compile(r'<img src="data:image/svg\+xml;base64,([^"]+)"[^>]*?(style="[^"]*")?>')


def in_page(html):
    """HTML with its plots, which are images with data addresses, written out."""

    def written_out(image):
        svg = b64decode(image[1]).decode()
        style = f" {image[2]}" if image[2] else ""
        return svg.replace("<svg", f'<svg aria-hidden="true"{style}', 1)

    return _PLOT.sub(written_out, html)


def setup(app):
    """Called by Sphinx."""
    app.add_css_file("pictures.css")

    def write_out(app, page, template, context, doctree):
        if "body" in context:
            context["body"] = in_page(context["body"])

    app.connect("html-page-context", write_out)
