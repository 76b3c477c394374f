"""What is said of a function whose process ended before it had answered."""

import pytest

from harness.emulators.functions import DeployedFunction
from harness.pytest_plugin.fixtures_functions import _cut_off


class Deployed:
    """The part of the Functions emulator that is asked."""

    def deployed(self) -> list[DeployedFunction]:
        return [DeployedFunction("slow", "us-central1", "callable", 1, timeout_s=9.0)]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("slow", "it crashed, or did not answer within its 9 s"),
        ("group.slow", "it crashed"),
    ],
)
def test_the_functions_own_limit_is_named_where_it_is_known(name: str, said: str) -> None:
    words = _cut_off(Deployed(), name)  # type: ignore[arg-type]
    assert words == f"the process of {name} ended before it had answered: {said}"
