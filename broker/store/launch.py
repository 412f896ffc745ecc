"""Becomes another program that ends when the process that asked for it ends.

Run as ``python -I -S launch.py PARENT PROGRAM ARGUMENT…``, never imported. It stands between fork and
exec so that nothing has to run in a forked copy of a process with threads.
"""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG, _SIGTERM = 1, 15


def main(parent: int, command: list[str]) -> None:
    """Ask the kernel for SIGTERM when the parent dies (prctl(2)), then become ``command``."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, _SIGTERM)
        # The parent may have died before prctl was heard; then nobody would ever tell us.
        if os.getppid() != parent:
            sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 — the program was chosen by our parent


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
