"""The browser that photographs, times and tests the live pieces: Chromium, driven by Playwright."""

import shutil
from contextlib import contextmanager

PROGRAM = shutil.which("chromium") or shutil.which("google-chrome")
MISSING = "There is no browser: install Chromium (Debian: apt install chromium)."
# Each window of Chromium starts two pages of its own, for the lists below an address field that
# nobody sees here: more than half of what opening a window costs. The last list of features is
# the one that counts, so Playwright's own stand here, too.
_WITHOUT = (
    *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup"),
    *("AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose", "HttpsUpgrades"),
    *("HttpsFirstBalancedModeAutoEnable", "LensOverlay", "MediaRouter", "PaintHolding"),
    *("ThirdPartyStoragePartitioning", "AvoidCorsURLLoaderRestartOnRedirect", "AimEnabled"),
    *("OptimizationHints", "NetworkTimeServiceQuerying", "PreconnectToSearch"),
)
# As root, for example in a container, Chromium starts only without its sandbox. It may not look
# for updates either: nothing here asks a network for anything.
LAUNCH = {
    "executable_path": PROGRAM,
    "args": [
        "--no-sandbox",
        "--disable-background-networking",
        f"--disable-features={','.join(_WITHOUT)}",
    ],
}


@contextmanager
def chromium():
    """The running browser; ends the program with a message if there is none."""
    if PROGRAM is None:
        raise SystemExit(MISSING)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, playwright.chromium.launch(**LAUNCH) as browser:
        yield browser
