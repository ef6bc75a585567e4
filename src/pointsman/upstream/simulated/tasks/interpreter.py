"""An interpreter for the small part of Python in which the code tracing tasks are written.

Strategy: walk the syntax tree; names, integers, lists, ``for`` over ``range`` or a list, ``if``, ``+= -= =``, ``append``,
``len``, and one final ``print``. Laws: no other construct is run, no call leaves this file, and steps and sizes are bounded,
because the text comes from whoever sends a request.
"""

import ast
import operator
from collections.abc import Callable, Sequence
from typing import Final

Value = int | list[int]

_STEPS: Final = 2_000
_LARGEST: Final = 10**12
_OPERATORS: Final[dict[type[ast.operator], Callable[[int, int], int]]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}  # fmt: skip
_COMPARISONS: Final[dict[type[ast.cmpop], Callable[[int, int], bool]]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.Gt: operator.gt, ast.LtE: operator.le,
    ast.GtE: operator.ge,
}  # fmt: skip


class NotTraceableError(Exception):
    """The code is not of the kind that is traced here, or runs for too long."""


class Run:
    """One run of a program: what it printed, and how many statements it took."""

    def __init__(self, code: str) -> None:
        self.names: dict[str, Value] = {}
        self.printed: list[int] = []
        self.steps = 0
        try:
            self._block(ast.parse(code).body)
        except (SyntaxError, ValueError, ZeroDivisionError, IndexError, KeyError, RecursionError, MemoryError) as error:
            raise NotTraceableError(type(error).__name__) from error

    def _block(self, statements: Sequence[ast.stmt]) -> None:
        for statement in statements:
            self.steps += 1
            if self.steps > _STEPS:
                raise NotTraceableError("too many steps")
            self._statement(statement)

    def _statement(self, statement: ast.stmt) -> None:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self.names[name] = self._value(value)
            case ast.AugAssign(target=ast.Name(id=name), op=op, value=value):
                self.names[name] = _compute(op, self._known(name), self._number(value))
            case ast.For(target=ast.Name(id=name), iter=over, body=body, orelse=[]):
                for item in self._items(over):
                    self.names[name] = item
                    self._block(body)
            case ast.If(test=ast.Compare(left=left, ops=[op], comparators=[right]), body=body, orelse=orelse):
                compare = _COMPARISONS.get(type(op))
                if compare is None:
                    raise NotTraceableError("comparison")
                self._block(body if compare(self._number(left), self._number(right)) else orelse)
            case ast.Expr(value=ast.Call(func=ast.Name(id="print"), args=[value], keywords=[])):
                self.printed.append(self._number(value))
            case ast.Expr(
                value=ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="append"), args=[value], keywords=[])
            ):
                self._listed(name).append(self._number(value))
            case _:
                raise NotTraceableError(type(statement).__name__)

    def _items(self, over: ast.expr) -> Sequence[int]:
        match over:
            case ast.Call(func=ast.Name(id="range"), args=[*bounds], keywords=[]) if 1 <= len(bounds) <= 3:
                return range(*(self._number(bound) for bound in bounds))
            case ast.Name(id=name):
                return tuple(self._listed(name))
        raise NotTraceableError("loop")

    def _value(self, expression: ast.expr) -> Value:
        if isinstance(expression, ast.List):
            return [self._number(item) for item in expression.elts]
        return self._number(expression)

    def _number(self, expression: ast.expr) -> int:
        match expression:
            case ast.Constant(value=value) if type(value) is int:
                return value
            case ast.Name(id=name):
                return self._known(name)
            case ast.BinOp(left=left, op=op, right=right):
                return _compute(op, self._number(left), self._number(right))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self._number(operand)
            case ast.Subscript(value=ast.Name(id=name), slice=place):
                return self._listed(name)[self._number(place)]
            case ast.Call(func=ast.Name(id="len"), args=[ast.Name(id=name)], keywords=[]):
                return len(self._listed(name))
        raise NotTraceableError(type(expression).__name__)

    def _known(self, name: str) -> int:
        value = self.names[name]
        if isinstance(value, list):
            raise NotTraceableError("a list where a number belongs")
        return value

    def _listed(self, name: str) -> list[int]:
        value = self.names[name]
        if not isinstance(value, list):
            raise NotTraceableError("a number where a list belongs")
        return value


def _compute(op: ast.operator, left: int, right: int) -> int:
    compute = _OPERATORS.get(type(op))
    result = compute(left, right) if compute else None
    if result is None or abs(result) > _LARGEST:
        raise NotTraceableError("operator" if compute is None else "the number is too large")
    return result
