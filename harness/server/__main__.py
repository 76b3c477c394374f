"""`python -m harness.server`: the embedded Firestore as a process of its own, started as the
official emulator is.
"""

from __future__ import annotations

import gc
import sys

from harness.errors import HarnessError
from harness.server.options import HELP, parse_options

_GARBAGE_THRESHOLDS = (5_000, 50, 50)
"""What is written stays, and a request leaves nothing behind that only the garbage collector finds:
it looks less often, and into what has stayed for long a great deal less often.
"""


def main() -> int:
    """Run with the process's arguments and return its exit status."""
    try:
        options = parse_options(sys.argv[1:])
        if options.wants_help:
            sys.stdout.write(HELP)
            return 0
        if options.wants_version:
            from harness.server.admin import package_version

            sys.stdout.write(f"{package_version()}\n")
            return 0
        # What is imported stays: to look for garbage meanwhile, or in it later, is in vain.
        gc.disable()
        from harness.server.run import run_server

        gc.freeze()
        gc.enable()
        gc.set_threshold(*_GARBAGE_THRESHOLDS)
        return run_server(options)
    except HarnessError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status


if __name__ == "__main__":
    sys.exit(main())
