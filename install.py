"""Install the course into the folder .venv: `python install.py`, with Python 3.11, 3.12 or 3.13.

First it says what would stop the installation on this computer: pip would say it in words of its
own, after a long download. Nothing but Python is needed, and an old one can say so, too.
"""

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

DISK = 4  # gigabytes that the environment and its download take
LONGEST = 175  # letters in the longest path of TensorFlow; Windows allows 259 with the folder's
LAB = "-m classroom.lab"


def problem(python, system, machine, bits, folder, free):
    """What stops the installation, in words, or None.

    Args:
        python: the version of Python, such as (3, 13).
        system, machine: as the modules platform and sysconfig name them: "Windows", "arm64".
        bits: those of Python, 32 or 64.
        folder: where .venv will lie; empty if its length does not matter.
        free: bytes free there, with those that .venv has taken already.
    """
    machine = machine.lower()
    if system == "Darwin" and machine in ("x86_64", "i386"):
        return (
            "This is a Mac with an Intel processor, or a Python made for one. TensorFlow is no "
            "longer made for them: run the notebooks on Colab, or on another computer. (If your "
            "Mac has an Apple chip, install a Python that is made for it.)"
        )
    if system == "Windows" and machine in ("arm64", "aarch64"):
        return (
            "This is Windows on an ARM processor, for which TensorFlow is not made. Install the "
            "course in WSL, which is Linux, or run the notebooks on Colab."
        )
    if not (3, 11) <= python < (3, 14):
        return (
            f"The course needs Python 3.11, 3.12 or 3.13, and this is Python {python[0]}."
            f"{python[1]}. Run install.py with one of those: `py -3.13 install.py` on Windows, "
            "`python3.13 install.py` elsewhere. If there is none, uv brings one: the page Install "
            "and README.md say how."
        )
    if bits != 64:
        return "This Python has 32 bits, and TensorFlow needs 64: install a Python of 64 bits."
    room = 259 - len(r"\.venv\Lib\site-packages" + "\\") - LONGEST
    if system == "Windows" and len(folder) > room:
        return (
            f"The path of this folder has {len(folder)} letters, and TensorFlow leaves room for "
            f"{room} on Windows. Move the folder, to C:\\cnn for example, and begin again there."
        )
    if free < DISK * 1e9:
        return (
            f"The course needs {DISK} GB of disk, and here only {free / 1e9:.1f} are free or taken "
            "by .venv already."
        )
    return None


def long_paths():
    """Whether this Windows allows paths of any length."""
    try:
        import winreg

        key = r"SYSTEM\CurrentControlSet\Control\FileSystem"
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key) as opened:
            return winreg.QueryValueEx(opened, "LongPathsEnabled")[0] == 1
    except (ImportError, OSError):
        return False


def this_computer(folder):
    """What `problem` wants to know."""
    system, made_for = platform.system(), sysconfig.get_platform()
    venv = os.path.join(folder, ".venv")
    installed = os.path.exists(os.path.join(venv, "installed"))
    files = [os.path.join(place, name) for place, _, names in os.walk(venv) for name in names]
    taken = 0
    for file in files:
        with suppress(OSError):  # too deep for Windows, which is told elsewhere
            taken += os.lstat(file).st_size
    return {
        "python": sys.version_info[:2],
        "system": system,
        # On Windows the processor of Python counts: one for Intel's runs on ARM, too.
        "machine": made_for.split("-")[-1] if system == "Windows" else platform.machine(),
        "bits": 64 if sys.maxsize > 2**32 else 32,
        "folder": "" if long_paths() else folder,
        "free": DISK * 1e9 if installed else shutil.disk_usage(folder).free + taken,
    }


def main():
    folder = os.path.dirname(os.path.abspath(__file__))
    found = problem(**this_computer(folder))
    if found:
        sys.exit(found)
    os.chdir(folder)
    programs = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
    python = os.path.join(".venv", *programs)
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check"]
    steps = [
        [*pip, "-r", "requirements.txt"],
        [*pip, "--no-deps", "--no-build-isolation", "-e", "."],
    ]
    if os.path.realpath(sys.prefix) != os.path.realpath(".venv"):  # else uv has made it
        steps.insert(0, [sys.executable, "-m", "venv", ".venv"])
    elif find_spec("pip") is None:  # `uv venv` without --seed, or one that was cut short
        steps.insert(0, [python, "-m", "ensurepip"])
    version = platform.python_version()
    print(f"Installing into .venv with Python {version}. The first time takes minutes.", flush=True)
    for step in steps:
        if subprocess.call(step):
            sys.exit("The installation has stopped; why stands above. It can be started again.")
    Path(".venv", "installed").touch()  # for make, which then knows
    print(f"The course is installed. To open it: {python} {LAB}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nStopped. It can be started again.")
