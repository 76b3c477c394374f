"""firebase.json and harness.yaml: text -> FirebaseConfig and Settings.

Text in, records out; the defaults are here too. Must not live here: finding and reading the files,
and what is in the files that they name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from harness.errors import ConfigError
from harness.source import SourceText
from harness.tolerant_json import JsonKind, JsonValue, parse_json
from harness.yaml_settings import YamlReader

HARNESS_YAML = "harness.yaml"
DEFAULT_DATABASE = "(default)"
DEFAULT_CODEBASE = "default"
DEFAULT_PROJECT_ID = "demo-harness"
_OTHER_FILES = (("database", "rules"), ("remoteconfig", "template"), ("dataconnect", "source"))


def posix_path(name: str) -> str:
    """Return a path of firebase.json as any system reads it: some are written on Windows."""
    return name.replace("\\", "/")


@dataclass(frozen=True, slots=True)
class FirestoreDatabase:
    """One Firestore database of firebase.json. Paths count from the project's folder; None:
    firebase.json names none."""

    database: str = DEFAULT_DATABASE
    rules: str | None = None
    indexes: str | None = None


@dataclass(frozen=True, slots=True)
class FunctionsCodebase:
    """One codebase of Cloud Functions."""

    source: str
    codebase: str = DEFAULT_CODEBASE
    runtime: str | None = None


@dataclass(frozen=True, slots=True)
class StorageBucket:
    """Storage rules; `bucket` and `target` are None for those of the default bucket."""

    rules: str
    bucket: str | None = None
    target: str | None = None


@dataclass(frozen=True, slots=True)
class EmulatorAddress:
    """Where firebase.json wants an emulator to listen; None: firebase-tools chooses."""

    host: str | None = None
    port: int | None = None


@dataclass(frozen=True, slots=True)
class FirebaseConfig:
    """What of firebase.json concerns the harness. Everything else in the file is passed over."""

    firestore: tuple[FirestoreDatabase, ...] = ()
    functions: tuple[FunctionsCodebase, ...] = ()
    storage: tuple[StorageBucket, ...] = ()
    other_files: tuple[str, ...] = ()
    """Of the back end's other parts: rules of the Realtime Database, the template of Remote Config,
    the folder of Data Connect."""
    emulators: Mapping[str, EmulatorAddress] = field(default_factory=dict)
    single_project_mode: bool = True
    ui_enabled: bool | None = None

    @property
    def default_firestore(self) -> FirestoreDatabase | None:
        """The `(default)` database, if firebase.json has it."""
        return next((entry for entry in self.firestore if entry.database == DEFAULT_DATABASE), None)


@dataclass(frozen=True, slots=True)
class Persona:
    """Someone on whose behalf checks act. `uid` None is a signed-out user."""

    uid: str | None
    claims: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RulesSettings:
    """`rules:` of harness.yaml: what the security rules are held to.

    Attributes:
        coverage: Percent of the rules' expressions that checks must evaluate; None: not asked for.
        mutation_score: Percent of mutants that checks must notice; None: not asked for.
        lint_off: Names of lint rules that are switched off.
    """

    coverage: float | None = None
    mutation_score: float | None = None
    lint_off: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SignOffSettings:
    """`sign_off:` of harness.yaml: what a person's word is held to.

    Attributes:
        expire_on_change: Whether it ends when the back end changes.
        require_signed_commits: Whether it counts only in a commit with a signature that git trusts.
    """

    expire_on_change: bool = False
    require_signed_commits: bool = False


@dataclass(frozen=True, slots=True)
class Budget:
    """What one run of a scenario or of a function, or one request of a query may cost at most;
    None: not limited.

    Attributes:
        reads: Billed document reads, those of rules among them.
        growth: How its reads, writes and index entries may grow with the data: one of `GROWTH`.
    """

    reads: int | None = None
    writes: int | None = None
    deletes: int | None = None
    ttl_deletes: int | None = None
    index_entries: int | None = None
    invocations: int | None = None
    growth: str | None = None


@dataclass(frozen=True, slots=True)
class PartBudgets:
    """Budgets of what requests are made of, whatever scenario they belong to.

    Attributes:
        functions: Name of a function -> what one run of it may cost.
        queries: A query as the meter prints it, or only its collection (`groups/*/expenses`) ->
            what one request may cost.
    """

    functions: Mapping[str, Budget] = field(default_factory=dict)
    queries: Mapping[str, Budget] = field(default_factory=dict)


GROWTH = ("constant", "page", "result", "collection")
"""From the slowest to the fastest growth that a budget can allow."""


FIRESTORE_PROFILES = ("production", "emulator")
"""Whom the embedded Firestore can answer like."""


@dataclass(frozen=True, slots=True)
class FirestoreSettings:
    """`firestore:` of harness.yaml: how the embedded Firestore answers.

    Attributes:
        profile: One of `FIRESTORE_PROFILES`.
        indexes: Whether a query without its composite index fails; None: as the profile has it.
    """

    profile: str = FIRESTORE_PROFILES[0]
    indexes: bool | None = None

    @property
    def arguments(self) -> tuple[str, ...]:
        """The same as arguments of the server."""
        enforced = (
            () if self.indexes is None else (f"--enforce-indexes={str(self.indexes).lower()}",)
        )
        return (f"--profile={self.profile}", *enforced)


@dataclass(frozen=True, slots=True)
class Settings:
    """harness.yaml.

    Attributes:
        workflow_documents: `workflow:`, paths from the project's folder; empty: look for them.
        checks_folder: `checks:`, or `checks_folder:` where `checks:` maps.
        check_items: `checks:` as a mapping: pattern of checks -> addresses of the items that they
            verify.
        project_id: The emulators' project.
        coverage_threshold: Percent of rules expressions, 0 to 100; None: not asked for.
        budgets: Name of a scenario -> what it may cost.
        part_budgets: `budgets.functions` and `budgets.queries`.
        flutter_folder: `flutter:`; None: look for a pubspec.yaml.
        personas: Name -> who it is.
        rules: What the security rules are held to.
        firestore: How the embedded Firestore answers.
        access: `access:`, the file of the access matrix; harness.yaml itself where the matrix is
            written there; None: there is none. `harness/access/reader.py` says what is in it.
        order: `off`, `warn` or `enforce`: what is made of the order of items.
        gates: Names of items at which the work waits for a person, besides those that say PAUSE.
        sign_off: What sign-offs are held to.
        staging: The real project that `--against` may ask; None: none.
    """

    workflow_documents: tuple[str, ...] = ()
    checks_folder: str = "checks"
    check_items: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    project_id: str = DEFAULT_PROJECT_ID
    coverage_threshold: float | None = None
    budgets: Mapping[str, Budget] = field(default_factory=dict)
    part_budgets: PartBudgets = field(default_factory=PartBudgets)
    flutter_folder: str | None = None
    personas: Mapping[str, Persona] = field(default_factory=dict)
    rules: RulesSettings = field(default_factory=RulesSettings)
    firestore: FirestoreSettings = field(default_factory=FirestoreSettings)
    access: str | None = None
    order: str = "warn"
    gates: tuple[str, ...] = ()
    sign_off: SignOffSettings = field(default_factory=SignOffSettings)
    staging: str | None = None

    @property
    def has_inline_access(self) -> bool:
        """Whether the access matrix is written in harness.yaml."""
        return self.access == HARNESS_YAML


_SETTINGS_KEYS = (
    "workflow",
    "checks",
    "checks_folder",
    "project_id",
    "coverage_threshold",
    "budgets",
    "flutter",
    "personas",
    "rules",
    "access",
    "firestore",
    "traffic",
    "order",
    "gates",
    "sign_off",
    "staging",
)
_ORDERS = ("off", "warn", "enforce")


def parse_settings(source: SourceText) -> Settings:
    """Read harness.yaml. An empty file gives the defaults.

    Raises:
        ConfigError: It is not YAML, has a key that is not known or a value that does not fit; with
            the position.
    """
    reader = YamlReader(source)
    root = reader.root()
    if root is None:
        return Settings()
    entries = reader.mapping(root, "harness.yaml", allowed=_SETTINGS_KEYS)
    settings: dict[str, Any] = {}
    if "workflow" in entries:
        settings["workflow_documents"] = reader.paths(entries["workflow"], "workflow")
    settings |= _checks(reader, entries)
    if "project_id" in entries:
        settings["project_id"] = reader.project_id(entries["project_id"])
    if "coverage_threshold" in entries:
        settings["coverage_threshold"] = reader.percent(
            entries["coverage_threshold"], "coverage_threshold"
        )
    if "budgets" in entries:
        settings["budgets"], settings["part_budgets"] = _budgets(reader, entries["budgets"])
    if "flutter" in entries:
        settings["flutter_folder"] = reader.path(entries["flutter"], "flutter")
    if "personas" in entries:
        settings["personas"] = {
            name: _persona(reader, name, node)
            for name, node in reader.mapping(entries["personas"], "personas").items()
        }
    if "rules" in entries:
        settings["rules"] = _rules(reader, entries["rules"])
    if "firestore" in entries:
        settings["firestore"] = _firestore(reader, entries["firestore"])
    if "access" in entries:
        is_inline = isinstance(entries["access"], yaml.MappingNode)
        settings["access"] = HARNESS_YAML if is_inline else reader.path(entries["access"], "access")
    if "order" in entries:
        settings["order"] = reader.choice(entries["order"], "order", _ORDERS)
    if "gates" in entries:
        settings["gates"] = reader.strings(entries["gates"], "gates")
    if "sign_off" in entries:
        settings["sign_off"] = _sign_off(reader, entries["sign_off"])
    if "staging" in entries:
        settings["staging"] = reader.string(entries["staging"], "staging")
    return Settings(**settings)


def _checks(reader: YamlReader, entries: Mapping[str, Any]) -> dict[str, Any]:
    """Read `checks: FOLDER`, or `checks: {PATTERN: ITEM, ...}` with `checks_folder: FOLDER`."""
    found: dict[str, Any] = {}
    if "checks_folder" in entries:
        found["checks_folder"] = reader.path(entries["checks_folder"], "checks_folder")
    if "checks" not in entries:
        return found
    node = entries["checks"]
    if isinstance(node, yaml.MappingNode):
        found["check_items"] = {
            pattern: _one_or_more(reader, value, f"checks.{pattern}")
            for pattern, value in reader.mapping(node, "checks").items()
        }
    elif found:
        raise reader.error(
            node,
            "checks and checks_folder both name a folder",
            "keep one of them, or let checks map: {PATTERN: ITEM}",
        )
    else:
        found["checks_folder"] = reader.path(node, "checks")
    return found


def _one_or_more(reader: YamlReader, node: Any, name: str) -> tuple[str, ...]:
    if isinstance(node, yaml.SequenceNode):
        return reader.strings(node, name)
    return (reader.string(node, name),)


def _sign_off(reader: YamlReader, node: Any) -> SignOffSettings:
    """Read `{expire_on_change, require_signed_commits}`."""
    names = ("expire_on_change", "require_signed_commits")
    entries = reader.mapping(node, "sign_off", allowed=names)
    return SignOffSettings(
        **{name: reader.flag(value, f"sign_off.{name}") for name, value in entries.items()}
    )


BUDGET_COUNTS = ("reads", "writes", "deletes", "ttl_deletes", "index_entries", "invocations")
"""What a scenario's budget can limit, besides its growth."""
# A query writes nothing, and a run of a function is one invocation.
_PART_COUNTS = {
    "functions": ("reads", "writes", "deletes", "index_entries"),
    "queries": ("reads", "index_entries"),
}


def _budgets(reader: YamlReader, node: Any) -> tuple[dict[str, Budget], PartBudgets]:
    """Read `{SCENARIO: BUDGET, functions: {NAME: BUDGET}, queries: {QUERY: BUDGET}}`."""
    entries = reader.mapping(node, "budgets")
    parts = {
        part: {
            name: _budget(reader, f"budgets.{part}.{name}", each, counts)
            for name, each in reader.mapping(entries[part], f"budgets.{part}").items()
        }
        for part, counts in _PART_COUNTS.items()
        if part in entries
    }
    scenarios = {
        name: _budget(reader, f"budgets.{name}", each, BUDGET_COUNTS)
        for name, each in entries.items()
        if name not in _PART_COUNTS
    }
    return scenarios, PartBudgets(**parts)


def _budget(reader: YamlReader, where: str, node: Any, countable: Sequence[str]) -> Budget:
    """Read `{reads, writes, ..., growth}`, or a number, which is one of reads."""
    if not isinstance(node, yaml.MappingNode):
        return Budget(reads=reader.count(node, where))
    entries = reader.mapping(node, where, allowed=(*countable, "growth"))
    counts = {
        key: reader.count(entries[key], f"{where}.{key}") for key in countable if key in entries
    }
    growth = None
    if "growth" in entries:
        growth = reader.string(entries["growth"], f"{where}.growth")
        if growth not in GROWTH:
            raise reader.error(
                entries["growth"],
                f'"{growth}" is no way to grow',
                f"write one of {', '.join(GROWTH)}",
            )
    return Budget(**counts, growth=growth)


def _rules(reader: YamlReader, node: Any) -> RulesSettings:
    """Read `{coverage, mutation_score, lint: {off: [NAME, ...]}}`."""
    entries = reader.mapping(node, "rules", allowed=("coverage", "mutation_score", "lint"))
    settings: dict[str, Any] = {
        name: reader.percent(entries[name], f"rules.{name}")
        for name in ("coverage", "mutation_score")
        if name in entries
    }
    if "lint" in entries:
        lint = reader.mapping(entries["lint"], "rules.lint", allowed=("off",))
        if "off" in lint:
            settings["lint_off"] = reader.strings(lint["off"], "rules.lint.off")
    return RulesSettings(**settings)


def _firestore(reader: YamlReader, node: Any) -> FirestoreSettings:
    """Read `{profile, indexes}`."""
    entries = reader.mapping(node, "firestore", allowed=("profile", "indexes"))
    profile, indexes = FIRESTORE_PROFILES[0], None
    if "profile" in entries:
        profile = reader.string(entries["profile"], "firestore.profile")
        if profile not in FIRESTORE_PROFILES:
            raise reader.error(
                entries["profile"],
                f'there is no profile "{profile}"',
                f"write one of {', '.join(FIRESTORE_PROFILES)}",
            )
    if "indexes" in entries:
        indexes = reader.plain(entries["indexes"], "firestore.indexes")
        if not isinstance(indexes, bool):
            raise reader.error(
                entries["indexes"], "firestore.indexes is neither on nor off", "write on or off"
            )
    return FirestoreSettings(profile, indexes)


def _persona(reader: YamlReader, name: str, node: Any) -> Persona:
    """Read `{uid, claims}`; nothing at all means: the name is the uid. `uid: null` is a signed-out
    user."""
    if reader.is_null(node):
        return Persona(uid=name)
    where = f"personas.{name}"
    entries = reader.mapping(node, where, allowed=("uid", "claims"))
    uid: str | None = name
    if "uid" in entries:
        is_signed_out = reader.is_null(entries["uid"])
        uid = None if is_signed_out else reader.string(entries["uid"], f"{where}.uid")
    claims = {}
    if "claims" in entries:
        claims = reader.plain(entries["claims"], f"{where}.claims")
        if not isinstance(claims, dict):
            raise reader.error(
                entries["claims"], f"{where}.claims is not a mapping", "write claims as name: value"
            )
        if uid is None and claims:
            raise reader.error(
                entries["claims"],
                f"{where} is signed out and has claims",
                "give it a uid, or no claims",
            )
    return Persona(uid, claims)


def parse_firebase_json(source: SourceText) -> FirebaseConfig:
    """Read firebase.json as firebase-tools does: comments are allowed, unknown keys are passed
    over.

    Raises:
        ConfigError: It is not JSON, or a part that the harness needs has a shape that
            firebase-tools does not accept.
    Source: firebase-tools 15.34, `schema/firebase-config.json`.
    """
    return _FirebaseJson(source).config()


class _FirebaseJson:
    def __init__(self, source: SourceText) -> None:
        self.source = source

    def config(self) -> FirebaseConfig:
        root = parse_json(self.source)
        self._expect(root, JsonKind.OBJECT, "firebase.json")
        emulators = root.members.get("emulators")
        if emulators is not None:
            self._expect(emulators, JsonKind.OBJECT, "emulators")
        addresses, flags = self._emulators(emulators.members if emulators else {})
        return FirebaseConfig(
            firestore=self._firestore(root.members.get("firestore")),
            functions=self._functions(root.members.get("functions")),
            storage=self._storage(root.members.get("storage")),
            other_files=tuple(self._other_files(root)),
            emulators=addresses,
            single_project_mode=flags.get("singleProjectMode") is not False,
            ui_enabled=flags.get("ui.enabled"),
        )

    def _firestore(self, value: JsonValue | None) -> tuple[FirestoreDatabase, ...]:
        databases = []
        for entry, name in self._entries(value, "firestore"):
            database = self._text(entry, "database", name)
            if database is None and value is not None and value.kind is JsonKind.ARRAY:
                target = self._text(entry, "target", name)
                if target is None:
                    raise self._error(
                        entry,
                        f"{name} names neither database nor target",
                        'add "database": "(default)"',
                    )
                # Which databases a target stands for is in .firebaserc; its name is what there is
                # here.
                database = target
            databases.append(
                FirestoreDatabase(
                    database or DEFAULT_DATABASE,
                    self._path(entry, "rules", name),
                    self._path(entry, "indexes", name),
                )
            )
        return tuple(databases)

    def _functions(self, value: JsonValue | None) -> tuple[FunctionsCodebase, ...]:
        codebases = []
        for entry, name in self._entries(value, "functions"):
            source = self._path(entry, "source", name)
            if source is None and ("remoteSource" in entry.members or "kit" in entry.members):
                continue  # its code is not in this repository: the emulator cannot run it either
            codebases.append(
                FunctionsCodebase(
                    source or "functions",  # firebase-tools: Config.DEFAULT_FUNCTIONS_SOURCE
                    self._text(entry, "codebase", name) or DEFAULT_CODEBASE,
                    self._text(entry, "runtime", name),
                )
            )
        return tuple(codebases)

    def _storage(self, value: JsonValue | None) -> tuple[StorageBucket, ...]:
        buckets = []
        for entry, name in self._entries(value, "storage"):
            rules = self._path(entry, "rules", name)
            if rules is None:
                raise self._error(entry, f"{name} names no rules", 'add "rules": "storage.rules"')
            buckets.append(
                StorageBucket(
                    rules, self._text(entry, "bucket", name), self._text(entry, "target", name)
                )
            )
        return tuple(buckets)

    def _other_files(self, root: JsonValue) -> Iterator[str]:
        """Names of files only: what these parts hold besides is not the harness's to judge."""
        for part, key in _OTHER_FILES:
            value = root.members.get(part)
            entries = value.elements if value and value.kind is JsonKind.ARRAY else (value,)
            for entry in entries:
                if entry is not None and entry.kind is JsonKind.OBJECT:
                    name = entry.members.get(key)
                    if name is not None and name.kind is JsonKind.STRING and name.scalar:
                        yield posix_path(str(name.scalar))

    def _emulators(
        self, members: Mapping[str, JsonValue]
    ) -> tuple[dict[str, EmulatorAddress], dict[str, bool]]:
        addresses = {}
        flags = {}
        for name, value in members.items():
            if name == "singleProjectMode":
                self._expect(value, JsonKind.BOOLEAN, "emulators.singleProjectMode")
                flags[name] = value.scalar is True
                continue
            where = f"emulators.{name}"
            self._expect(value, JsonKind.OBJECT, where)
            addresses[name] = EmulatorAddress(
                self._text(value, "host", where), self._port(value, where)
            )
            enabled = value.members.get("enabled")
            if enabled is not None:
                self._expect(enabled, JsonKind.BOOLEAN, f"{where}.enabled")
                flags[f"{name}.enabled"] = enabled.scalar is True
        return addresses, flags

    def _port(self, value: JsonValue, where: str) -> int | None:
        member = value.members.get("port")
        if member is None:
            return None
        port = member.scalar
        if isinstance(port, str) and port.isdecimal() and len(port) < 6:
            port = int(port)  # firebase-tools takes "8080" as well
        if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65_535:
            raise self._error(
                member, f"{where}.port is not a port", "write a number from 0 to 65535"
            )
        return port

    def _entries(self, value: JsonValue | None, name: str) -> list[tuple[JsonValue, str]]:
        """Return the objects of a part that is one object or a list of them, each with its name for
        messages."""
        if value is None or value.kind is JsonKind.NULL:
            return []
        if value.kind is JsonKind.STRING:
            raise self._error(
                value,
                f"{name} is imported from another file, which the harness does not follow",
                f'write {name} as an object here: "{name}": {{…}}',
            )
        if value.kind is JsonKind.ARRAY:
            entries = [(entry, f"{name}[{index}]") for index, entry in enumerate(value.elements)]
        else:
            entries = [(value, name)]
        for entry, entry_name in entries:
            self._expect(entry, JsonKind.OBJECT, entry_name)
        return entries

    def _text(self, entry: JsonValue, key: str, name: str) -> str | None:
        value = entry.members.get(key)
        if value is None or value.kind is JsonKind.NULL:
            return None
        self._expect(value, JsonKind.STRING, f"{name}.{key}")
        return str(value.scalar) or None

    def _path(self, entry: JsonValue, key: str, name: str) -> str | None:
        text = self._text(entry, key, name)
        return posix_path(text) if text else text

    def _expect(self, value: JsonValue, kind: JsonKind, name: str) -> None:
        if value.kind is not kind:
            raise self._error(value, f"{name} is {value.kind.value}", f"write {kind.value}")

    def _error(self, value: JsonValue, problem: str, fix: str) -> ConfigError:
        return ConfigError(problem, fix=fix, at=self.source.position(value.span.start))
