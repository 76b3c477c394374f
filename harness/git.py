"""Calls git, with a time limit, and with arguments as a list.

Must not live here: what is asked (`git_revision.py`, `git_history.py`).
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from harness.errors import EnvironmentLacking, HarnessError

TIMEOUT_S = 30.0

# A caller's variables (in a hook, say) would point git at another repository than the folder's.
_REPOSITORY_VARIABLES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")


def run_git(
    folder: Path, *arguments: str, otherwise: str = ""
) -> subprocess.CompletedProcess[bytes]:
    """Run git in a folder, and return how it ended, whatever it said.

    Args:
        folder: Where.
        arguments: What the user names never stands where git looks for options.
        otherwise: What the user can do without git, for the error's fix.
    Raises:
        EnvironmentLacking: There is no git.
        HarnessError: It took too long.
    """
    environment = {
        name: value for name, value in os.environ.items() if name not in _REPOSITORY_VARIABLES
    }
    # Messages are shown; a fetch of a partial clone must not ask for a password.
    environment |= {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
    or_else = f", or {otherwise}" if otherwise else ""
    try:
        return subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            check=False,
            env=environment,
            stdin=subprocess.DEVNULL,
            timeout=TIMEOUT_S,
        )
    except FileNotFoundError as error:
        raise EnvironmentLacking(
            "there is no git on the PATH", fix=f"install git{or_else}"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise HarnessError(
            f"git {arguments[0]} took longer than {TIMEOUT_S:.0f} s", fix=f"try it by hand{or_else}"
        ) from error
