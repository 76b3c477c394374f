"""How hard property tests look: HYPOTHESIS_PROFILE is `dev` (the default), `ci` or `nightly`.

Where CI is set, as CI services do, the same examples are tried each time: a change is not to fail
for what it did not change. New ones are looked for by `nightly`, and by `make fuzz`.
"""

import os

from hypothesis import settings

# No deadline: machines that are shared would break it now and then, and prove nothing.
settings.register_profile(
    "dev", max_examples=50, deadline=None, derandomize=bool(os.environ.get("CI"))
)
settings.register_profile("ci", max_examples=500, deadline=None, derandomize=True)
settings.register_profile("nightly", max_examples=20_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))
