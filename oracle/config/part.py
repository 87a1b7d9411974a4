"""The part of a configuration that can be read, although something in it is wrong.

pydantic compares keys with each other only once each of them is right by itself. So a file with two kinds of mistakes
would tell the second kind only after the first is mended. Here the checks are made anyway, with the keys that can be
read. A check that needs another key ends there: that key's own problem is told.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from oracle.core.settings import Section, Unreadable

__all__ = ["read_part"]

Location = tuple[str | int, ...]

Table = TypeVar("Table", bound=Section)


def read_part(table: type[Table], data: Mapping[str, Any], context: Any) -> tuple[Table, list[tuple[Location, str]]]:
    """Return the part of a table that can be read, and what is wrong between its keys.

    Args:
        table: The table's class.
        data: Its content, of which something is wrong.
        context: The context of validation.

    Returns:
        The table, whose other keys raise `Unreadable`; and the paths of keys with what is wrong. What is wrong with a
        single key is not among it.
    """
    reader = _Reader(context)
    return reader.table(table, data, ()), reader.found


class _Reader:
    def __init__(self, context: Any) -> None:
        self._context = context
        self.found: list[tuple[Location, str]] = []

    def table(self, table: type[Table], data: Mapping[str, Any], where: Location) -> Table:
        validators = table.__pydantic_decorators__.model_validators
        for name, each in validators.items():
            if each.info.mode == "before":
                data = getattr(table, name)(data)
        values: dict[str, Any] = {}
        for name, field in table.model_fields.items():
            if name in data:
                self._key(name, field, data[name], where, values)
        misspelt = set(table.unknown_keys(data).values())
        is_whole = not misspelt and all(
            name in values for name, field in table.model_fields.items() if name in data or field.is_required()
        )
        for name, field in table.model_fields.items():
            # Not known is the default of a key that is there misspelt, or that follows from one that is wrong.
            if name in data or name in misspelt or field.is_required():
                continue
            if is_whole or not _follows(field):
                values[name] = field.get_default(call_default_factory=True, validated_data=values)
        part = table.__new__(table)
        object.__setattr__(part, "__dict__", values)
        object.__setattr__(part, "__pydantic_fields_set__", {name for name in values if name in data})
        object.__setattr__(part, "__pydantic_extra__", None)
        object.__setattr__(part, "__pydantic_private__", None)
        for name, each in validators.items():
            if each.info.mode == "after":
                self._check(part, name, where)
        return part

    def _key(self, name: str, field: FieldInfo, value: Any, where: Location, values: dict[str, Any]) -> None:
        kind: Any = field.annotation
        try:
            adapter = TypeAdapter[Any](Annotated[(kind, *field.metadata)] if field.metadata else kind)
            values[name] = adapter.validate_python(value, strict=True, context=self._context)
        except ValidationError:
            part = self._value(kind, value, (*where, name))
            if part is not None:
                values[name] = part

    def _value(self, kind: Any, value: Any, where: Location) -> Any:
        """Return the part of a value that can be read; None if nothing can."""
        if get_origin(kind) is Annotated:
            return self._value(get_args(kind)[0], value, where)
        if get_origin(kind) is tuple and isinstance(value, tuple):
            items = [self._item(get_args(kind)[0], each, (*where, index)) for index, each in enumerate(value)]
            return None if None in items else tuple(items)  # another item must not get its number
        if get_origin(kind) in (Union, UnionType):
            tables = [each for each in get_args(kind) if inspect.isclass(each) and issubclass(each, Section)]
            kind = next((each for each in tables if len(tables) == 1 or _is_of(each, value)), None)
        if inspect.isclass(kind) and issubclass(kind, Section) and isinstance(value, Mapping):
            return self.table(kind, value, where)
        return None

    def _item(self, kind: Any, value: Any, where: Location) -> Any:
        try:
            return TypeAdapter[Any](kind).validate_python(value, strict=True, context=self._context)
        except ValidationError:
            return self._value(kind, value, where)

    def _check(self, part: Section, name: str, where: Location) -> None:
        try:
            getattr(part, name)()
        except Unreadable:
            pass
        except PydanticCustomError as error:
            self.found.append((where, error.message()))
        except ValidationError as error:
            for each in error.errors(include_url=False, include_input=False):
                self.found.append(((*where, *each["loc"]), each["msg"]))
                _forget(part, each["loc"])  # what would follow from its value need not be told, too


def _forget(part: Section, where: Location) -> None:
    """Make the key at a path unreadable."""
    found: Any = part
    for each in where[:-1]:
        found = found[each] if isinstance(each, int) else getattr(found, each)
    if where and isinstance(found, Section):
        found.__dict__.pop(str(where[-1]), None)


def _follows(field: FieldInfo) -> bool:
    return field.default_factory is not None and bool(field.default_factory_takes_validated_data)


def _is_of(table: type[Section], value: Any) -> bool:
    """Return True if a value says by its `type` that it is of a table's kind."""
    kind = table.model_fields.get("type")
    return kind is not None and isinstance(value, Mapping) and value.get("type") in get_args(kind.annotation)
