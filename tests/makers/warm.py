"""A `python` that starts warm: its processes are forked off one that has imported the libraries.

Most of the time of a short job goes into importing torch, transformers and Snakemake. The process
that is forked has imported these, and nothing of cotsieve, so that every process still runs the
code of its own checkout, from its first line. What a process is started with (arguments, folder,
environment, open files) is its own, and so is how it ends; a process whose environment would
change an import is started cold.
"""

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

EVERYWHERE = (
    *(
        "matplotlib.figure",
        "numpy",
        "pandas",
        "pyarrow.compute",
        "pyarrow.dataset",
        "pyarrow.parquet",
    ),
    *("jinja2.sandbox", "pydantic", "scipy.stats", "snakemake.cli", "yaml"),
)
WITH_A_MODEL = ("torch", "tokenizers", "transformers.models.auto", "transformers.modeling_utils")
MODEL_SCRIPTS = ("ablate", "complete", "embed", "generate", "pair", "resample", "split", "trace")
TELLING = ("HF_", "PYTHONHASHSEED", "TOKENIZERS_", "TORCH", "TRANSFORMERS_")
"""Beginnings of the names of variables that are read while something is imported: a process that
has others than the one it would be forked off is started cold."""

PYTHON = """#!{python} -IS
import json, os, socket, sys

def is_warm(arguments):
    telling = {{name: value for name, value in os.environ.items() if name.startswith({telling})}}
    return arguments[:1] and telling == {told} and (
        arguments[0] == "-m" or not arguments[0].startswith("-")
    )

if not is_warm(sys.argv[1:]):
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    request = {{"python": sys.argv[0], "arguments": sys.argv[1:]}}
    request |= {{"folder": os.getcwd(), "environment": dict(os.environ)}}
    content = json.dumps(request).encode()
    socket.send_fds(server, [len(content).to_bytes(8, "big")], [0, 1, 2])
    server.sendall(content)
    answer = server.recv(8)
code = int.from_bytes(answer, "big", signed=True) if answer else 1
if code < 0:
    os.kill(os.getpid(), -code)
sys.exit(code)
"""


def warm_python(**variables: str) -> str:
    """The path of the `python`, for this process's environment with these variables.

    What it is forked off is started here, and ends with this process.
    """
    environment = os.environ | variables
    return _started(
        tuple(
            (name, value) for name, value in sorted(environment.items()) if name.startswith(TELLING)
        )
    )


@functools.cache
def _started(telling: tuple[tuple[str, str], ...]) -> str:
    folder = tempfile.TemporaryDirectory(prefix="warm-")
    address, python = f"{folder.name}/socket", Path(folder.name, "python")
    told = dict(telling)
    others = {name: value for name, value in os.environ.items() if not name.startswith(TELLING)}
    python.write_text(
        PYTHON.format(python=sys.executable, telling=TELLING, told=told, address=address)
    )
    python.chmod(0o755)
    command = [sys.executable, __file__, address]
    server = subprocess.Popen(command, env=others | told, stdin=subprocess.PIPE)
    assert server.stdin
    atexit.register(folder.cleanup)
    atexit.register(server.wait)
    atexit.register(server.stdin.close)
    while not os.path.exists(address):
        assert server.poll() is None, "the process to fork off did not start"
        signal.sigtimedwait([], 0.01)
    return str(python)


class Forks:
    """Serves requests, each in a fork, until its standard input is closed."""

    def __init__(self, address: str):
        self.children: dict[int, socket.socket] = {}
        self.ready = selectors.DefaultSelector()
        self.listener = socket.socket(socket.AF_UNIX)
        self.ended, ended = socket.socketpair()
        self.ended.setblocking(False)
        ended.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(ended.fileno())
        self.keep = ended
        self.listener.bind(f"{address}.new")
        self.listener.listen(64)
        os.rename(f"{address}.new", address)
        for source in (self.listener, self.ended, sys.stdin):
            self.ready.register(source, selectors.EVENT_READ)

    def serve(self) -> dict | None:
        """The request, in the process that is forked off for it; None at the end."""
        while True:
            for source, _ in self.ready.select():
                if source.fileobj is sys.stdin:
                    return None
                if source.fileobj is self.listener:
                    if request := self.forked(self.listener.accept()[0]):
                        return request
                elif source.fileobj is self.ended:
                    self.ended.recv(4096)
                    self.tell_ends()
                else:
                    self.end_abandoned(source.fileobj)

    def forked(self, asking: socket.socket) -> dict | None:
        size, files, _, _ = socket.recv_fds(asking, 8, 3)
        if not files:  # who asked has ended
            asking.close()
            return None
        with asking.makefile("rb") as stream:
            request = json.loads(stream.read(int.from_bytes(size, "big")))
        script = request["arguments"][0].split(".")[-2:-1]
        for name in EVERYWHERE + (WITH_A_MODEL if script and script[0] in MODEL_SCRIPTS else ()):
            importlib.import_module(name)
        gc.collect()
        gc.freeze()
        child = os.fork()
        if child:
            for file in files:
                os.close(file)
            self.children[child] = asking
            self.ready.register(asking, selectors.EVENT_READ)
            return None
        self.leave(asking)
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        return request

    def leave(self, asking: socket.socket) -> None:
        """Let go, in a new child, of everything that serves."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.ready.close()
        for one in (asking, self.listener, self.ended, self.keep, *self.children.values()):
            one.close()

    def tell_ends(self) -> None:
        for child in list(self.children):
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                asking = self.children.pop(child)
                if asking in self.ready.get_map():
                    self.ready.unregister(asking)
                code = os.waitstatus_to_exitcode(status)
                with contextlib.suppress(OSError):  # who asked has ended, too
                    asking.sendall(code.to_bytes(8, "big", signed=True))
                asking.close()

    def end_abandoned(self, asking: socket.socket) -> None:
        """Who asked was killed: so is what was started."""
        self.ready.unregister(asking)
        child = next(child for child, one in self.children.items() if one is asking)
        os.kill(child, signal.SIGKILL)


def become(request: dict) -> None:
    """Do in this process what `python` was asked to do."""
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    first, *others = request["arguments"]
    sys.path[:1] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    if first == "-m":
        if others[0] in ("cotsieve", "snakemake"):  # so does what these start
            sys.executable = request["python"]
        sys.argv = others
        sys.path.insert(0, os.getcwd())
        runpy.run_module(others[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = [first, *others]
        sys.path.insert(0, str(Path(first).resolve().parent))
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    if found := Forks(sys.argv[1]).serve():
        become(found)
