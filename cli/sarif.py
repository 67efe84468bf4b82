"""Findings as SARIF 2.1.0, which code hosts and editors show beside the code.

Source: OASIS, Static Analysis Results Interchange Format (SARIF) Version 2.1.0.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from typing import Any

from replicator.lint import Judgement
from replicator.rule import Rule, Severity

_LEVELS = {Severity.LOST: "error", Severity.WRONG_RESULTS: "error", Severity.FINE: "note"}


def log(judgements: Sequence[Judgement]) -> dict[str, Any]:
    """Return a log of one run."""
    rules = {one.rule.id: one.rule for one in judgements if one.rule}
    driver = {
        "name": "hadrian",
        "version": importlib.metadata.version("hadrian-wal"),
        "rules": [_rule(rule) for rule in rules.values()],
    }
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "results": [_result(one, list(rules)) for one in judgements],
            }
        ],
    }


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.subject},
        "fullDescription": {"text": f"{rule.condition}; after takeover: {rule.after_takeover}"},
        "help": {"text": f"{rule.remedy} ({rule.source})"},
    }


def _result(judgement: Judgement, rules: list[str]) -> dict[str, Any]:
    statement = judgement.statement
    region = {"startLine": statement.line, "startColumn": statement.column, "snippet": {"text": statement.text}}
    result: dict[str, Any] = {
        "level": _LEVELS.get(judgement.severity, "warning") if judgement.severity else "none",
        "message": {"text": judgement.message or "nothing to replicate"},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": judgement.file}, "region": region}}],
        "properties": {"verdict": judgement.verdict.value},
    }
    if judgement.rule:
        result |= {"ruleId": judgement.rule.id, "ruleIndex": rules.index(judgement.rule.id)}
    if judgement.allowed:
        result["suppressions"] = [{"kind": "inSource", "justification": judgement.allowed}]
    return result
