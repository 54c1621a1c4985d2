"""Photograph the live pieces for book/stills: `python lessons_src/stills.py [NAME ...]`.

A still stands in the place of a piece where there is no JavaScript: in print, on GitHub, and in a
notebook's Markdown. It needs Chromium, like the tests.
"""

import sys
from pathlib import Path

from browser import chromium
from cnnlab import pieces

FOLDER = Path(__file__).resolve().parent.parent / "book" / "stills"
COMPACT = "digit-pad-compact"  # as the first page shows it


def main():
    FOLDER.mkdir(exist_ok=True)
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 720, "height": 900}, reduced_motion="reduce")
        for name in sys.argv[1:] or [*pieces.PIECES, COMPACT]:
            piece = name.removesuffix("-compact")
            html = pieces.show(piece).html
            if name == COMPACT:
                html = html.replace(f"<cnn-{piece}", f"<cnn-{piece} compact", 1)
            page.set_content(f"<body style='background: #fff'>{html}")
            if name == "train-lenet":  # learns for four epochs, so that there is something to see
                page.get_by_role("button", name="one step").click()
                run = f"document.querySelector('cnn-{name}').runs[0]"
                page.wait_for_function(f"{run}.told")
                page.evaluate(f"{run}.go(159)")
                page.wait_for_function(f"{run}.told.steps === 160", timeout=600_000)
            page.locator(f"cnn-{piece} section").screenshot(path=FOLDER / f"{name}.png")


if __name__ == "__main__":
    main()
