"""Texts that an app's code builds from constants, parameters and its own functions.

The members of all files are kept here; what they ask of Firebase is `reader.py`'s business.
"""

from __future__ import annotations

from harness.flutter.contract import ClientValue, Placeholder
from harness.flutter.dart import (
    Arguments,
    Chain,
    Compound,
    DartFile,
    Expression,
    Link,
    Literal,
    Member,
    Name,
    Return,
    Text,
)
from harness.flutter.names import FIREBASE_NAMES, enum_value_name

_MAX_DEPTH = 12


class TextReader:
    """Finds the text of an expression, seen from the class that is walked.

    Attributes:
        owner: The class whose member is walked; None: a function of a file.
        bound: Texts of parameters and variables of that member, as far as they are known.
        inside: The members whose results are being worked out, so that none waits for itself.
    """

    def __init__(self, files: tuple[DartFile, ...]) -> None:
        self.members: dict[tuple[str | None, str], Member] = {}
        for file in files:
            for member in file.members:
                self.members.setdefault((member.owner, member.name), member)
        self.owners = {owner for owner, _ in self.members if owner is not None}
        self.owners_of: dict[str, list[str | None]] = {}
        for owner, name in self.members:
            self.owners_of.setdefault(name, []).append(owner)
        self.owner: str | None = None
        self.bound: dict[str, str] = {}
        self.inside: list[Member] = []

    def bindings(self, member: Member, arguments: Arguments) -> dict[str, str]:
        """The texts of what a call gives, by the names of the parameters."""
        given = [*zip(member.parameters, arguments.positional, strict=False)]
        given += [*arguments.named.items()]
        return {name: self.words(value) for name, value in given if name in member.parameters}

    def only_owner(self, name: str) -> tuple[str | None] | None:
        """The class with a member of this name, in a tuple; None if there is not exactly one."""
        owners = self.owners_of.get(name, ())
        return (owners[0],) if len(owners) == 1 and name not in FIREBASE_NAMES else None

    def path(self, value: Expression) -> tuple[str, ...]:
        """The segments of a path, `users/{uid}` being two."""
        return tuple(part for part in self.words(value).split("/") if part)

    def words(self, value: Expression) -> str:
        """A string expression's text, with `{name}` for what only the running app knows."""
        match value:
            case Text(parts):
                return "".join(p if isinstance(p, str) else self.words(p) for p in parts)
            case Literal(number):
                return str(number)
            case Name(text) if text in self.bound:
                return self.bound[text]
            case _:
                constant = self.known_text(value)
                return constant if constant is not None else f"{{{self.placeholder(value)}}}"

    def value(self, value: Expression) -> ClientValue:
        """A value as far as the code fixes it."""
        match value:
            case Literal(literal):
                return literal
            case Text(parts):
                words = self.words(value)
                fixed = all(isinstance(part, str) for part in parts)
                return words if fixed else Placeholder(words.strip("{}"))
            case Compound(parts) if parts:
                return tuple(self.value(part) for part in parts)
            case _ if (name := enum_value_name(value)) is not None:
                return name
            case _:
                member = self._constant_member(value)
                if member is not None and isinstance(member.steps[0].value, Literal):
                    return member.steps[0].value.value
                constant = self._constant(value)
                return constant if constant is not None else Placeholder(self.placeholder(value))

    def known_text(self, value: Expression) -> str | None:
        """The text of a constant, or that a function builds; None if it is not known."""
        return self._constant(value) or self._built_text(value)

    def _built_text(self, value: Expression) -> str | None:
        """The text that one of the app's functions builds: `FirestorePath.job(uid, id)`."""
        owner: str | None
        match value:
            case Chain(Name(name), (Link(name=None, arguments=Arguments() as arguments),)):
                owner = self.owner if (self.owner, name) in self.members else None
            case Chain(
                Name(head), (Link(name=str(name)), Link(name=None, arguments=Arguments() as a))
            ):
                only = self.only_owner(name)
                owner = head if head in self.owners else only[0] if only else None
                arguments = a
            case _:
                return None
        member = self.members.get((owner, name))
        if member is None or len(self.inside) >= _MAX_DEPTH:
            return None
        match member.steps:
            case (Return(Text() | Chain() as returned),):
                pass
            case _:
                return None
        return self._text_of(member, returned, self.bindings(member, arguments))

    def _text_of(self, member: Member, value: Text | Chain, bound: dict[str, str]) -> str | None:
        """The text of what a member returns, its parameters having these texts."""
        if member in self.inside:
            return None
        outer = self.owner, self.bound
        self.owner, self.bound = member.owner, bound
        self.inside.append(member)
        words = self.words(value) if isinstance(value, Text) else self._built_text(value)
        self.inside.pop()
        self.owner, self.bound = outer
        return words

    def _constant(self, value: Expression) -> str | None:
        """The text of a constant or getter of the app; None if it is none."""
        member = self._constant_member(value)
        if member is None or not isinstance(member.steps[0].value, Text):
            return None
        return self._text_of(member, member.steps[0].value, {})

    def _constant_member(self, value: Expression) -> Member | None:
        """The member that an expression names, if all it does is to return one value."""
        member: Member | None = None
        match value:
            case Name(text):
                member = self.members.get((self.owner, text)) or self.members.get((None, text))
            case Chain(Name(owner), (Link(name=str(name)),)):
                member = self.members.get((owner, name))
        if member is None or len(member.steps) != 1 or not isinstance(member.steps[0], Return):
            return None
        return member

    def placeholder(self, value: Expression) -> str:
        """A name for a value that is not known, after the expression that gives it."""
        match value:
            case Name(text):
                return text
            case Chain(head, links):
                names = [link.name for link in links if link.name is not None]
                # `category.name` is the text of an enum's value: the value is what it is about.
                if names == ["name"] or not names:
                    return self.placeholder(head)
                return names[-2] if names[-1] == "name" else names[-1]
            case Compound(parts) if parts:
                return self.placeholder(parts[-1])
            case _:
                return "value"
