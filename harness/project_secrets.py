"""Looks for secrets in a project's files, with the patterns of detect-secrets.

Its detectors of tokens and private keys are used, and for `.env` files the one of keywords. Those
that measure entropy are not: they take digests and sample data for secrets. Web API keys of
Firebase are no secrets, and no detector takes them for some. Nothing is asked of the network: a
candidate is not tried out.

Files are those of the git repository, and what is about to be added to it; outside of git, all that
are not in hidden folders or other people's. Lock files, installed packages and what is no text are
left out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import EnvironmentLacking
from harness.git import run_git
from harness.project import files_below

try:
    # The standard library reads patterns with it; not for everyone, and so it may go one day.
    from re import _constants as constants  # type: ignore[attr-defined]
    from re._parser import parse as _parse  # type: ignore[import-not-found]
except ImportError:
    _parse = None

_MAX_BYTES = 2_000_000
_LOCK_FILES = re.compile(
    r"(?:^|[-.])lock(?:\.json|\.yaml|b|file)?$|^(?:Podfile|Gemfile|Cargo|pubspec|poetry|uv)\.lock$"
    r"|^(?:package-lock|npm-shrinkwrap)\.json$|^(?:pnpm-lock\.yaml|go\.sum)$"
)
# Packages hold keys of their own tests, and many have no .gitignore that leaves them out.
_PACKAGES = frozenset({"node_modules", "venv", ".venv", "site-packages", "Pods"})
_ANYTHING = re.compile("")
_ENV_FILE = re.compile(r"^\.env(?:\.|$)")

_DETECTORS = (
    "ArtifactoryDetector",
    "AWSKeyDetector",
    "AzureStorageKeyDetector",
    "BasicAuthDetector",
    "CloudantDetector",
    "DiscordBotTokenDetector",
    "GitHubTokenDetector",
    "GitLabTokenDetector",
    "IbmCloudIamDetector",
    "IbmCosHmacDetector",
    "MailchimpDetector",
    "NpmDetector",
    "OpenAIDetector",
    "PrivateKeyDetector",
    "PypiTokenDetector",
    "SendGridDetector",
    "SlackDetector",
    "SoftlayerDetector",
    "SquareOAuthDetector",
    "StripeDetector",
    "TelegramBotTokenDetector",
    "TwilioKeyDetector",
)
_KEYWORDS = "KeywordDetector"
_FILTERS = (
    "detect_secrets.filters.allowlist.is_line_allowlisted",
    "detect_secrets.filters.heuristic.is_indirect_reference",
    "detect_secrets.filters.heuristic.is_likely_id_string",
    "detect_secrets.filters.heuristic.is_not_alphanumeric_string",
    "detect_secrets.filters.heuristic.is_prefixed_with_dollar_sign",
    "detect_secrets.filters.heuristic.is_sequential_string",
    "detect_secrets.filters.heuristic.is_templated_secret",
)


def find_secrets(folder: Path) -> tuple[list[tuple[str, int, str]], int]:
    """Return the file, line and kind of each secret, and how many files were looked at.

    Raises:
        HarnessError: git takes too long.
    """
    paths = [path for path in _files(folder) if not _LOCK_FILES.search(path.name)]
    texts = {path: text for path in paths if (text := _text(path)) is not None}
    found = set(_scan(folder, texts, _DETECTORS))
    env_files = {path: text for path, text in texts.items() if _ENV_FILE.match(path.name)}
    found |= set(_scan(folder, env_files, (_KEYWORDS,)))
    return sorted(found), len(texts)


def _scan(
    folder: Path, texts: Mapping[Path, str], detectors: Sequence[str]
) -> Iterator[tuple[str, int, str]]:
    # It brings all of its detectors along: only for those who look for secrets.
    from detect_secrets.core.plugins.initialize import from_plugin_classname
    from detect_secrets.core.scan import scan_file
    from detect_secrets.settings import transient_settings

    settings = {
        "plugins_used": [{"name": name} for name in detectors],
        "filters_used": [{"path": name} for name in _FILTERS],
    }
    with transient_settings(settings):
        plugins: list[Any] = [from_plugin_classname(name) for name in detectors]
        patterns = [
            _Pattern(pattern, _needed_run(pattern))
            for plugin in plugins
            for pattern in getattr(plugin, "denylist", (_ANYTHING,))
        ]
        for path, text in texts.items():
            # It goes line by line with each detector, which takes seconds for a megabyte: it is
            # asked only about files in which one of its own patterns occurs.
            if _occurs_in(text, patterns):
                name = path.relative_to(folder).as_posix()
                for secret in scan_file(str(path)):
                    yield name, secret.line_number, secret.type


@dataclass(frozen=True, slots=True)
class _Run:
    """What every match of a pattern holds: so many characters of a kind, one behind the other.

    Args:
        table: For bytes.translate: those of the kind become `x`, all others a space.
    """

    table: bytes
    length: int


@dataclass(frozen=True, slots=True)
class _Pattern:
    regex: re.Pattern[str]
    run: _Run | None


def _occurs_in(text: str, patterns: Sequence[_Pattern]) -> bool:
    content = text.encode("utf-8", "replace")
    marked: dict[bytes, bytes] = {}
    for pattern in patterns:
        run = pattern.run
        if run is not None:
            # A key is a long run, and few files have one: that is seen a hundred times as fast.
            if run.table not in marked:
                marked[run.table] = content.translate(run.table)
            if b"x" * run.length not in marked[run.table]:
                continue
        if pattern.regex.search(text):
            return True
    return False


def _needed_run(pattern: re.Pattern[str]) -> _Run | None:
    """Return the longest run that a pattern asks for, by its own syntax tree; None: none."""
    if _parse is None:
        return None
    runs = list(_runs_in(_parse(pattern.pattern, pattern.flags)))
    return max(runs, key=lambda run: run.length, default=None)


def _runs_in(items: Iterable[Any]) -> Iterator[_Run]:
    # What is in one of several branches is not needed, nor what may be left out.
    for operator, argument in items:
        if operator is constants.SUBPATTERN:
            yield from _runs_in(argument[-1])
        elif operator in (constants.MAX_REPEAT, constants.MIN_REPEAT):
            least, _, body = argument
            if least and len(body) == 1 and body[0][0] is constants.IN:
                table = _table_of(body[0][1])
                if table is not None:
                    yield _Run(table, int(least))
            elif least:
                yield from _runs_in(body)


def _table_of(members: Iterable[Any]) -> bytes | None:
    """Return the table of a set of characters; None for a set that is described otherwise.

    Letters count whatever their case, and what is not ASCII counts as well: a run may be seen where
    none is, and never the other way round.
    """
    found = set(range(128, 256))
    for operator, argument in members:
        if operator is constants.LITERAL:
            found.add(argument)
        elif operator is constants.RANGE:
            found.update(range(argument[0], argument[1] + 1))
        elif (operator, argument) == (constants.CATEGORY, constants.CATEGORY_DIGIT):
            found.update(b"0123456789")
        else:
            return None
    either = {case for code in found if code < 128 for case in f"{chr(code)}".swapcase().encode()}
    return bytes(ord("x") if code in found | either else ord(" ") for code in range(256))


def _files(folder: Path) -> list[Path]:
    try:
        listed = run_git(
            folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "."
        )
    except EnvironmentLacking:
        listed = None
    if listed is None or listed.returncode != 0:
        paths = {*files_below(folder)}
        for parent in {folder, *(path.parent for path in paths)}:
            paths |= {path for path in parent.glob(".*") if path.is_file()}
        return sorted(paths)
    names = listed.stdout.decode("utf-8", "surrogateescape").split("\0")
    return [folder / name for name in sorted(names) if name and not _PACKAGES & {*name.split("/")}]


def _text(path: Path) -> str | None:
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > _MAX_BYTES:
            return None
        content = path.read_bytes()
    except OSError:
        return None
    return None if b"\0" in content else content.decode("utf-8", "replace")
