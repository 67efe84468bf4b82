"""Plug-ins only: each fixture lives in the file that says what it is about."""

pytest_plugins = (
    "tests.fixtures.pair",
    "tests.fixtures.signals",
    "tests.fixtures.site",
    "tests.fixtures.tiny_model",
    "tests.fixtures.training",
)
