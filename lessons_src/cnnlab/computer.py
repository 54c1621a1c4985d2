"""What this computer can do with the course, in words: `python -m cnnlab.computer`.

It changes nothing, downloads nothing, and also runs where libraries are missing.
"""

import json
import os
import platform
import shutil
import struct
import subprocess
import sys
import webbrowser
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

FINE, ELSEWHERE, WRONG = "ok", "--", "NO"
MEMORY = 2.5  # gigabytes that a chapter takes at most
SECONDS = 300  # for TensorFlow to load, on a slow disk
LIBRARIES = ("tensorflow", "keras", "numpy", "scipy", "matplotlib")
# How TensorFlow ends on a processor without it; the last one on Windows.
NO_AVX = ("AVX", "llegal", "status -4", "status -6", "status 3221225501")
# In a Python of its own, since a processor that TensorFlow is not made for ends the program.
LOAD = """
import json, cnnlab, keras, tensorflow as tf
details = tf.config.experimental.get_device_details
gpus = [details(gpu).get("device_name", "GPU") for gpu in tf.config.list_physical_devices("GPU")]
print(json.dumps(gpus))
"""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    `state`: FINE; ELSEWHERE, if the lessons can do without it; or WRONG, if they cannot run.
    `words`: what was found, and what follows from that.
    """

    state: str
    words: str

    def __str__(self):
        return f"{self.state}  {self.words}"


def findings():
    """Look at everything: yields a Finding for each thing, the slow ones last."""
    yield python(sys.version_info[:2], struct.calcsize("P") * 8)
    yield libraries({name: installed(name) for name in LIBRARIES})
    yield memory()
    yield data()
    yield lab(installed("jupyterlab"))
    yield sandbox()
    yield chromium(shutil.which("chromium") or shutil.which("google-chrome"))
    if installed("tensorflow"):
        yield device(*load(), shutil.which("nvidia-smi"))


def line():
    """This computer, and what the course runs with on it, in one line."""
    found = [f"{platform.system()} ({platform.machine()})", f"{os.cpu_count()} cores"]
    if installed("psutil"):
        import psutil

        found.append(f"{psutil.virtual_memory().total / 1e9:.0f} GB of memory")
    found.append(f"Python {platform.python_version()}")
    found += [f"{name} {installed(name)}" for name in LIBRARIES if installed(name)]
    return ", ".join(found)


def python(found, bits):
    where = f"{platform.system()} ({platform.machine()})"
    words = f"Python {found[0]}.{found[1]} with {bits} bits, on {where}."
    if (3, 11) <= found < (3, 14) and bits == 64:
        return Finding(FINE, words)
    return Finding(WRONG, f"{words} The course needs 3.11, 3.12 or 3.13 with 64 bits.")


def installed(name):
    """The version of a library, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def libraries(versions):
    missing = [name for name, found in versions.items() if not found]
    if missing:
        return Finding(
            WRONG,
            f"Missing: {', '.join(missing)}. This Python, {sys.executable}, is not the one that "
            "the course is installed into, or it is not installed: run install.py.",
        )
    return Finding(FINE, ", ".join(f"{name} {found}" for name, found in versions.items()) + ".")


def memory():
    try:
        import psutil
    except ImportError:
        return Finding(ELSEWHERE, f"Memory: not known. A chapter takes up to {MEMORY} GB.")
    now = psutil.virtual_memory()
    words = f"Memory: {now.total / 1e9:.0f} GB, of which {now.available / 1e9:.1f} are free."
    if now.total / 1e9 < MEMORY:
        return Finding(WRONG, f"{words} A chapter takes up to {MEMORY}.")
    if now.available / 1e9 < MEMORY:
        return Finding(
            ELSEWHERE, f"{words} A chapter takes up to {MEMORY}: close other programs first."
        )
    return Finding(FINE, words)


def data():
    try:
        from cnnlab.data import NAMES, at_hand, own_folder, setting
    except ImportError:
        return Finding(ELSEWHERE, "Data: not looked for, since NumPy is missing.")
    tier = setting("CNNLAB_TIER")
    if tier not in ("", "sample", "full"):
        return Finding(
            WRONG, f'Data: CNNLAB_TIER must be "sample" or "full", got {tier!r}. Or unset it.'
        )
    if tier == "sample":
        return Finding(FINE, "Data: what is built in, as CNNLAB_TIER says.")
    try:
        own_folder()
    except ValueError as problem:
        return Finding(WRONG, f"Data: {problem}")
    full = [name for name in NAMES if at_hand(name)]
    if tier == "full" and len(full) < len(NAMES):
        lacking = ", ".join(name for name in NAMES if name not in full)
        return Finding(
            ELSEWHERE,
            f"Data: {lacking} will be downloaded; CNNLAB_TIER=full forbids what is built in.",
        )
    if full:
        return Finding(FINE, f"Data: {', '.join(full)} in full, otherwise what is built in.")
    return Finding(
        FINE,
        "Data: what is built in. With a network, lessons first try to download the full sets; "
        "CNNLAB_TIER=sample saves that.",
    )


def lab(found):
    if not found:
        return Finding(
            ELSEWHERE, "JupyterLab is missing: notebooks run only where another program opens them."
        )
    try:
        webbrowser.get()
    except webbrowser.Error:
        return Finding(
            ELSEWHERE,
            f"JupyterLab {found}, and no browser that it could open: copy the address that it "
            "prints into one, on this computer.",
        )
    return Finding(FINE, f"JupyterLab {found}, and a browser to open it in.")


def sandbox():
    """Whether students' notebooks could be graded here."""
    command = ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"]
    only = "Only who grades a class needs it."
    if not shutil.which("bwrap"):
        return Finding(
            ELSEWHERE, f"No sandbox: bubblewrap is missing (Debian: apt install bubblewrap). {only}"
        )
    if subprocess.run(command, capture_output=True).returncode:
        return Finding(ELSEWHERE, f"No sandbox: bubblewrap is there, but may not start. {only}")
    return Finding(FINE, "A sandbox, to grade students' notebooks in.")


def chromium(found):
    if found:
        return Finding(FINE, "Chromium, with which the site is tested.")
    return Finding(
        ELSEWHERE,
        "No Chromium (Debian: apt install chromium): tests that open the site are skipped. The "
        "lessons need none.",
    )


def load():
    """(names of the GPUs, what went wrong): load TensorFlow, see which devices it finds."""
    place = str(Path(__file__).resolve().parents[1])
    paths = os.pathsep.join(filter(None, [place, os.environ.get("PYTHONPATH")]))
    try:
        done = subprocess.run(
            [sys.executable, "-c", LOAD],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            env=os.environ | {"PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
    except subprocess.TimeoutExpired:
        return [], f"it took more than {SECONDS} seconds"
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1]), ""
    lines = done.stderr.strip().splitlines() or [f"it ended with the status {done.returncode}"]
    telling = [each for each in lines if "DLL" in each or "AVX" in each]  # advice may follow them
    return [], (telling or lines)[-1]


def device(gpus, problem, nvidia):
    if problem:
        hint = ""
        if "DLL" in problem:
            hint = " On Windows it needs Microsoft's Visual C++ Redistributable."
        elif any(sign in problem for sign in NO_AVX):
            hint = " This processor may lack AVX, which TensorFlow needs: use Colab."
        return Finding(WRONG, f"TensorFlow does not load: {problem.rstrip('.')}.{hint}")
    if gpus:
        return Finding(FINE, f"Training runs on {', '.join(gpus)}. Notebooks share its memory.")
    cores = os.cpu_count()
    words = f"Training runs on the CPU ({cores} cores), for which the lessons are made."
    if nvidia:
        words += (
            ' There is an NVIDIA card that TensorFlow does not see: `pip install -e ".[gpu]" -c '
            "requirements.txt` brings its libraries, on Linux."
        )
    return Finding(FINE, words)


def summary(found):
    """What all findings come to."""
    if any(one.state == WRONG for one in found):
        return "The lessons cannot run here yet: see the lines with NO."
    if any(one.state == ELSEWHERE for one in found):
        return "The lessons can run here. What the lines with -- say concerns other things."
    return "The lessons can run here, and everything else, too."


def main():
    """Print what was found; the exit status is 1 if the lessons cannot run."""
    found = []
    for one in findings():
        print(one, flush=True)
        found.append(one)
    print(f"\n{summary(found)}")
    return int(any(one.state == WRONG for one in found))


if __name__ == "__main__":
    sys.exit(main())
