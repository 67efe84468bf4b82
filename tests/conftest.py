"""Plug-ins only: each fixture lives in the file that says what it is about."""

pytest_plugins = (
    "tests.fixtures.derby",  # before db2_catalog, which imports it: pytest rewrites what it loads first
    "tests.fixtures.db2_catalog",
    "tests.fixtures.db2_container",
    "tests.fixtures.pair",
    "tests.fixtures.signals",
    "tests.fixtures.site",
    "tests.fixtures.tiny_model",
    "tests.fixtures.training",
)
