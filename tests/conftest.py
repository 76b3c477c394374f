"""How hard property tests look: HYPOTHESIS_PROFILE is `dev` (the default), `ci` or `nightly`."""

import os

from hypothesis import settings

# No deadline: machines that are shared would break it now and then, and prove nothing.
settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile("ci", max_examples=500, deadline=None)
settings.register_profile("nightly", max_examples=20_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))
