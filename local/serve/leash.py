"""Ties a process to its parent's life, so that it ends even where the parent is killed with -9.

    python leash.py <pid of the parent> <command> ...

On Linux the kernel does it: PR_SET_PDEATHSIG survives exec, so the command takes this process's place.
Elsewhere this process stays between the two and watches its standard input, a pipe that the parent holds.
"""

import os
import signal
import subprocess
import sys
import threading

_PR_SET_PDEATHSIG = 1


def tie(parent: int) -> None:
    """Tie this process to its parent, on Linux. It dies with the thread that started it, so that must be the
    parent's main thread.
    """
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the kernel was told
        os._exit(1)


def watch(command: list[str]) -> int:
    """Run the command until it ends, or SIGTERM comes, or standard input closes. Returns its exit code."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def end() -> None:
        while os.read(0, 1):
            pass
        child.kill()

    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    threading.Thread(target=end, daemon=True).start()
    return child.wait()


def main(arguments: list[str]) -> int:
    parent, *command = arguments
    if sys.platform.startswith("linux"):
        tie(int(parent))
        os.execvp(command[0], command)  # noqa: S606 - the command is ours
    return watch(command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
