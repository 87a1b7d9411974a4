"""The mutants of a Solidity file, found in the syntax tree that solc makes of it, inline assembly included."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from scripts.mutants.mutant import Mutant, numbered

Node = Mapping[str, Any]


class Form(Enum):
    """The kind of place: it decides how the place is written when it is chosen at run time."""

    EXPRESSION = 1
    STATEMENT = 2
    YUL_EXPRESSION = 3
    YUL_STATEMENT = 4
    BODY = 5
    """A modifier, whose check is written into the function's body instead."""
    ALONE = 6
    """It can't be chosen at run time, so it gets a build of its own."""


@dataclass(frozen=True)
class Change:
    """A mutant, and how it is written when it is chosen at run time.

    Attributes:
        mutant: The mutant as text.
        form: The kind of place.
        cast: A type that both texts are converted to, so that a literal keeps the type that it has in its operation.
            Of a modifier: the place of the body, a colon, and the check.
    """

    mutant: Mutant
    form: Form
    cast: str = ""


_COMPARISONS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
_ARITHMETIC = {"+": "-", "-": "+", "*": "/", "/": "*", "%": "*", "**": "*", "<<": ">>", ">>": "<<", "&": "|", "|": "&"}
_ASSIGNMENTS = {"|=": "&=", "&=": "|=", "+=": "-=", "-=": "+=", "*=": "/=", "<<=": ">>=", ">>=": "<<="}
_YUL = {
    "lt": "gt", "gt": "lt", "slt": "sgt", "sgt": "slt", "add": "sub", "sub": "add", "mul": "add", "div": "mul",
    "shl": "shr", "shr": "shl", "sar": "shr", "and": "or", "or": "and", "eq": "lt",
}  # fmt: skip
_YUL_EFFECTS = ("call(", "create", "sstore", "revert(", "return(")
_VALUE = re.compile(r"u?int\d+|bytes\d+|bool|address")
_CHECKS = {"onlyRole": "_checkRole({});", "onlyOwner": "_checkOwner();"}
"""OpenZeppelin's modifiers, and the statement that each is."""


def changes(file: str, text: str, tree: Node) -> list[Change]:
    """Return all changes of a file, in the order of the text.

    Args:
        file: The file's path.
        text: Its content.
        tree: Its syntax tree, of solc's compact JSON.
    """
    finder = _Finder(file, text)
    finder.visit(tree)
    found = {(each.mutant.start, each.mutant.end, each.mutant.replacement): each for each in finder.found}
    by_place = {_place(each.mutant): each for each in found.values()}
    ordered = numbered(each.mutant for each in found.values())
    return [Change(mutant, by_place[_place(mutant)].form, by_place[_place(mutant)].cast) for mutant in ordered]


def _place(mutant: Mutant) -> tuple[int, int, str, str]:
    return (mutant.start, mutant.end, mutant.operator, mutant.replacement)


class _Finder:
    """Walks through a tree, and notes the changes."""

    def __init__(self, file: str, text: str) -> None:
        self.found: list[Change] = []
        self._file = file
        self._text = text
        # Trees count bytes.
        self._offsets = [index for index, char in enumerate(text) for _ in char.encode()] + [len(text)]
        self._parents: list[Node] = []
        self._contract = ""
        self._function = ""
        self._modifiers: dict[str, str] = {}

    # Walking

    def visit(self, node: Node) -> None:
        kind = str(node["nodeType"])
        outside = self._contract, self._function
        if kind == "ContractDefinition":
            self._contract = str(node["name"])
        if kind in ("FunctionDefinition", "ModifierDefinition"):
            self._function = str(node["name"]) or str(node.get("kind", ""))
        method: Callable[[Node], None] | None = getattr(self, f"_{kind}", None)
        if method is not None:
            method(node)
        self._parents.append(node)
        for child in self._children(node):
            self.visit(child)
        self._parents.pop()
        self._contract, self._function = outside

    def _children(self, node: Node) -> Iterator[Node]:
        kind = node["nodeType"]
        for name, value in node.items():
            # What is assigned to, or deleted, is no value.
            if kind == "Assignment" and name == "leftHandSide":
                yield from self._indices(value)
            elif kind == "UnaryOperation" and node["operator"] in ("++", "--", "delete"):
                yield from self._indices(value) if name == "subExpression" else ()
            elif not (
                (kind == "ForStatement" and name == "loopExpression")
                or (kind == "YulForLoop" and name == "post")
                or (kind == "VariableDeclaration" and name != "value")
                or kind in ("Literal", "ModifierInvocation", "OverrideSpecifier")
                or self._is_constant(node)
            ):
                for child in value if isinstance(value, list) else [value]:
                    if isinstance(child, dict) and "nodeType" in child and name != "typeDescriptions":
                        yield child

    def _indices(self, node: Node | None) -> Iterator[Node]:
        if isinstance(node, dict):
            if node["nodeType"] == "IndexAccess":
                yield node["indexExpression"]
                yield from self._indices(node["baseExpression"])
            elif node["nodeType"] == "MemberAccess":
                yield from self._indices(node["expression"])

    # Noting

    def _span(self, node: Node) -> tuple[int, int]:
        start, length, _ = (int(part) for part in str(node["src"]).split(":"))
        return self._offsets[start], self._offsets[start + length]

    def _shown(self, node: Node) -> str:
        start, end = self._span(node)
        return self._text[start:end]

    def _add(self, node: Node, operator: str, replacement: str, form: Form = Form.EXPRESSION, cast: str = "") -> None:
        self._note(*self._span(node), operator, replacement, form, cast)

    def _note(self, start: int, end: int, operator: str, replacement: str, form: Form, cast: str = "") -> None:
        if not self._function and form is not Form.EXPRESSION:
            return
        where = ".".join(part for part in (self._contract, self._function) if part) or "file"
        line = self._text.count("\n", 0, start) + 1
        original = self._text[start:end]
        mutant = Mutant(self._file, where, operator, start, end, line, original, replacement)
        self.found.append(Change(mutant, form, cast))

    def _joined(self, node: Node, left: str, right: str, operator: str) -> str:
        """Return a binary operation with another operator, and everything between its operands kept."""
        (_, end), (start, _) = self._span(node[left]), self._span(node[right])
        between = self._text[end:start].replace(str(node["operator"]), operator, 1)
        return self._shown(node[left]) + between + self._shown(node[right])

    @staticmethod
    def _type(node: Node) -> str:
        return str(node.get("typeDescriptions", {}).get("typeString", ""))

    def _is_constant(self, node: Node) -> bool:
        """Return True for an expression of literals: it is changed as a whole."""
        return node["nodeType"] in ("BinaryOperation", "UnaryOperation") and self._type(node).startswith("int_const")

    # Solidity

    def _FunctionDefinition(self, node: Node) -> None:
        if not node.get("body"):
            return
        brace = self._span(node["body"])[0] + 1
        for each in node["modifiers"]:
            name = str(each["modifierName"]["name"])
            start, end = self._span(each)
            arguments = ", ".join(self._shown(argument) for argument in each.get("arguments") or [])
            check = _CHECKS.get(name, "").format(arguments) or self._modifiers.get(name, "")
            if check:
                # Its place is the body's begin, with the modifier's own text behind: see `schema`.
                where = f"{self._contract}.{self._function}"
                line = self._text.count("\n", 0, start) + 1
                mutant = Mutant(self._file, where, "modifier", start, end, line, self._text[start:end], "")
                self.found.append(Change(mutant, Form.BODY, f"{brace}:{check}"))

    def _ModifierDefinition(self, node: Node) -> None:
        body = self._shown(node["body"]).strip()
        match = re.fullmatch(r"\{(.*)_;\s*\}", body, re.DOTALL)
        if match and not node["parameters"]["parameters"]:
            self._modifiers[str(node["name"])] = match[1].strip()

    def _BinaryOperation(self, node: Node) -> None:
        if self._is_constant(node):
            self._constant(node)
            return
        operator = str(node["operator"])
        left, right = "leftExpression", "rightExpression"
        if operator in ("&&", "||"):
            self._add(node, "operand dropped", self._shown(node[left]))
            self._add(node, "operand dropped", self._shown(node[right]))
        elif operator in _COMPARISONS:
            name = "equality" if operator in ("==", "!=") else "boundary"
            if not (name == "equality" and self._is_whole_condition(node)):
                self._add(node, name, self._joined(node, left, right, _COMPARISONS[operator]))
            if name == "boundary" and not self._is_whole_condition(node):
                self._add(node, "negation", f"!({self._shown(node)})")
        elif operator in _ARITHMETIC:
            self._add(node, "arithmetic", self._joined(node, left, right, _ARITHMETIC[operator]))

    def _is_whole_condition(self, node: Node) -> bool:
        parent = self._parents[-1]
        return bool(parent["nodeType"] == "IfStatement" and parent["condition"]["src"] == node["src"])

    def _UnaryOperation(self, node: Node) -> None:
        if self._is_constant(node):
            self._constant(node)
        elif node["operator"] in ("!", "-", "~") and not self._is_whole_condition(node):
            self._add(node, "operator dropped", self._shown(node["subExpression"]))

    def _Literal(self, node: Node) -> None:
        if node["kind"] == "number":
            self._constant(node)
        elif node["kind"] == "bool":
            self._add(node, "literal", "false" if node["value"] == "true" else "true")
        elif node["kind"] == "string" and node["value"]:
            self._add(node, "literal", '""')

    def _Identifier(self, node: Node) -> None:
        # A constant of the contract, where it is used. A test of each bound has to meet it.
        name = str(node["name"])
        if re.fullmatch(r"[A-Z][A-Z0-9_]+", name) and re.fullmatch(r"u?int\d+", self._type(node)) and self._function:
            self._constant(node)

    def _MemberAccess(self, node: Node) -> None:
        name = str(node["memberName"])
        if re.fullmatch(r"[A-Z][A-Z0-9_]+", name) and re.fullmatch(r"u?int\d+", self._type(node)) and self._function:
            self._constant(node)

    def _constant(self, node: Node) -> None:
        """Add one to a number and take one from it."""
        text, parent = self._shown(node), self._parents[-1]
        if parent["nodeType"] == "ArrayTypeName" or not self._function:
            return
        cast = self._cast(node, parent)
        if node["nodeType"] == "Literal" and re.fullmatch(r"\d{1,9}", text):
            number = int(text)
            self._add(node, "constant", str(number + 1), cast=cast)
            if number > 1:
                self._add(node, "constant", str(number - 1), cast=cast)
        else:
            self._add(node, "constant", f"({text} + 1)", cast=cast)
            self._add(node, "constant", f"({text} - 1)", cast=cast)

    def _cast(self, node: Node, parent: Node) -> str:
        kind = parent["nodeType"]
        if kind == "BinaryOperation":
            common = str(parent["commonType"]["typeString"])
            if parent["operator"] in ("<<", ">>", "**"):
                common = self._type(parent) if parent["leftExpression"]["src"] == node["src"] else ""
            return common if _VALUE.fullmatch(common) else ""
        if kind == "FunctionCall" and parent["kind"] == "typeConversion":
            wanted = self._type(parent)
            if wanted.startswith("address"):
                return "uint160"
            if re.fullmatch(r"bytes\d+", wanted):
                return f"uint{8 * int(wanted[5:])}"
            return wanted if _VALUE.fullmatch(wanted) else ""
        if kind == "Conditional":
            return self._type(parent) if _VALUE.fullmatch(self._type(parent)) else ""
        return ""

    def _IfStatement(self, node: Node) -> None:
        condition = node["condition"]
        for value in ("true", "false"):
            self._add(condition, "condition", value)

    def _WhileStatement(self, node: Node) -> None:
        self._add(node["condition"], "condition", "false")

    def _ForStatement(self, node: Node) -> None:
        if node.get("condition"):
            self._add(node["condition"], "condition", "false")

    def _DoWhileStatement(self, node: Node) -> None:
        self._add(node["condition"], "condition", "false")

    def _Conditional(self, node: Node) -> None:
        condition, yes, no = (self._shown(node[name]) for name in ("condition", "trueExpression", "falseExpression"))
        self._add(node, "branches swapped", f"{condition} ? {no} : {yes}")

    def _Assignment(self, node: Node) -> None:
        operator = str(node["operator"])
        if operator in _ASSIGNMENTS and self._parents[-1]["nodeType"] == "ExpressionStatement":
            text = self._joined(node, "leftHandSide", "rightHandSide", _ASSIGNMENTS[operator])
            self._statement(self._parents[-1], "assignment", text + ";")

    def _ExpressionStatement(self, node: Node) -> None:
        if self._parents[-1]["nodeType"] not in ("ForStatement", "TryStatement"):
            self._statement(node, "removed", "{}")

    def _EmitStatement(self, node: Node) -> None:
        self._statement(node, "removed", "{}")

    def _RevertStatement(self, node: Node) -> None:
        # Below an `if`, a condition of `false` is the same.
        parent = self._parents[-1]
        if parent["nodeType"] != "IfStatement" or parent.get("falseBody"):
            self._statement(node, "removed", "{}")

    def _statement(self, node: Node, operator: str, replacement: str) -> None:
        """Add a change of a statement, whose node ends before its semicolon."""
        start, end = self._span(node)
        if end < len(self._text) and self._text[end] == ";":
            end += 1
        self._note(start, end, operator, replacement, Form.STATEMENT)

    def _Return(self, node: Node) -> None:
        value = node.get("expression")
        if not value or value["nodeType"] in ("Literal", "TupleExpression", "Conditional"):
            return
        kind = self._type(value)
        if kind == "bool":
            if value["nodeType"] != "BinaryOperation":
                self._add(value, "return value", f"!({self._shown(value)})")
        elif re.fullmatch(r"u?int\d+", kind) or re.fullmatch(r"bytes\d+|address", kind):
            self._add(value, "return value", f"{kind}(0)")

    # Assembly

    def _YulFunctionCall(self, node: Node) -> None:
        name, arguments = str(node["functionName"]["name"]), [self._shown(each) for each in node["arguments"]]
        if name in _YUL:
            self._yul(node, "arithmetic", f"{_YUL[name]}({', '.join(arguments)})")
        if name in ("lt", "gt", "slt", "sgt"):
            opposite = {"lt": "gt", "gt": "lt", "slt": "sgt", "sgt": "slt"}[name]
            self._yul(node, "boundary", f"iszero({opposite}({', '.join(arguments)}))")
        if name in ("iszero", "not"):
            self._yul(node, "operator dropped", arguments[0])
        if name == "signextend":
            self._yul(node, "operator dropped", arguments[1])

    def _YulLiteral(self, node: Node) -> None:
        if node["kind"] == "number" and self._parents[-1]["nodeType"] != "YulCase":
            text = self._shown(node)
            number = int(text, 0)
            self._yul(node, "constant", hex(number + 1) if text.startswith("0x") else str(number + 1))
            if number > 1:
                self._yul(node, "constant", hex(number - 1) if text.startswith("0x") else str(number - 1))

    def _YulIf(self, node: Node) -> None:
        for value in ("1", "0"):
            self._yul(node["condition"], "condition", value)

    def _YulExpressionStatement(self, node: Node) -> None:
        self._add(node, "removed", "{}", Form.YUL_STATEMENT)

    def _YulAssignment(self, node: Node) -> None:
        self._add(node, "removed", "{}", Form.YUL_STATEMENT)

    def _yul(self, node: Node, operator: str, replacement: str) -> None:
        # Both values are computed, so neither may have an effect.
        has_effect = any(effect in self._shown(node) for effect in _YUL_EFFECTS)
        self._add(node, operator, replacement, Form.ALONE if has_effect else Form.YUL_EXPRESSION)
