"""The words that a ruleset speaks of."""

from __future__ import annotations

from harness.review.vocabulary import vocabulary
from tests.review.requests_from_yaml import ruleset

WORDS = vocabulary(
    ruleset(
        """
        function mayEdit(data) {
          let limit = 5 * 1024;
          return data.size <= limit && get(/databases/$(db)/documents/config/$('app')).data.open;
        }
        match /notes/{id}/parts/{part} {
          allow get: if resource.data.status in ['open', 'closed']
              && request.auth.token.admin == true
              && request.auth.token.get('level', 'none') == 'gold'
              && 'beta' in request.auth.token;
          allow create: if request.resource.data.keys().hasOnly(['title', 'text'])
              && request.resource.data.title.matches('[a-z]+')
              && request.resource.data.title.size() < 80
              && 'flag' in request.resource.data && -3 < request.resource.data['stars'];
        }
        """
    )
)


def test_strings_are_values_without_patterns() -> None:
    assert {"open", "closed", "gold", "none"} <= set(WORDS.strings)
    assert "[a-z]+" not in WORDS.strings
    assert "title" not in WORDS.strings


def test_numbers_are_computed() -> None:
    assert {5120, 80, -3} <= set(WORDS.numbers)


def test_fields_are_members_keys_and_indexes() -> None:
    assert {"status", "title", "text", "flag", "stars", "size", "open"} <= set(WORDS.fields)
    assert not {"data", "auth", "uid", "token", "admin"} & set(WORDS.fields)


def test_claims_are_what_stands_below_the_token() -> None:
    assert WORDS.claims == ("admin", "level", "beta")


def test_segments_are_those_of_matches_and_of_paths() -> None:
    assert {"notes", "parts", "config"} <= set(WORDS.segments)
    assert not {"databases", "documents"} & set(WORDS.segments)


def test_a_field_is_compared_with_what_stands_on_the_other_side() -> None:
    assert WORDS.compared["status"] == ("open", "closed")
    assert WORDS.compared["level"] == ("gold",)
    assert WORDS.compared["title"] == (80,)
    assert WORDS.compared["stars"] == (-3,)
