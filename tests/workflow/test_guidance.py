from harness.workflow.guidance import _BY_SLUG, Verifier, what_would_verify
from tests.workflow import corpus
from tests.workflow.corpus import parse


def test_every_item_of_the_template_has_a_sentence_of_its_own():
    items = corpus.template().items
    ways = {item.item_id: what_would_verify(item) for item in items}
    assert all(way.sentence for way in ways.values())
    assert not [item_id for item_id, way in ways.items() if "pytest.mark" in way.sentence]
    assert set(_BY_SLUG) <= set(ways)


def test_quality_check_and_testing_are_for_checks_and_the_users_word_is_not():
    document = corpus.template()
    for heading in ("Quality Check", "Testing"):
        for item in document.select(heading):
            assert what_would_verify(item).by is Verifier.CHECKS
    for address in ("User sign-off", "PAUSE, Check in with user", "Test specifications"):
        way = what_would_verify(document.find(address))
        assert way.by is Verifier.PERSON
        assert way.sentence.startswith("sign-off by a person")


def test_what_says_nothing_cannot_be_verified():
    for item in corpus.template().items:
        assert (what_would_verify(item).by is Verifier.NOBODY) == item.is_placeholder


def test_an_item_of_the_teams_own_gets_its_mark():
    item = parse("# Testing\n- [ ] Our own item\n  - [ ] Verify security rules\n").items
    assert '@pytest.mark.workflow("Testing/Our own item")' in what_would_verify(item[0]).sentence
    assert "Testing/Our own item/Verify security rules" in what_would_verify(item[1]).sentence
