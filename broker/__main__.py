"""``broker`` and ``python -m broker``: hands the command line to `broker.cli`."""

from __future__ import annotations

import sys

from broker.cli import run


def main() -> None:
    """Run the command that was typed, and end with its exit code."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
