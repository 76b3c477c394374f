"""What a review of a project's files found. The reviews are in the modules beside this."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is not as it should be.

    Attributes:
        where: A file, with its line where there is one; empty where it is about no single file.
        what: What is wrong, in one line.
        fix: What to do, in one line.
    """

    where: str
    what: str
    fix: str

    def __str__(self) -> str:
        where = f"{self.where}: " if self.where else ""
        return f"{where}{self.what}\n  fix: {self.fix}"


@dataclass(frozen=True, slots=True)
class Review:
    """What was found.

    Attributes:
        proof: What was seen, in one line; it stands for itself where there are no problems.
        problems: In the order of the files.
        unknown: Why nothing could be found out; empty where it could.
    """

    proof: str
    problems: tuple[Problem, ...] = ()
    unknown: str = ""

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems)) or self.unknown or self.proof


def joined(reviews: Iterable[Review]) -> Review:
    """Return several reviews as one; it is unknown only if nothing of it is known."""
    reviews = tuple(reviews)
    known = [review for review in reviews if not review.unknown]
    return Review(
        "; ".join(review.proof for review in known),
        tuple(problem for review in known for problem in review.problems),
        "" if known else "; ".join(review.unknown for review in reviews),
    )


def count(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: `1 link`, `2 links`."""
    return f"{number} {noun}" if number == 1 else f"{number} {plural or f'{noun}s'}"
