"""The selector language: which nodes are meant, in words such as `env=prod and group:shanghai and not online` (M1).

One language for lists, pages, the API, opsctl and targets. Everything in here is pure: no database, no clock.

    parse(text) → ast          where it is wrong: SelectorError with the column, what was expected, a suggestion
    bind(ast, vocabulary)      names of tags, fields and groups become what they are here; unknown ones are errors; `maintenance`
                               becomes what the windows cover that are open now, for the vocabulary says which those are
    to_sql(ast)                a condition of constant pieces, and its parameters      (sql.py)
    matches(ast, node)         the same in Python                                      (match.py)
    explain(ast, language)     the same in words, en or zh                             (explain.py)
    written(ast)               the canonical text; parse(written(ast)) == ast

Promised: empty or wrong never means all; only the word `all` does. Retired nodes are meant only where the selector
speaks of them. Upper and lower case are the same.
"""

from __future__ import annotations

from server.selector.bind import GroupName, Vocabulary, bind
from server.selector.errors import SelectorError
from server.selector.explain import explain
from server.selector.match import NodeView, matches
from server.selector.parser import parse
from server.selector.sql import Condition, to_sql
from server.selector.written import written

__all__ = [
    "Condition",
    "GroupName",
    "NodeView",
    "SelectorError",
    "Vocabulary",
    "bind",
    "explain",
    "matches",
    "parse",
    "to_sql",
    "written",
]
