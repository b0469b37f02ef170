"""Runs the Python blocks of pages for test_docs.py, each in a process and a folder of its own.

A fresh interpreter takes 2 s to import what most blocks need. This one imports it once, starts no thread of
JAX, and forks for each block that it is told of: a line of JSON on stdin, an answer on stdout.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import traceback


def run(page: str, line: int, code: str) -> tuple[int, str]:
    """Return exit code and all output of a block; a traceback names the page and its lines."""
    if sys.platform == "darwin":  # Apple's libraries do not bear a fork
        told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        return told.returncode, told.stdout + told.stderr
    with tempfile.TemporaryFile() as output, tempfile.TemporaryDirectory() as folder:
        child = os.fork()
        if not child:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            os._exit(execute("\n" * (line - 1) + code, os.path.abspath(page), folder))
        status = os.waitpid(child, 0)[1]
        output.seek(0)
        return status, output.read().decode(errors="replace")


def execute(code: str, page: str, folder: str) -> int:
    """Run a block in ``folder`` as a script and return its exit code."""
    os.chdir(folder)
    try:
        exec(compile(code, page, "exec"), {"__name__": "__main__"})
        return 0
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


if __name__ == "__main__":
    os.environ["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])
    if sys.platform != "darwin":
        for name in ("matplotlib.pyplot", "pandas", "sklearn.ensemble", "sklearn.pipeline"):
            importlib.import_module(name)
        goodfit = importlib.import_module("goodfit")
        for name in goodfit.__all__:
            getattr(goodfit, name)
    for told in sys.stdin:
        print(json.dumps(run(*json.loads(told))), flush=True)
