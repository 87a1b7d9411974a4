"""Make the mutants of a Python file: one change of its syntax tree each, written into its text.

Some code is left alone, because a change of it is no fault that a test should find: docstrings, annotations, imports,
decorators, the texts of errors, and `strict=` of `zip`, which only asserts what is so anyway.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise

from scripts.mutants.mutant import Mutant, numbered

_COMPARISONS: dict[type[ast.cmpop], tuple[str, tuple[str, ...]]] = {
    ast.Lt: ("<", ("<=", ">=")),
    ast.LtE: ("<=", ("<", ">")),
    ast.Gt: (">", (">=", "<=")),
    ast.GtE: (">=", (">", "<")),
    ast.Eq: ("==", ("!=",)),
    ast.NotEq: ("!=", ("==",)),
    ast.Is: ("is", ("is not",)),
    ast.IsNot: (r"is\s+not", ("is",)),
    ast.In: ("in", ("not in",)),
    ast.NotIn: (r"not\s+in", ("in",)),
}
"""The pattern of each comparison, and what takes its place."""

_ARITHMETIC: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "//"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "*"),
    ast.Pow: ("**", "*"),
    ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"),
    ast.BitOr: ("|", "&"),
    ast.BitAnd: ("&", "|"),
    ast.BitXor: ("^", "&"),
}

_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}
"""Functions that stand for each other."""

_IDENTITIES = {"abs": "", "sorted": "list"}
"""Functions that are left out, or replaced by one that does nothing."""

_TEXTS = re.compile(r"Error$|^Problem$|^ToolMissing$|^(debug|info|warning|error)$")
"""The names of calls whose texts are for people."""


def mutants(file: str, text: str) -> list[Mutant]:
    """Return all mutants of a file.

    Args:
        file: Its path, relative to the project.
        text: What is in it.
    """
    return numbered(_Maker(file, text).all())


class _Maker:
    """Walks a syntax tree once."""

    def __init__(self, file: str, text: str) -> None:
        self._file = file
        self._text = text
        self._lines = text.splitlines(keepends=True)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))
        self._names: list[str] = []
        self._quiet = 0

    def all(self) -> Iterator[Mutant]:
        yield from self._visit(ast.parse(self._text))

    # --- places ------------------------------------------------------------------------------------------------

    def _at(self, line: int, column: int) -> int:
        """Return the character at a line and a column; the syntax tree's columns count UTF-8 bytes."""
        content = self._lines[line - 1].encode()
        return self._starts[line - 1] + len(content[:column].decode())

    def _span(self, node: ast.expr | ast.stmt | ast.keyword) -> tuple[int, int]:
        assert node.end_lineno is not None and node.end_col_offset is not None
        return self._at(node.lineno, node.col_offset), self._at(node.end_lineno, node.end_col_offset)

    def _source(self, node: ast.expr | ast.stmt) -> str:
        start, end = self._span(node)
        return self._text[start:end]

    def _mutant(self, operator: str, start: int, end: int, replacement: str) -> Mutant:
        line = self._text.count("\n", 0, start) + 1
        name = ".".join(self._names) or "module"
        return Mutant(self._file, name, operator, start, end, line, self._text[start:end], replacement)

    def _replaced(self, operator: str, node: ast.expr | ast.stmt, replacement: str) -> Mutant:
        return self._mutant(operator, *self._span(node), replacement)

    def _between(self, operator: str, left: ast.expr, right: ast.expr, pattern: str, replacement: str) -> Mutant:
        """Replace the operator between two expressions: beside it are only spaces and parentheses."""
        start, end = self._span(left)[1], self._span(right)[0]
        found = re.search(pattern, self._text[start:end])
        assert found is not None, f"{self._file}: {self._text[start:end]!r} is not {pattern}"
        return self._mutant(operator, start + found.start(), start + found.end(), replacement)

    # --- the walk ----------------------------------------------------------------------------------------------

    def _visit(self, node: ast.AST) -> Iterator[Mutant]:
        match node:
            case ast.Import() | ast.ImportFrom():
                return
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                self._names.append(node.name)
                if not isinstance(node, ast.ClassDef):
                    yield from self._visit_all([*node.args.defaults, *(each for each in node.args.kw_defaults if each)])
                yield from self._visit_all(_body(node))
                self._names.pop()
                return
            case ast.Module():
                yield from self._visit_all(_body(node))
                return
            case ast.AnnAssign():
                if node.value is not None:
                    yield from self._visit(node.value)
                return
            case ast.Assign() if any(isinstance(each, ast.Name) and each.id.startswith("__") for each in node.targets):
                return
            case ast.JoinedStr():
                self._quiet += 1
                yield from self._children(node)
                self._quiet -= 1
                return
            case ast.Raise():
                yield self._replaced("statement", node, "pass")
                return
        yield from self._changes(node)
        is_text = isinstance(node, ast.Call) and _TEXTS.search(_called(node)) is not None
        self._quiet += is_text
        yield from self._children(node)
        self._quiet -= is_text

    def _visit_all(self, nodes: list[ast.expr] | list[ast.stmt]) -> Iterator[Mutant]:
        for each in nodes:
            yield from self._visit(each)

    def _children(self, node: ast.AST) -> Iterator[Mutant]:
        for each in ast.iter_child_nodes(node):
            if isinstance(each, ast.keyword) and each.arg == "strict":
                continue
            yield from self._visit(each)

    def _changes(self, node: ast.AST) -> Iterator[Mutant]:
        match node:
            case ast.Compare():
                for (left, right), kind in zip(pairwise([node.left, *node.comparators]), node.ops, strict=True):
                    pattern, others = _COMPARISONS[type(kind)]
                    for each in others:
                        yield self._between("comparison", left, right, pattern, each)
            case ast.BinOp():
                if not self._quiet and type(node.op) in _ARITHMETIC:
                    old, new = _ARITHMETIC[type(node.op)]
                    yield self._between("arithmetic", node.left, node.right, re.escape(old), new)
            case ast.AugAssign():
                old, new = _ARITHMETIC[type(node.op)]
                yield self._between("arithmetic", node.target, node.value, re.escape(old) + "=", new + "=")
                yield self._replaced("statement", node, "pass")
            case ast.BoolOp():
                old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
                for left, right in pairwise(node.values):
                    yield self._between("logic", left, right, rf"\b{old}\b", new)
            case ast.UnaryOp(op=ast.Not() | ast.USub()):
                yield self._replaced("unary", node, f"({self._source(node.operand)})")
            case ast.If() | ast.While() | ast.IfExp() | ast.Assert():
                yield self._replaced("condition", node.test, f"(not ({self._source(node.test)}))")
            case ast.comprehension():
                for test in node.ifs:
                    yield self._replaced("condition", test, f"(not ({self._source(test)}))")
            case ast.Constant():
                yield from self._constant(node)
            case ast.Call():
                yield from self._call(node)
            case ast.Expr(value=ast.Call() | ast.Await()):
                yield self._replaced("statement", node, "pass")
            case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
                yield self._replaced("statement", node, "pass")
            case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
                yield self._replaced("return", node, "return None")
            case ast.Continue():
                yield self._replaced("statement", node, "break")
            case ast.Break():
                yield self._replaced("statement", node, "continue")

    def _constant(self, node: ast.Constant) -> Iterator[Mutant]:
        value = node.value
        if isinstance(value, bool):
            yield self._replaced("constant", node, str(not value))
        elif isinstance(value, int | float):
            yield self._replaced("constant", node, str(value + 1))
            if value == 1:
                yield self._replaced("constant", node, "0")
        elif isinstance(value, str | bytes) and not self._quiet:
            other = "mutant" if isinstance(value, str) else b"mutant"
            yield self._replaced("constant", node, repr(other + value))  # type: ignore[operator]

    def _call(self, node: ast.Call) -> Iterator[Mutant]:
        name = _called(node)
        if isinstance(node.func, ast.Name) and name in _CALLS:
            yield self._replaced("call", node.func, _CALLS[name])
        if isinstance(node.func, ast.Name) and name in _IDENTITIES:
            yield self._replaced("call", node.func, _IDENTITIES[name])
        if name == "replace" and isinstance(node.func, ast.Name):
            for each in node.keywords:
                start, end = self._span(each)
                comma = re.match(r"\s*,\s*", self._text[end:])
                yield self._mutant("field", start, end + (comma.end() if comma else 0), "")


def _body(node: ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> list[ast.stmt]:
    """Return the statements without texts that stand alone: docstrings, and those below constants."""
    texts = (each for each in node.body if isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))
    left_out = {id(each) for each in texts}
    return [each for each in node.body if id(each) not in left_out]


def _called(node: ast.Call) -> str:
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""
