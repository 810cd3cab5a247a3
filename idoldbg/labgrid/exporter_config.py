"""The exporter's configuration file, checked before anything is offered to the lab.

labgrid takes a Jinja template that makes YAML: places (which labgrid calls groups), in each the
resources by class. Whatever is wrong with it raises `ArgumentError` with the file, the place, the
resource and the key. What labgrid would only find when it makes a resource is found here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import attr
import jinja2
import yaml
from jinja2.sandbox import SandboxedEnvironment
from labgrid.util.yaml import Loader

from idol.near import near_misses
from idol.printable import printable
from idoldbg.build.load.files import read_regular
from idoldbg.errors import ArgumentError, NotFound, TargetFileError
from idoldbg.labgrid.resources import IdoldbgEmulatedBoard, IdoldbgProbe
from idoldbg.target.board_files import load_board

__all__ = ["CLASSES", "ExporterConfig"]

CLASSES = {"IdoldbgProbe": IdoldbgProbe, "IdoldbgEmulatedBoard": IdoldbgEmulatedBoard}
MAX_SIZE = 256 << 10  # bytes of the file, and characters that its template makes
MAX_NODES = 10_000  # keys and values, also those that come from an alias
MAX_DEPTH = 20
MAX_TEXT = 4096  # characters of one value: as long as a path

_TAG = "tag:yaml.org,2002:"
_STRING = f"{_TAG}str"
_PLAIN = {f"{_TAG}{kind}" for kind in ("bool", "int", "float", "timestamp", "merge", "value")}


class ExporterConfig:
    """Form of labgrid's `ResourceConfig`: `data` maps places to their resources' parameters."""

    def __init__(self, filename: str, template_env: Mapping[str, Any] | None = None) -> None:
        self.filename = filename
        text = _render(filename, dict(template_env or {}))
        try:
            _check_size(text)
            loaded = _Loader(text).load()
        except Exception as error:  # noqa: BLE001  PyYAML trips over what a tag does not fit
            _fail(filename, _yaml_message(error))
        self.data: dict[str, dict[str, Any]] = _check(loaded, filename)


def _fail(place: str, message: str) -> NoReturn:
    raise ArgumentError(f"{place}: {message}", name="configuration")


# -- text ----------------------------------------------------------------------------------------


def _render(filename: str, values: dict[str, Any]) -> str:
    """Fill the template in, as labgrid does; it can reach nothing but `values`."""
    path = Path(filename)
    try:
        source = read_regular(path, MAX_SIZE).decode()
    except UnicodeDecodeError:
        _fail(filename, "not UTF-8 text")
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        _fail(filename, f"cannot be read: {getattr(error, 'strerror', None) or error}")
    environment = SandboxedEnvironment(
        loader=jinja2.FileSystemLoader(path.parent),
        line_statement_prefix="#",
        line_comment_prefix="##",
    )
    drop_ins = sorted(path.parent.glob(f"{path.name}.d/*.yaml"))
    values["drop_ins"] = [str(found.relative_to(path.parent)) for found in drop_ins]
    parts: list[str] = []
    size = 0
    try:
        for part in environment.from_string(source).generate(values):
            size += len(part)
            if size > MAX_SIZE:
                _fail(filename, f"its template makes more than {MAX_SIZE} characters")
            parts.append(part)
    except jinja2.TemplateSyntaxError as error:
        _fail(filename, f"line {error.lineno}: {error.message}; {_JINJA}")
    except ArgumentError:
        raise
    except Exception as error:  # noqa: BLE001  an expression can raise anything
        _fail(filename, f"{str(error) or type(error).__name__}; {_JINJA}")
    return "".join(parts)


_JINJA = (
    "the file is a Jinja template, in which a line that begins with # is a statement and one with "
    "## a comment"
)


def _yaml_message(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    if not isinstance(error, yaml.YAMLError | ValueError):
        problem = "a value is not of the kind that its tag says"
    where = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
    return f"{where}{problem:.300}"


# -- YAML ----------------------------------------------------------------------------------------


class _Loader(Loader):
    """labgrid's YAML, bounded; what our resources are given stays the text that stands there.

    The serial numbers of most probes are digits: YAML would make numbers of them, and of those
    that begin with a zero another number, in octal.
    """

    def load(self) -> Any:
        """Return the document's value."""
        try:
            node = self.get_single_node()
            if node is None:
                return None
            for count, (inner, depth) in enumerate(_walk(node, 0)):
                _check_limits(count, depth)
                _refuse_duplicates(inner)
            for resource in _own_resources(node):
                _keep_strings(resource)
            return self.construct_document(node)
        finally:
            self.dispose()


def _check_size(text: str) -> None:
    """Raise `YAMLError` for what takes long to compose; this ends where that begins."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader)):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        _check_limits(count // 2, depth)


def _check_limits(count: int, depth: int) -> None:
    if count >= MAX_NODES:
        raise yaml.YAMLError(f"more than {MAX_NODES} keys and values")
    if depth > MAX_DEPTH:
        raise yaml.YAMLError(f"nested more than {MAX_DEPTH} deep")


def _walk(node: yaml.Node, depth: int) -> Iterator[tuple[yaml.Node, int]]:
    """Yield all nodes, those that aliases stand for once for each; the caller stops in time."""
    yield node, depth
    for entry in node.value if not isinstance(node, yaml.ScalarNode) else ():
        for inner in entry if isinstance(entry, tuple) else (entry,):
            yield from _walk(inner, depth + 1)


def _refuse_duplicates(node: yaml.Node) -> None:
    if not isinstance(node, yaml.MappingNode):
        return
    seen = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.MarkedYAMLError(problem="a key is a plain text", problem_mark=key.start_mark)
        if key.value in seen:
            raise yaml.MarkedYAMLError(
                problem=f"`{key.value}` is there twice", problem_mark=key.start_mark
            )
        seen.add(key.value)


def _own_resources(node: yaml.Node) -> Iterator[yaml.MappingNode]:
    for group in _members(node).values():
        for name, resource in _members(group).items():
            cls = _members(resource).get("cls")
            made = cls.value if isinstance(cls, yaml.ScalarNode) else name
            if made in CLASSES and isinstance(resource, yaml.MappingNode):
                yield resource


def _members(node: yaml.Node) -> dict[str, yaml.Node]:
    return (
        {key.value: value for key, value in node.value}
        if isinstance(node, yaml.MappingNode)
        else {}
    )


def _keep_strings(resource: yaml.MappingNode) -> None:
    for _, value in resource.value:
        if isinstance(value, yaml.ScalarNode) and value.tag in _PLAIN:
            value.tag = _STRING


# -- what it says --------------------------------------------------------------------------------


def _check(loaded: Any, filename: str) -> dict[str, dict[str, Any]]:
    if not isinstance(loaded, dict):
        _fail(filename, f"expected places with their resources, not {_kind(loaded)}")
    places: dict[str, dict[str, Any]] = {}
    for group, resources in loaded.items():
        name = _check_name(group, filename, "a place")
        where = f"{filename}: place `{name}`"
        if not isinstance(resources, dict):
            _fail(where, f"expected resources by class, not {_kind(resources)}")
        places[name] = {}
        for resource, parameters in resources.items():
            if resource in CLASSES and parameters is None:  # labgrid would leave it out
                parameters = {}
            _check_name(resource, where, "a resource")
            if resource != "location" and parameters is not None:
                _check_resource(str(resource), parameters, where)
            places[name][str(resource)] = parameters
    return places


def _check_name(name: Any, where: str, what: str) -> str:
    text = str(name)
    if not text or not text.isprintable():
        _fail(where, f"`{printable(text)}` cannot name {what}")
    return text


def _check_resource(name: str, parameters: Any, place: str) -> None:
    where = f"{place}: {name}"
    if not isinstance(parameters, dict):
        _fail(where, f"expected parameters by name, not {_kind(parameters)}")
    cls = parameters.get("cls", name)
    if not isinstance(cls, str):
        _fail(where, f"`cls` is the name of a resource class, not {_kind(cls)}")
    if cls not in CLASSES:
        near = near_misses(cls, CLASSES)
        if cls.startswith("Idoldbg") or near:
            hint = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(CLASSES)}"
            _fail(where, f"no resource class `{printable(cls)}`; {hint}")
        return
    _check_parameters(cls, {k: v for k, v in parameters.items() if k != "cls"}, where)


def _check_parameters(cls: str, parameters: dict[Any, Any], where: str) -> None:
    fields = {f.name: f for f in attr.fields(CLASSES[cls]) if f.name not in ("target", "name")}
    known = [name for name, field in fields.items() if field.init and name not in _LABGRIDS]
    for key in parameters:
        if key not in known:
            near = near_misses(str(key), known)
            hint = f"did you mean `{near[0]}`?" if near else f"{cls} has {', '.join(known)}"
            _fail(where, f"unknown key `{printable(str(key))}`; {hint}")
    for key in known:
        value = parameters.get(key)
        if value is None and (key in parameters or fields[key].default is attr.NOTHING):
            if fields[key].default is attr.NOTHING:
                state = "is empty" if key in parameters else "is missing"
                _fail(where, f"`{key}` {state}")
        elif value is not None and not isinstance(value, str):
            _fail(where, f"`{key}` should be a string, not {_kind(value)}")
        elif value is not None and (not value.strip() or not value.isprintable()):
            _fail(where, f"`{key}` is `{printable(value)[:60]}`: give printable text")
        elif value is not None and len(value) > MAX_TEXT:
            _fail(where, f"`{key}` has {len(value)} characters: at most {MAX_TEXT} are allowed")
    if parameters.get("board") is not None:
        _check_board(cls, parameters["board"], where)


_LABGRIDS = ("parent", "state", "avail")  # of every resource


def _check_board(cls: str, name: str, where: str) -> None:
    try:
        board = load_board(name)
    except (NotFound, TargetFileError) as error:
        _fail(where, f"`board`: {error}")
    if board.emulation is None and cls == "IdoldbgEmulatedBoard":
        _fail(where, f"`board`: `{name}` cannot be emulated; `idoldbg boards` says which can")


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    return f"`{printable(str(value))[:60]}`"
