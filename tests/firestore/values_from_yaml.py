"""Reads the notation of tests/corpus/values and tests/corpus/writes into values."""

from pathlib import Path

import yaml

from harness.firestore.paths import DatabaseName, ResourcePath
from harness.firestore.values import GeoPoint, Reference, Timestamp, Vector

CORPUS = Path(__file__).parents[1] / "corpus"


def load_corpus(name, known_keys):
    """Load one table, refusing unknown keys and tables that say no source."""
    table = yaml.safe_load((CORPUS / name).read_text(encoding="utf-8"))
    unknown = set(table) - set(known_keys) - {"source"}
    assert not unknown, f"{name}: unknown keys {unknown}"
    assert table.get("source"), f"{name}: no source"
    return table


def cases(table, key, known_keys):
    """Return the rows of a table, refusing empty tables, unknown keys and duplicate names."""
    rows = table[key]
    assert rows, "an empty table proves nothing"
    names = [str(row["name"]) for row in rows]
    assert len(set(names)) == len(names), "two rows of one name"
    for row in rows:
        unknown = set(row) - set(known_keys) - {"name"}
        assert not unknown, f"{row['name']}: unknown keys {unknown}"
    return rows


def case_id(row):
    return str(row["name"]).replace(" ", "_")


def value(notation):
    if isinstance(notation, list):
        return tuple(map(value, notation))
    if not isinstance(notation, dict):
        return notation
    assert len(notation) == 1, f"not a value: {notation}"
    ((kind, given),) = notation.items()
    match kind:
        case "ts":
            return Timestamp(given)
        case "bytes":
            return bytes.fromhex(given)
        case "ref":
            return Reference(DatabaseName(*given[:2]), ResourcePath(given[2]))
        case "geo":
            return GeoPoint(*map(float, given))
        case "vector":
            return Vector(tuple(map(float, given)))
        case "array":
            return tuple(map(value, given))
        case "map":
            return fields(given)
        case "double":
            return float(given)
        case "repeat":
            return given[0] * given[1]
        case "zeros":
            return bytes(given)
        case "nest":
            count, nested = given
            nested = value(nested)
            for _ in range(count):
                nested = {"m": nested}
            return nested
        case "long_key":
            return {"k" * given: 1}
    raise AssertionError(f"unknown notation: {notation}")


def fields(notation):
    return {name: value(given) for name, given in notation.items()}
