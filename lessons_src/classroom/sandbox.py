"""A Python interpreter for one submission: no network, no files but the course's, little memory.

Three strengths, named in every report: `bubblewrap`; `unshare`, which cuts the network but leaves
the files readable; and none at all, only on request.
"""

import contextlib
import ctypes
import math
import os
import queue
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import cnnlab
import psutil
import zmq
from cnnlab import check
from filelock import FileLock, Timeout
from jupyter_client import BlockingKernelClient

from .masters import ENVIRONMENT

KINDS = {
    "bubblewrap": "each notebook saw neither the network nor any file but the course's",
    "unshare": "WEAK: without bubblewrap there was no network, but a notebook could read this "
    "computer's files, the masters too",
    "unsafe": "NONE: a notebook could do whatever you can do on this computer",
}
SYSTEM = ["ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "passwd", "group"]
SYSTEM += ["localtime", "fonts", "nsswitch.conf", "mime.types", "ssl/certs"]  # of /etc
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
PROCESSES = 200  # of one submission
WRITABLE = ["/tmp", "/w", "/dev/shm"]  # in bubblewrap; all three lie in memory
LONG_PATH = 40  # characters; the whole path of a socket must stay below 108
LARGEST = 10 << 20  # bytes of a reply
# What comes of reading a reply that was forged.
SPOILT = AttributeError, KeyError, MemoryError, RecursionError, TypeError, ValueError
WATCHED = 0.5  # seconds from one look at what it takes to the next
HELD = []  # locks of folders
PATIENCE = 10  # seconds until somebody who was interrupted must have ended


@dataclass(frozen=True)
class Limits:
    """What one submission may use."""

    cell: float = check.CELL  # seconds
    total: float = check.NOTEBOOK  # seconds
    memory: int = 8 << 30  # bytes
    file: int = 1 << 30  # bytes that it may write


_ALONE = ("bwrap", "--unshare-all")


class InterpreterDied(Exception):
    """The interpreter ended, or had to be ended, while it ran a cell; the message says why."""


class InterpreterHangs(Exception):
    """A cell ran too long and could not be interrupted."""


class NoSandbox(Exception):
    """This computer has no sandbox."""


def works(*command):
    """Does this command end without an error?"""
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run([*command, "true"], capture_output=True, timeout=20).returncode == 0


def die_with_parent():
    """Let the system end this process when the one that started it ends, however that ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def limit(memory, seconds=math.inf):
    """Let this process take at most so many bytes of memory, more than it has now, and so many
    seconds of a core in all; less where the system allows less."""
    more = psutil.Process().memory_info().vms + memory  # the system counts what it has, too
    for what, most in ((resource.RLIMIT_AS, more), (resource.RLIMIT_CPU, seconds)):
        _, hard = resource.getrlimit(what)
        most = min(most, hard if hard != resource.RLIM_INFINITY else math.inf)
        if most != math.inf:
            resource.setrlimit(what, (most, hard))


@cache
def bwrap_can(option):
    """Does this version of bubblewrap know the option?"""
    return option in subprocess.run(["bwrap", "--help"], capture_output=True, text=True).stdout


@cache
def closed():
    """Can bubblewrap forbid a notebook namespaces of its own? In them it could hide memory."""
    return works(*_ALONE, "--unshare-user", "--disable-userns", "--ro-bind", "/", "/")


def choose(unsafe=False):
    """The strongest sandbox of this computer."""
    if works(*_ALONE, "--ro-bind", "/", "/", "--proc", "/proc"):
        return "bubblewrap"
    if works("unshare", "-rn"):
        return "unshare"
    if unsafe:
        return "unsafe"
    raise NoSandbox(
        "Students' code must not run here without a sandbox, and there is none. Install bubblewrap "
        "(Debian, Ubuntu: `apt install bubblewrap`; on a Mac or Windows use a Linux machine or "
        "WSL). If you trust every notebook as you trust your own code, say UNSAFE=1 (--unsafe)."
    )


def wrap(kind, limits, folder, sees=()):
    """The command that goes before Python's own. `folder` is all that Python may change; the
    folders that it `sees` it may read."""
    command = []
    if shutil.which("prlimit"):
        least = limits.memory * 7 // 8  # the rest is for the tests, after a cell took all
        command += ["prlimit", f"--as={least}:{limits.memory}"]
        command += [f"--fsize={limits.file}", "--core=0"]
    if kind == "unshare":
        command += ["unshare", "-rn", "--pid", "--fork", "--kill-child"]
    if kind != "bubblewrap":
        return command
    command += [*_ALONE, "--die-with-parent", "--new-session"]
    command += ["--unshare-user", "--disable-userns"] if closed() else []
    command += ["--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dev", "/dev"]
    for name in ("bin", "sbin", "lib", "lib64"):
        path = Path("/") / name
        if path.is_symlink():
            command += ["--symlink", os.readlink(path), str(path)]
        elif path.exists():
            command += ["--ro-bind", str(path), str(path)]
    for name in SYSTEM:
        command += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    size = ["--size", str(limits.file)] if bwrap_can("--size") else []
    for place in WRITABLE:
        command += [*size, "--tmpfs", place]
    command += ["--chdir", "/w"]
    places = [sys.prefix, sys.base_prefix, *cnnlab.__path__]
    # Of the course just the package: beside it lie the masters.
    for place in sorted({str(Path(p).resolve()) for p in places} | {sys.prefix}):
        command += ["--ro-bind", place, place]
    for place in sees:
        command += ["--ro-bind", str(place), str(place)]
    return [*command, "--bind", folder, folder, "--remount-ro", "/dev", "--remount-ro", "/"]


def environment(kind, folder, student):
    """What the interpreter is told. Nothing of this process's own environment goes in."""
    home = "/w" if kind == "bubblewrap" else folder
    threads = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"]
    return {
        **ENVIRONMENT,
        **dict.fromkeys(threads, "1"),
        "TF_NUM_INTEROP_THREADS": "1",
        "HOME": home,
        "PATH": f"{sys.prefix}/bin:/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "MPLBACKEND": "agg",
        "MPLCONFIGDIR": f"{folder}/matplotlib",
        "PIP_RETRIES": "0",
        "CNNLAB_STUDENT": student,
    }


@dataclass
class Reply:
    """How a cell ended."""

    ok: bool
    name: str = ""  # of the exception
    text: str = ""
    values: dict = field(default_factory=dict)
    late: bool = False


def scratch():
    """A new folder for temporary things, with a short path: sockets lie in it.

    Those that killed runs left behind are removed: nobody holds their lock any more.
    """
    place = Path(tempfile.gettempdir())
    place = Path("/tmp") if len(str(place)) > LONG_PATH else place
    for lock in place.glob("cnnlab-*/.lock"):
        with contextlib.suppress(Timeout, OSError), FileLock(lock, timeout=0):
            remove(lock.parent)
    folder = tempfile.mkdtemp(prefix="cnnlab-", dir=place)
    HELD.append(FileLock(f"{folder}/.lock"))  # until this process and its workers end
    HELD[-1].acquire()
    return folder


def remove(folder):
    """Remove a folder, however deep the folders in it are, and whoever may read them."""
    for command in ("rm", "-rf"), ("chmod", "-R", "u+rwX"), ("rm", "-rf"):
        subprocess.run([*command, str(folder)], capture_output=True)
        if not os.path.lexists(folder):
            return


def occupied(folder):
    """Bytes on the disk, whatever is moved or removed meanwhile; each file counts as 16 KiB."""
    sizes = []
    for unit, option in (1 << 10, "-k"), (1 << 14, "--inodes"):  # a Mac knows no second one
        done = subprocess.run(["du", "-s", option, str(folder)], capture_output=True, text=True)
        sizes.append(unit * int(done.stdout.split()[0]) if done.stdout else 0)
    return max(sizes)


def resident(process, fairly=False):
    """Bytes of memory that a process has; `fairly`, with its share only of what it shares."""
    try:
        return process.memory_full_info().pss if fairly else process.memory_info().rss
    except (psutil.Error, AttributeError):  # it has ended meanwhile; a Mac tells no shares
        return 0


class Stopwatch:
    """Seconds that some interpreters take: those in which the computer was busy with other things
    do not count, or for a fifth at least. What keeps it busy may be an interpreter's own crowd of
    processes: so those count in which they had all the cores."""

    def __init__(self, *interpreters):
        self.interpreters = interpreters
        self.before = self._now()

    def _now(self):
        """(the time, seconds waited for a core, seconds in which they had all cores)"""
        waited = sum(interpreter.waited() for interpreter in self.interpreters)
        worked = sum(interpreter.worked() for interpreter in self.interpreters)
        return time.monotonic(), waited, worked / CORES

    def seconds(self):
        took = [now - before for now, before in zip(self._now(), self.before, strict=True)]
        wall, waited, worked = took
        return max(wall / 5, wall - waited, worked)


class Interpreter:
    """A Python process of its own: `with Interpreter(…) as python: python.run("1 + 1")`.

    It is what Jupyter calls a kernel; in this course, a kernel is what a convolution has.
    """

    def __init__(self, kind, limits, student="", inside=None, sees=()):
        self.kind, self.limits, self.student = kind, limits, student
        self.inside, self.sees, self.last = inside, sees, {}  # a message: the last Reply
        self.watched = 0.0  # when, last
        self.waits, self.works = {}, {}  # a thread, a process → seconds
        self.python = None  # the process that runs the cells, once it does

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="grade-", dir=self.inside)
        fonts = Path(self.folder) / "matplotlib"  # else each interpreter would look for fonts anew
        fonts.mkdir()
        for path in font_caches():
            shutil.copy(path, fonts)
        file = f"{self.folder}/kernel.json"
        self.client = BlockingKernelClient(transport="ipc", connection_file=file)
        self.client.write_connection_file()
        self.process = subprocess.Popen(
            [
                *wrap(self.kind, self.limits, self.folder, self.sees),
                *(sys.executable, "-m", "ipykernel_launcher", "-f", file),
                "--HistoryManager.enabled=False",
            ],
            env=environment(self.kind, self.folder, self.student),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
        # A longer reply is thrown away, and few wait in line: they would lie in our own memory.
        self.client.context.setsockopt(zmq.MAXMSGSIZE, LARGEST)
        self.client.context.setsockopt(zmq.RCVHWM, 4)
        # Nobody listens to what the notebook prints: 50 MB of it cost nothing.
        self.client.start_channels(iopub=False, stdin=False, hb=False)
        self.client.kernel_info()
        try:
            if self._reply(None, 120) is None:
                raise TimeoutError("Python did not start within two minutes")
            self.python = self._python()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _held(self, processes):
        """Bytes of memory in no process: files that exist in memory only."""
        held = {}
        for process in processes:
            root = Path(f"/proc/{process.pid}")
            with contextlib.suppress(OSError):
                for file in (root / "fd").iterdir():
                    with contextlib.suppress(OSError):
                        if os.readlink(file).startswith("/memfd:"):
                            known = file.stat()
                            held[known.st_dev, known.st_ino] = 512 * known.st_blocks
        if self.kind == "bubblewrap":
            for place in WRITABLE:
                with contextlib.suppress(OSError, psutil.Error):
                    there = os.statvfs(f"/proc/{self._python().pid}/root{place}")
                    held[place] = (there.f_blocks - there.f_bfree) * there.f_frsize
                    held[place] += (there.f_files - there.f_ffree) << 10  # what a file's name takes
        return sum(held.values())

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.client.stop_channels()
        remove(self.folder)

    def watch(self):
        """End a Python whose processes take too much together; the system limits each alone."""
        self.watched = time.monotonic()
        processes = self._processes()
        if self.process.poll() is not None or not processes:
            raise InterpreterDied("Python ended")
        memory = sum(map(resident, processes))
        if memory > self.limits.memory:  # what they share was counted for each
            memory = sum(resident(process, fairly=True) for process in processes)
        memory += self._held(processes)
        disk = occupied(self.folder)
        if memory > self.limits.memory or disk > self.limits.file or len(processes) > PROCESSES:
            os.killpg(self.process.pid, signal.SIGKILL)
            much = f"{len(processes)} processes, {memory / (1 << 30):.0f} GiB"
            raise InterpreterDied(f"Python was stopped because it took too much ({much})")

    def waited(self):
        """Seconds for which its Python's threads, together, were kept waiting for a core."""
        with contextlib.suppress(psutil.Error, OSError):
            for task in Path(f"/proc/{self._python().pid}/task").iterdir():
                self.waits[task] = int((task / "schedstat").read_text().split()[1]) / 1e9
        return sum(self.waits.values())

    def worked(self):
        """Seconds of one core that its processes, together, took."""
        for process in self._processes():
            with contextlib.suppress(psutil.Error):
                self.works[process] = sum(process.cpu_times()[:2])
        return sum(self.works.values())

    def _processes(self):
        """All its processes, the one that was started here first; none if it has ended."""
        try:
            first = psutil.Process(self.process.pid)
            return [first, *first.children(recursive=True)]
        except psutil.Error:
            return []

    def _python(self):
        """The process that runs the cells: at first, the innermost of the sandbox."""
        process = self.python or psutil.Process(self.process.pid)
        while self.python is None and (children := process.children()):
            process = children[0]
        return process

    def _reply(self, message, seconds):
        """The interpreter's answer to a message, or None if it takes longer."""
        # For a moment plain time will do: to account for other work takes time itself.
        clock, left = Stopwatch(*([self] if seconds > WATCHED else [])), seconds
        while left > 0:
            try:
                reply = self.client.get_shell_msg(timeout=min(left, WATCHED))
                if message in (None, reply["parent_header"].get("msg_id")):
                    return reply
            except queue.Empty:
                pass
            except SPOILT:
                raise InterpreterDied("Python no longer answered") from None
            if time.monotonic() - self.watched > WATCHED:  # however much it talks
                self.watch()
            left = seconds - clock.seconds()
        return None

    def send(self, source, values=None):
        """Start to run a cell; gives what `wait` wants to know."""
        return self.client.execute(
            source,
            store_history=False,
            user_expressions=values or {},
            allow_stdin=False,
            stop_on_error=False,
        )

    def wait(self, message, seconds):
        """The Reply to a cell that was sent, or None if it takes longer."""
        if message not in self.last and (reply := self._reply(message, seconds)):
            try:
                content = reply["content"]
                found = {
                    name: value["data"]["text/plain"]
                    for name, value in (content.get("user_expressions") or {}).items()
                    if value.get("status") == "ok"
                }
                text, name = str(content.get("evalue", ""))[:2000], str(content.get("ename", ""))
                self.last = {message: Reply(content["status"] == "ok", name, text, found)}
            except SPOILT:
                raise InterpreterDied("Python no longer answered") from None
        return self.last.get(message)

    def interrupt(self):
        """What Ctrl-C does."""
        self.client.control_channel.send(self.client.session.msg("interrupt_request", {}))

    def run(self, source, values=None, seconds=None):
        """Run a cell; `values` are {name: expression} to be looked up when it has succeeded."""
        message = self.send(source, values)
        reply = self.wait(message, seconds or self.limits.cell)
        if reply is None:
            self.interrupt()
            reply = self.wait(message, PATIENCE)
            if reply is None:
                raise InterpreterHangs
            reply.ok, reply.late = False, True
        return reply


@cache
def font_caches():
    """Matplotlib's list of fonts, made once for all interpreters."""
    import matplotlib.font_manager

    return list(Path(matplotlib.get_cachedir()).glob("fontlist-*.json"))
