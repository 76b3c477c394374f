"""What a file must hold before the detectors look at it line by line: never less than they ask."""

import re
import subprocess

import pytest
from detect_secrets.core.plugins.initialize import from_plugin_classname
from detect_secrets.settings import transient_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import project_secrets
from harness.project_secrets import _DETECTORS, _needed_run, _occurs_in, _Pattern, find_secrets


def patterns_of_detectors():
    with transient_settings({"plugins_used": [{"name": name} for name in _DETECTORS]}):
        plugins = [from_plugin_classname(name) for name in _DETECTORS]
        return [regex for plugin in plugins for regex in getattr(plugin, "denylist", ())]


DETECTORS = [_Pattern(regex, _needed_run(regex)) for regex in patterns_of_detectors()]


@pytest.mark.parametrize("pattern", DETECTORS, ids=lambda pattern: pattern.regex.pattern[-30:])
@given(data=st.data())
@settings(max_examples=8)
def test_whatever_a_detector_finds_is_looked_at(pattern, data):
    text = data.draw(st.from_regex(pattern.regex))
    assert pattern.regex.search(text)
    assert _occurs_in(f"x = 1\n{text}\n", [pattern])


def test_the_slow_ones_are_asked_of_few_files():
    assignments = [each for each in DETECTORS if each.regex.pattern.startswith("(?:(?<=")]
    assert len(assignments) > 3
    assert all(each.run.length >= 24 for each in assignments)


@pytest.mark.parametrize(
    ("regex", "text"),
    [
        (re.compile("[a-f]{4}"), "beef"),
        (re.compile("[a-f]{4}", re.IGNORECASE), "BEEF"),
        (re.compile("[st]{4}", re.IGNORECASE), "\u017ftst"),  # which is a lower-case s
        (re.compile(r"[\d]{4}"), "\u0661\u0662\u0663\u0664"),  # digits, in another script
        (re.compile(r"[^ ]{4}"), "....x"),
        (re.compile("(?:[a-f]{4}|g)"), "g"),
        (re.compile("(?:[a-f]{4})?g"), "g"),
        (re.compile("([a-f]{4})+g"), "beefg"),
    ],
)
def test_a_pattern_that_matches_is_never_ruled_out(regex, text):
    assert regex.search(text)
    assert _occurs_in(text, [_Pattern(regex, _needed_run(regex))])


def test_a_text_without_the_run_is_ruled_out():
    regex = re.compile("[a-f]{4}")
    assert not _occurs_in("bee f", [_Pattern(regex, _needed_run(regex))])


def test_without_the_standard_librarys_reader_each_pattern_is_searched_for(monkeypatch):
    monkeypatch.setattr(project_secrets, "_parse", None)
    assert _needed_run(re.compile("[a-f]{4}")) is None


def test_a_key_is_found_and_where_it_is(tmp_path):
    key = "gh" + "p_" + "aB3" * 12  # in two parts, so that this file has none
    (tmp_path / "ci.py").write_text(f"first = 1\ntoken = '{key}'\n", encoding="utf-8")
    (tmp_path / "plain.py").write_text("token = read()\n", encoding="utf-8")
    assert find_secrets(tmp_path) == ([("ci.py", 2, "GitHub Token")], 2)


def test_installed_packages_are_not_looked_at_whether_or_not_git_leaves_them_out(tmp_path):
    key = "gh" + "p_" + "aB3" * 12
    for name in ("functions/node_modules/a/test.js", "functions/venv/b.py", "src/a.js"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(f"token = '{key}'\n", encoding="utf-8")
    subprocess.run(["git", "init", "--quiet"], check=True, cwd=tmp_path)
    for _ in range(2):
        found, looked_at = find_secrets(tmp_path)
        assert [name for name, _, _ in found] == ["src/a.js"]
        assert looked_at == 1
        subprocess.run(["git", "add", "--force", "."], check=True, cwd=tmp_path)
