"""What a test needs and a machine may lack."""

import os

import pytest

IN_CI = bool(os.environ.get("CI"))


def skip_unless(is_there: bool, reason: str) -> pytest.MarkDecorator:
    """Skip tests on a machine that lacks what they need. In CI they run all the same, and fail."""
    return pytest.mark.skipif(not is_there and not IN_CI, reason=reason)
