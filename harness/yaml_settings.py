"""YAML -> plain settings, with the position of whatever does not fit.

A thin, strict layer over PyYAML's parser: no tags, no anchors, no duplicate keys, limits on size
and depth. Must not live here: which settings there are (`config.py`)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from math import isfinite
from typing import Any

import yaml

from harness.errors import ConfigError
from harness.source import SourcePosition, SourceText

MAX_LENGTH = 256_000  # code points
MAX_NESTING = 30

_PROJECT_ID = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")
_ABSOLUTE = re.compile(r"[/\\]|~(?:[/\\]|\Z)|[A-Za-z]:")
_KNOWN_TAGS = {
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq")
}
_SHOWN_KEYS = 12
_FAST_LOADER: Any = getattr(yaml, "CSafeLoader", None)
# Around these libyaml takes what the parser in Python refuses, or says another position. Observed:
# PyYAML 6.0.3 with libyaml 0.2.5, some 100,000 damaged files of this repository read by both.
_READ_DIFFERENTLY = re.compile(r"[\t?!]")


class YamlReader:
    """One YAML file; its methods turn nodes into values, or raise ConfigError with the node's
    position.

    Args:
        max_length: In code points.
        is_large: Parse with libyaml, where it is there, whatever is in the file; errors have its
            words.
    """

    def __init__(
        self, source: SourceText, *, max_length: int = MAX_LENGTH, is_large: bool = False
    ) -> None:
        self.source = source
        self._max_length = max_length
        self._is_large = is_large

    def root(self) -> yaml.Node | None:
        """Parse the file; None when there is nothing in it but comments."""
        text = self.source.text
        if len(text) > self._max_length:
            raise ConfigError(
                f"{len(text):,} characters are too many for one file",
                fix=f"keep it under {self._max_length:,}",
                at=self.source.position(0),
            )
        try:
            node = self._composed(text)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            problem = error.problem or error.context or "this is not YAML"
            raise ConfigError(
                f"not YAML: {problem}",
                fix="check indentation and quotes near here; tabs may not indent",
                at=self._at(mark) if mark else None,
            ) from error
        except yaml.reader.ReaderError as error:
            raise ConfigError(
                f"a character that YAML does not allow: U+{error.character:04X}"
                if isinstance(error.character, int)
                else f"not YAML: {error.reason}",
                fix="remove it",
                at=self.source.position(min(error.position, len(text))),
            ) from error
        return None if node is None or self.is_null(node) else node

    def _composed(self, text: str) -> yaml.Node | None:
        """Parse with libyaml where it is there, ten times as fast; what is wrong with a file is
        said in the words of the parser in Python, on every machine the same.
        """
        if _FAST_LOADER is not None and not (self._is_large or _READ_DIFFERENTLY.search(text)):
            try:
                return self._safely_composed(text, _FAST_LOADER)
            except yaml.YAMLError:
                pass
        fast = _FAST_LOADER if self._is_large else None
        return self._safely_composed(text, fast or yaml.SafeLoader)

    def _safely_composed(self, text: str, loader: Any) -> yaml.Node | None:
        self._refuse_what_is_unsafe(text, loader)
        return yaml.compose(text, Loader=loader)

    def error(self, node: yaml.Node, problem: str, fix: str) -> ConfigError:
        """Make the error for a node."""
        return ConfigError(problem, fix=fix, at=self.position(node))

    def position(self, node: yaml.Node) -> SourcePosition:
        """Return where a node begins."""
        return self._at(node.start_mark)

    def is_null(self, node: yaml.Node) -> bool:
        """Return whether nothing, `~` or `null` is written."""
        return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"

    def mapping(
        self, node: yaml.Node, name: str, *, allowed: Sequence[str] | None = None
    ) -> dict[str, yaml.Node]:
        """Return a mapping's values by key; every key is there once, and one of `allowed` if that
        is given."""
        if not isinstance(node, yaml.MappingNode):
            raise self.error(node, f"{name} is not a mapping", "write it as key: value lines")
        entries: dict[str, yaml.Node] = {}
        for key_node, value in node.value:
            key = self._key(key_node)
            if key in entries:
                raise self.error(key_node, f'"{key}" is there twice', "keep one of them")
            if allowed is not None and key not in allowed:
                near = get_close_matches(key, allowed, n=1)
                known = ", ".join(sorted(allowed)[:_SHOWN_KEYS])
                fix = f'did you mean "{near[0]}"?' if near else f"known keys: {known}"
                raise self.error(key_node, f'"{key}" is not a key of {name}', fix)
            entries[key] = value
        return entries

    def string(self, node: yaml.Node, name: str) -> str:
        """Return a string that is not empty."""
        value = self.plain(node, name)
        if not isinstance(value, str):
            raise self.error(node, f"{name} is not a string", "put it in quotes")
        if not value.strip():
            raise self.error(node, f"{name} is empty", "write something, or remove the key")
        return value

    def path(self, node: yaml.Node, name: str) -> str:
        """Return a path that counts from the project's folder."""
        path = self.string(node, name)
        if _ABSOLUTE.match(path):
            raise self.error(
                node,
                f"{name} is an absolute path: {path}",
                "count from the folder of firebase.json",
            )
        if "\0" in path:
            raise self.error(node, f"{name} holds a null character", "remove it")
        return path

    def paths(self, node: yaml.Node, name: str) -> tuple[str, ...]:
        """Return one path or a list of them."""
        if not isinstance(node, yaml.SequenceNode):
            return (self.path(node, name),)
        return tuple(self.path(entry, f"{name}[{index}]") for index, entry in enumerate(node.value))

    def strings(self, node: yaml.Node, name: str) -> tuple[str, ...]:
        """Return a list of strings, none of them empty."""
        if not isinstance(node, yaml.SequenceNode):
            raise self.error(node, f"{name} is not a list", "write it as [one, two]")
        return tuple(
            self.string(entry, f"{name}[{index}]") for index, entry in enumerate(node.value)
        )

    def project_id(self, node: yaml.Node) -> str:
        """Return a project id of the form that Google Cloud has."""
        value = self.string(node, "project_id")
        if not _PROJECT_ID.fullmatch(value):
            raise self.error(
                node,
                f'"{value}" is not a project id',
                "6 to 30 lower-case letters, digits and hyphens, such as demo-shop",
            )
        return value

    def percent(self, node: yaml.Node, name: str) -> float:
        """Return a number from 0 to 100."""
        value = self.plain(node, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
            raise self.error(node, f"{name} is not a percentage", "write a number from 0 to 100")
        return float(value)

    def count(self, node: yaml.Node, name: str) -> int:
        """Return a whole number that is not negative."""
        value = self.plain(node, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.error(
                node, f"{name} is not a whole number", "write a whole number, 0 or more"
            )
        return value

    def number(self, node: yaml.Node, name: str) -> float:
        """Return a number that is not negative."""
        value = self.plain(node, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise self.error(node, f"{name} is not a number", "write a number, 0 or more")
        return float(value)

    def flag(self, node: yaml.Node, name: str) -> bool:
        """Return true or false."""
        value = self.plain(node, name)
        if not isinstance(value, bool):
            raise self.error(node, f"{name} is neither true nor false", "write true or false")
        return value

    def choice(self, node: yaml.Node, name: str, allowed: Sequence[str]) -> str:
        """Return one of the words that are allowed. YAML 1.1 reads a bare `off` as false, and it is
        taken as it is written."""
        value = node.value if isinstance(node, yaml.ScalarNode) else None
        if value not in allowed:
            raise self.error(node, f"{name} is none of {', '.join(allowed)}", "write one of them")
        return str(value)

    def plain(self, node: yaml.Node, name: str) -> Any:
        """Return any value as JSON has them: dict, list, str, int, float, bool, None."""
        if isinstance(node, yaml.MappingNode):
            return {
                key: self.plain(value, f"{name}.{key}")
                for key, value in self.mapping(node, name).items()
            }
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(entry, f"{name}[{index}]") for index, entry in enumerate(node.value)]
        if node.tag not in _KNOWN_TAGS:
            kind = node.tag.rpartition(":")[2]
            raise self.error(
                node, f"{name} would be a {kind}, which settings do not have", "put it in quotes"
            )
        loader = yaml.SafeLoader("")
        try:
            value = loader.construct_object(node)
        except (ValueError, KeyError) as error:
            raise self.error(
                node, f"{name} cannot be read as a value", "put it in quotes"
            ) from error
        finally:
            loader.dispose()
        if isinstance(value, float) and not isfinite(value):
            raise self.error(node, f"{name} is not a finite number", "write a number")
        return value

    def _key(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise self.error(node, "a key that is not a name", "write a name before the colon")
        if node.tag == "tag:yaml.org,2002:merge" and not node.style:
            raise self.error(node, "merge keys are not supported", "write the values out")
        return str(node.value)

    def _refuse_what_is_unsafe(self, text: str, loader: Any) -> None:
        """Look at the events before any tree is built: a few lines of aliases can stand for
        gigabytes."""
        depth = 0
        documents = 0
        for event in yaml.parse(text, Loader=loader):
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._event_error(
                        event, "a second document", "keep one, without `---` in between"
                    )
            elif isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise self._event_error(
                    event,
                    "anchors and aliases are not supported",
                    "write the values out; what begins with * or & as a text goes in quotes",
                )
            elif (tag := getattr(event, "tag", None)) not in (None, "!"):
                raise self._event_error(event, f"the tag {tag} is not supported", "remove it")
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MAX_NESTING:
                    raise self._event_error(
                        event, f"nested more than {MAX_NESTING} deep", "flatten it"
                    )
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1

    def _event_error(self, event: yaml.Event, problem: str, fix: str) -> ConfigError:
        return ConfigError(problem, fix=fix, at=self._at(event.start_mark))

    def _at(self, mark: Any) -> SourcePosition:
        return SourcePosition(self.source.file_name, mark.line + 1, mark.column + 1)
