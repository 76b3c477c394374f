"""A run is split so that evidence of an item comes from one machine."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.workflow.shards import parse_shard, split_checks

CHECKS = st.dictionaries(
    st.builds("{}.py::test_{}".format, st.sampled_from("abc"), st.integers(0, 30)),
    st.lists(st.sampled_from("uvwxyz"), max_size=3, unique=True),
    max_size=25,
)


@given(CHECKS, st.integers(1, 6))
def test_each_check_runs_once_and_each_item_is_one_shards(
    checks: dict[str, list[str]], count: int
) -> None:
    shards = split_checks(checks, count)
    assert len(shards) == count
    assert sorted(check for shard in shards for check in shard.checks) == sorted(checks)
    items = [item for shard in shards for item in shard.items]
    assert len(items) == len(set(items))
    for shard in shards:
        for check in shard.checks:
            assert shard.items.issuperset(checks[check])
    assert shards == split_checks(dict(checks), count)


@given(CHECKS, st.integers(2, 6), st.data())
def test_what_looks_at_the_whole_run_has_all_of_it(
    checks: dict[str, list[str]], count: int, data: st.DataObject
) -> None:
    if not checks:
        return
    whole = data.draw(st.sampled_from(sorted(checks)))
    first, *others = split_checks(checks, count, whole_run={whole})
    assert first.checks == set(checks)
    assert first.items.issuperset(checks[whole])
    assert all(whole not in shard.checks for shard in others)
    items = [item for shard in (first, *others) for item in shard.items]
    assert sorted(items) == sorted({item for names in checks.values() for item in names})


def test_shards_are_about_the_same_size() -> None:
    checks = {f"{item}.py::test_{n}": [item] for item in "abcdefgh" for n in range(ord(item) - 95)}
    sizes = [len(shard.checks) for shard in split_checks(checks, 3)]
    assert sum(sizes) == 44
    assert max(sizes) <= 4 / 3 * 44 / 3, sizes  # the greedy rule's known bound


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "1/0", "-1/2", "a/b", "1/2/3", "²/3"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not I/N"):
        parse_shard(text)


def test_a_shard_is_read() -> None:
    assert parse_shard("2/3") == (2, 3)
