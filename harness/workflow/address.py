"""The names that items go by: slugs, item ids, and finding an item by what a person typed.

Lives here: text -> slug, paths -> ids that are unique in a document, address -> the paths it fits.
Must not live here: what an item is (see `document.py`)."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher

SLUG_LENGTH = 80
"""Code points of one part of an item id, at most; ids become file names, which end at 255 bytes."""

_NEAREST_NAMES_LIMIT = 5_000  # names looked at when suggesting one
_NEAREST_NAME_LENGTH = 200  # code points of each; comparing takes the product of the lengths

_LINK = re.compile(r"\[([^\[\]]*)\]\([^()\s]*(?:\([^()\s]*\)[^()\s]*)?\)")
_WORD = re.compile(r"[^\W_]+")
_ASCII_WORDS = {  # what `_WORD` finds in lower case, at a third of the time: parsing is mostly this
    code: None if chr(code) == "'" else chr(code).lower() if chr(code).isalnum() else " "
    for code in range(128)
}


def slug(text: str) -> str:
    """Return the words of a text in lower case with hyphens between; of a link, its text only.

    Never empty: "empty" for a text of nothing, "item" for one without letters and digits.
    """
    words = _words(text)
    if len(words) > SLUG_LENGTH:
        words = words[:SLUG_LENGTH].rpartition("-")[0] or words[:SLUG_LENGTH]
    return words


def address_key(text: str) -> str:
    """Return the form in which addresses are compared: slugs of the parts between slashes, not cut
    to any length."""
    plain = _LINK.sub(r"\1", text) if "](" in text else text
    if "/" not in plain:
        return _words(plain)
    return (
        "/".join(_words(part) for part in plain.split("/") if part and not part.isspace()) or "item"
    )


def unique_ids(paths: Sequence[tuple[int, tuple[str, ...]]]) -> list[str]:
    """Name each path by its shortest tail that no other path ends in.

    Paths that are the same to the last part are numbered in their order, `…~1`, `…~2` (a slug never
    holds `~`), behind the shortest tail that only they end in.

    Args:
        paths: For each item the number of parts that its id has at least, and its slugs, outermost
            first.
    """
    # How many paths end in each tail, by the tails' length: most ids need no more than the least.
    tails: dict[int, Counter[tuple[str, ...]]] = {}
    whole: Counter[tuple[str, ...]] = Counter()
    numbered: Counter[tuple[str, ...]] = Counter()
    ids = []
    for least, path in paths:
        length = min(least, len(path))
        while True:
            if length not in tails:
                tails[length] = Counter(each[-length:] for _, each in paths if len(each) >= length)
            tail = path[-length:]
            ending = tails[length][tail]
            if ending == 1 or length == len(path):
                break
            if not whole:
                whole.update(each for _, each in paths)
            if ending == whole[path]:
                break
            length += 1
        if ending == 1:
            ids.append("/".join(tail))
        else:
            numbered[path] += 1
            ids.append(f"{'/'.join(tail)}~{numbered[path]}")
    return ids


def nearest_names(wanted: str, names: Iterable[str], *, count: int = 3) -> list[str]:
    """Return the names most like what was typed, best first; none when nothing is near.

    The last part counts as much as the whole, so that a wrong heading does not hide the right item.
    """
    key = address_key(wanted)[:_NEAREST_NAME_LENGTH]
    last = key.rpartition("/")[2]
    scored: list[tuple[float, str]] = []
    whole_matcher, last_matcher = SequenceMatcher(b=key), SequenceMatcher(b=last)
    for name, _ in zip(names, range(_NEAREST_NAMES_LIMIT), strict=False):
        name_key = address_key(name)[:_NEAREST_NAME_LENGTH]
        whole_matcher.set_seq1(name_key)
        last_matcher.set_seq1(name_key.rpartition("/")[2])
        score = (whole_matcher.ratio() + last_matcher.ratio()) / 2
        if score >= 0.6:
            scored.append((score, name))
    scored.sort(key=lambda pair: -pair[0])
    return list(dict.fromkeys(name for _, name in scored))[:count]


def _words(text: str) -> str:
    if "](" in text:
        text = _LINK.sub(r"\1", text)
    if text.isascii():
        words = "-".join(text.translate(_ASCII_WORDS).split())
    else:
        text = unicodedata.normalize("NFKC", text)
        words = "-".join(_WORD.findall(text.replace("'", "").replace("’", "").lower()))
    return words or ("item" if text and not text.isspace() else "empty")
