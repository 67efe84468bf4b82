"""Plug-ins only: each fixture lives in the file that says what it is about."""

pytest_plugins = ("tests.fixtures.pair",)
