"""Verification Phase / Quality Check / Documentation: it names what there is."""

import re

import pytest

pytestmark = pytest.mark.workflow("Quality Check/Documentation")

LINK = re.compile(r"\[[^\]]*\]\(([^)\s#]+)(?:#[^)]*)?\)")


@pytest.fixture
def api(harness_project):
    """The description of functions."""
    return (harness_project / "backend/docs/api.md").read_text(encoding="utf-8")


def test_every_function_is_described(api, deployed_functions, record_proof):
    """docs/api.md names every function that is deployed."""
    missing = [name for name in sorted(deployed_functions) if not re.search(rf"\b{name}\b", api)]
    assert not missing, f"docs/api.md does not name {', '.join(missing)}"
    record_proof(f"{len(deployed_functions)} functions are described")


def test_no_function_is_described_that_is_gone(api, deployed_functions):
    """docs/api.md has no section on a function that is not deployed."""
    headings = re.findall(r"^#+ `?(\w+)`?\s*$", api, re.MULTILINE)
    named = {heading for heading in headings if re.match(r"^[a-z]+[A-Z]\w+$", heading)}
    assert named <= set(deployed_functions), sorted(named - set(deployed_functions))


def test_every_error_code_of_a_callable_is_described(api, harness_project):
    """docs/api.md names each HttpsError code that the code throws."""
    thrown = set()
    for file in (harness_project / "backend/functions/src").glob("*.js"):
        text = file.read_text(encoding="utf-8")
        thrown |= set(re.findall(r"HttpsError\(\s*\"([a-z-]+)\"", text))
    assert thrown
    assert [code for code in sorted(thrown) if code not in api] == []


def test_every_collection_is_described(harness_project, client_contract):
    """docs/data-model.md names every collection that the app reads or the rules protect."""
    text = (harness_project / "backend/docs/data-model.md").read_text(encoding="utf-8")
    rules = (harness_project / "backend/firestore.rules").read_text(encoding="utf-8")
    collections = set(re.findall(r"match /(?:\{\w+=\*\*\}/)?(\w+)/\{\w+\}", rules)) - {"databases"}
    collections |= {use.segments[-1] for use in client_contract.queries}
    assert collections
    assert [name for name in sorted(collections) if name not in text] == []


def test_links_between_documents_resolve(harness_project, record_proof):
    """Every relative link in the back end's documents leads to a file."""
    broken, followed = [], 0
    for document in sorted((harness_project / "backend").rglob("*.md")):
        if "node_modules" in document.parts:
            continue
        for target in LINK.findall(document.read_text(encoding="utf-8")):
            if re.match(r"[a-z]+:", target):
                continue
            followed += 1
            if not (document.parent / target).exists():
                broken.append(f"{document.relative_to(harness_project)} -> {target}")
    assert not broken, "\n".join(broken)
    assert followed, "there are no links to follow"
    record_proof(f"{followed} links resolve")
