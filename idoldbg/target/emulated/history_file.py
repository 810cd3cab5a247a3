"""Histories of emulated boards as files: what `idoldbg replay` opens.

Packed JSON: how the board was made, and all inputs since. Such a file is untrusted: operations and
their arguments are checked, it names no code to load, and whoever replays it has a limit.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from idol.records import dataclass
from idol.whole_file import write_whole
from idoldbg.build.load.files import read_regular
from idoldbg.errors import ArgumentError, LinkError
from idoldbg.model.archive import Archive

if TYPE_CHECKING:
    from idoldbg.target.emulated.emu import EmulatedBoard

__all__ = ["Recording", "encode_history", "read_history", "write_history"]

SCHEMA = "idoldbg.history/1"
MOST_BYTES = 64 << 20
_MOST_READ = 4 << 20
_MAGIC = b"IDHI"

# Operation → the kinds of its arguments: n number, b bytes, s name, r register, v plain value,
# l list, d dict, f flash segments; those after `?` may be left out.
_OPERATIONS = {
    "ran": "",
    "write": "nb",
    "_write_mixed": "nb",
    "_read_mixed": "nn",
    "flash": "f",
    "reset": "?v",
    "halt": "",
    "resume": "",
    "step": "",
    "write_register": "rn",
    "set_breakpoint": "n",
    "clear_breakpoint": "n",
    "uart_feed": "sb",
    "set_device": "ssv",
    "call_device": "ssld",
    "i2c_transfer": "snbn",
    "inject": "d",
}


@dataclass(frozen=True, slots=True)
class Recording:
    """A history as read from a file.

    `archive` is the path of the build, `image_id` hexadecimal or ""; `board` the name of a bundled
    board, None for one of the user's own. `end` is the last cycle.
    """

    archive: str
    image_id: str
    board: str | None
    board_name: str
    end: int
    entries: list[tuple[int, str, tuple[object, ...]]]


def encode_history(board: EmulatedBoard, archive: Archive) -> bytes:
    """Return a board's past up to now; raise `LinkError` where it is not known whole."""
    history = board.history
    if history.is_full or not history.begins_at_start:
        raise LinkError(
            "the board's history does not go back to its start: it had too many inputs, or began "
            "with the snapshot of another",
            link="emu",
        )
    entries = history.until_now(board.cycles)
    head = {
        "schema": SCHEMA,
        "archive": str(Path(archive.path).absolute()),
        "image_id": archive.image_id.hex() if archive.image_id else "",
        "board": None if board.board.folder else board.board.name,
        "board_name": board.board.name,
        "end": board.cycles,
        "entries": [[c, o, [_encode(a) for a in arguments]] for c, o, arguments in entries],
    }
    return _MAGIC + zlib.compress(json.dumps(head, separators=(",", ":")).encode(), 6)


def write_history(path: Path, board: EmulatedBoard, archive: Archive) -> None:
    """Write a board's past to a file."""
    data = encode_history(board, archive)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, data)


def _encode(value: object) -> object:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes | bytearray):
        return {"b": bytes(value).hex()}
    if isinstance(value, list | tuple):
        return [_encode(each) for each in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"d": {key: _encode(each) for key, each in value.items()}}
    raise LinkError(
        f"the history cannot be written: a device was given a {type(value).__name__}, which is not "
        "a plain value",
        link="emu",
    )


def read_history(path: str) -> Recording:
    """Read a history; raise `ArgumentError` for what is not one."""
    try:
        data = read_regular(path, MOST_BYTES)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ArgumentError(f"{path}: cannot be read: {reason}", name="FILE") from None
    if not data.startswith(_MAGIC):
        raise _wrong(path, "it is not a history of an emulated board")
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(data[len(_MAGIC) :], MOST_BYTES)
        if unpacker.unconsumed_tail or not unpacker.eof:
            raise _wrong(path, "it is cut off or too large")
        head: Any = json.loads(text)
    except (zlib.error, ValueError, RecursionError) as error:
        raise _wrong(path, f"it is damaged ({error})") from None
    return _decode_head(head, path)


def _wrong(path: str, why: str) -> ArgumentError:
    return ArgumentError(f"{path}: {why}", name="FILE")


def _decode_head(head: Any, path: str) -> Recording:
    if not isinstance(head, dict) or head.get("schema") != SCHEMA:
        raise _wrong(path, f"its schema is not {SCHEMA}")
    archive, image_id, name = head.get("archive"), head.get("image_id"), head.get("board_name")
    board, end, entries = head.get("board"), head.get("end"), head.get("entries")
    if not (isinstance(archive, str) and isinstance(image_id, str) and isinstance(name, str)):
        raise _wrong(path, "it does not say which build and board it is of")
    if not (board is None or isinstance(board, str)) or not isinstance(end, int):
        raise _wrong(path, "it does not say which build and board it is of")
    if not _is_number(end, 1 << 63) or not isinstance(entries, list):
        raise _wrong(path, "it has no entries")
    decoded = []
    last = 0
    for index, entry in enumerate(entries):
        found = _decode_entry(entry)
        if found is None or found[0] < last or found[0] > end:
            raise _wrong(path, f"entry {index} is not an input of a board")
        last = found[0]
        decoded.append(found)
    return Recording(archive, image_id, board, name, end, decoded)


def _decode_entry(entry: object) -> tuple[int, str, tuple[object, ...]] | None:
    if not isinstance(entry, list) or len(entry) != 3:
        return None
    cycle, operation, given = entry
    kinds = _OPERATIONS.get(operation) if isinstance(operation, str) else None
    if kinds is None or not _is_number(cycle, 1 << 63) or not isinstance(given, list):
        return None
    needed, _, optional = kinds.partition("?")
    if not len(needed) <= len(given) <= len(needed + optional):
        return None
    try:
        arguments = tuple(_decode(each) for each in given)
    except (ValueError, RecursionError):
        return None
    if not all(
        _fits(kind, value)
        for kind, value in zip((needed + optional)[: len(arguments)], arguments, strict=True)
    ):
        return None
    if operation in ("_read_mixed", "i2c_transfer") and not _is_number(arguments[-1], _MOST_READ):
        return None
    return cycle, operation, arguments


def _decode(value: Any) -> object:
    if isinstance(value, list):
        return [_decode(each) for each in value]
    if isinstance(value, dict):
        (kind,) = value
        if kind == "b":
            return bytes.fromhex(value["b"])
        if kind == "d" and isinstance(value["d"], dict):
            return {key: _decode(each) for key, each in value["d"].items()}
        raise ValueError(kind)
    return value


def _is_number(value: object, limit: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < limit


def _fits(kind: str, value: object) -> bool:
    match kind:
        case "n":
            return _is_number(value, 1 << 32)
        case "b":
            return isinstance(value, bytes)
        case "s":
            return isinstance(value, str) and not value.startswith("_")
        case "r":
            return isinstance(value, str) or _is_number(value, 128)
        case "l":
            return isinstance(value, list)
        case "d":
            return isinstance(value, dict)
        case "f":
            return isinstance(value, list) and all(
                isinstance(s, list) and len(s) == 2 and _fits("n", s[0]) and _fits("b", s[1])
                for s in value
            )
    return True
