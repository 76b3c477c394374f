"""Seed files: what their values are, where their mistakes are, and that what is written is read."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ConfigError
from harness.firestore.paths import DatabaseName, ResourcePath
from harness.firestore.values import GeoPoint, Reference, Timestamp, Vector, identical
from harness.seeds.model import SeedFile, SeedUser
from harness.seeds.reader import MAX_SEED_LENGTH, parse_seed
from harness.seeds.writer import seed_text
from harness.source import SourceText

TABLE = yaml.safe_load(
    (Path(__file__).parents[1] / "corpus/seeds/values.yaml").read_text(encoding="utf-8")
)
DEFAULT = DatabaseName("demo-app", "(default)")
NOON = Timestamp(1_769_860_800_000_000)


def parse(text: str) -> SeedFile:
    return parse_seed(SourceText("seed.yaml", text))


def test_every_type_has_a_spelling() -> None:
    fields = parse(TABLE["values"]).documents(DEFAULT)[ResourcePath("all/types")]
    ana = ResourcePath("users/ana")
    wanted: dict[str, Any] = {
        "nothing": None,
        "flag": True,
        "whole": 1,
        "hex": 16,
        "large": -(2**63),
        "half": 0.5,
        "one": 1.0,
        "zero": -0.0,
        "double": 1.0,
        "endless": -math.inf,
        "nan": math.nan,
        "dotted": math.inf,
        "text": "costs $5",
        "quoted": "2026-01-31T12:00:00Z",
        "time": NOON,
        "zoned": Timestamp(NOON.micros + 500_000),
        "spelled": NOON,
        "reference": Reference(DEFAULT, ana),
        "elsewhere": Reference(DatabaseName("demo-x", "second"), ana),
        "beside": Reference(DatabaseName("demo-app", "second"), ana),
        "place": GeoPoint(52.5, -13.0),
        "bytes": b"hi",
        "vector": Vector((1.0, 2.5)),
        "list": (1, {"in": ("a",)}, b""),
        "none": (),
        "map": {"inner": {"x": 1}, "none": {}},
        "dollar": {"$ref": 1, "other": 2},
        "$field": 1,
        "smile": "\N{SLIGHTLY SMILING FACE}",
    }
    assert list(fields) == list(wanted)
    different = [name for name, value in wanted.items() if not identical(fields[name], value)]
    assert different == []


@pytest.mark.parametrize("case", TABLE["errors"], ids=lambda case: case["text"])
def test_a_mistake_has_its_place(case: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(case["text"])
    error = caught.value
    assert f"{error.at}: {error.problem}".startswith(case["says"])
    assert case.get("fix", "") in error.fix


def test_documents_stand_in_collections_or_by_their_paths() -> None:
    seed = parse(
        "documents:\n"
        "  users:\n"
        "    ana: {n: 1}\n"
        "    7: {n: 2}\n"
        "  users/ana/pets: {rex: {n: 3}}\n"
        "  users/ana/pets/tom: {n: 4}\n"
        "databases:\n"
        "  second: {users/ana: {}}\n"
    )
    assert seed.databases == {
        "(default)": {
            "users/ana": {"n": 1},
            "users/7": {"n": 2},
            "users/ana/pets/rex": {"n": 3},
            "users/ana/pets/tom": {"n": 4},
        },
        "second": {"users/ana": {}},
    }
    assert seed.document_count == 5


def test_the_example_of_the_documentation_is_a_seed() -> None:
    page = (Path(__file__).parents[2] / "docs/seeds.md").read_text(encoding="utf-8")
    seed = parse(page.partition("```yaml\n")[2].partition("```")[0])
    assert seed.document_count == 4
    assert [user.uid for user in seed.users] == ["ana"]


def test_a_seed_may_be_json() -> None:
    text = json.dumps({"documents": {"a/b": {"t": {"$timestamp": "2026-01-31T12:00:00Z"}}}})
    assert parse(text).documents(DEFAULT) == {"a/b": {"t": NOON}}


def test_a_reference_counts_from_its_own_database_and_project() -> None:
    seed = parse("databases: {second: {a/b: {x: [{y: {$ref: c/d}}]}}}")
    (fields,) = seed.documents(DatabaseName("demo-one", "second")).values()
    wanted = Reference(DatabaseName("demo-one", "second"), ResourcePath("c/d"))
    assert fields == {"x": ({"y": wanted},)}
    assert seed.documents(DatabaseName("demo-one", "third")) == {}


def test_users_have_what_the_auth_emulator_takes() -> None:
    seed = parse("users: [{uid: ana, email: a@b.c, password: secret, claims: {role: x}}, {uid: b}]")
    assert seed.users == (
        SeedUser("ana", "a@b.c", "secret", False, {"role": "x"}),
        SeedUser("b"),
    )


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}", "documents: {}"])
def test_a_seed_of_nothing_holds_nothing(text: str) -> None:
    assert parse(text).document_count == 0


def test_a_file_that_is_too_long_is_not_read() -> None:
    with pytest.raises(ConfigError, match="too many for one file"):
        parse("#" * (MAX_SEED_LENGTH + 1))


def test_a_document_that_is_too_large_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"a/b has 1,048,\d+ bytes"):
        parse("documents:\n  a/b: {x: '" + "x" * 2**19 + "', y: '" + "y" * 2**19 + "'}")


IDS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="/"), min_size=1, max_size=5
).filter(lambda text: text not in (".", "..") and not text.startswith("__"))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.sampled_from(["1", "null", "no", "2030-01-01", "1e5", "~", "0x1", "$ref", "a: b", "- x"]),
    st.binary(max_size=10),
    st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999).map(Timestamp),
    st.builds(GeoPoint, st.floats(-90, 90), st.floats(-180, 180)),
    st.lists(st.floats(allow_nan=False), min_size=1, max_size=4).map(
        lambda each: Vector(tuple(each))
    ),
    st.builds(
        lambda project, database, path: Reference(
            DatabaseName(project, database), ResourcePath("/".join(path))
        ),
        st.sampled_from(["", "demo-other"]),
        st.sampled_from(["(default)", "second"]),
        st.tuples(IDS, IDS),
    ),
)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5).filter(
    lambda name: not name.startswith("__")
)
MAPS = st.recursive(
    st.dictionaries(NAMES, SCALARS, max_size=4),
    lambda inner: st.dictionaries(
        NAMES, st.one_of(SCALARS, inner, st.lists(st.one_of(SCALARS, inner)).map(tuple)), max_size=4
    ),
    max_leaves=8,
)
PATHS = st.lists(st.tuples(IDS, IDS), min_size=1, max_size=2).map(
    lambda pairs: ResourcePath("/".join("/".join(pair) for pair in pairs))
)
SEEDS = st.builds(
    SeedFile,
    st.dictionaries(
        st.sampled_from(["(default)", "second"]),
        st.dictionaries(PATHS, MAPS, min_size=1, max_size=4),
    ),
    st.lists(
        st.builds(
            SeedUser,
            IDS.filter(str.strip),
            email=st.none() | st.just("a@b.c"),
            email_verified=st.booleans(),
            claims=st.dictionaries(st.text("abc"), st.integers()),
        ),
        max_size=2,
        unique_by=lambda user: user.uid,
    ).map(tuple),
)


@given(SEEDS)
def test_what_is_written_is_read_as_the_same(seed: SeedFile) -> None:
    again = parse(seed_text(seed))
    assert again.users == seed.users
    assert again.databases.keys() == seed.databases.keys()
    for name, documents in seed.databases.items():
        assert again.databases[name].keys() == documents.keys()
        for path, fields in documents.items():
            assert identical(again.databases[name][path], fields)
