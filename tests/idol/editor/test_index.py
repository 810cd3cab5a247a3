"""The search for types through Rust code, and the files of a workspace."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from idol.editor import index, workspace
from idol.editor.index import RustIndex, show_definition
from idol.editor.workspace import Workspace

RUST = """\
use core::fmt;

/// A color.
///
/// Of light.
#[derive(Copy, Clone)]
pub enum Color { Red, Green }

pub(crate) struct Hidden(u8);
struct Private;
pub union Bits { a: u8, b: i8 }
pub type Level = u8;
pub struct r#Raw;

mod inner {
    pub struct Nested<T> {
        field: T,
    }
    impl X for Nested<u8> {
        type Error = u8;
    }
}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("drv-a-api", "drv-b-api"):
        crate = tmp_path / name
        (crate / "src").mkdir(parents=True)
        (crate / "Cargo.toml").write_text(f'[workspace]\n[package]\nname = "{name}"\n[lib]\n')
    (tmp_path / "drv-a-api/src/lib.rs").write_text(RUST)
    (tmp_path / "drv-b-api/src/lib.rs").write_text("pub enum Color { Blue }\n")
    (tmp_path / "target").mkdir()
    (tmp_path / "target/out.rs").write_text("pub struct Generated;\n")
    (tmp_path / "light.idol").write_text(
        'Interface(name: "L", ops: {"a": (args: {"x": "drv_a_api::Color", "y": "Own"}, '
        'reply: Result(ok: "u8", err: ServerDeath))})'
    )
    return tmp_path


def scan(folder: Path) -> RustIndex:
    found = RustIndex()
    found.scan([str(folder)])
    return found


def test_finds_types_with_their_crates(folder: Path) -> None:
    found = scan(folder)
    assert sorted(d.qualified for ds in found.names.values() for d in ds) == [
        *("drv_a_api::Bits", "drv_a_api::Color", "drv_a_api::Hidden", "drv_a_api::Level"),
        *("drv_a_api::Nested", "drv_a_api::Private", "drv_a_api::Raw", "drv_b_api::Color"),
    ]
    assert found.idol_files == {str(folder / "light.idol")}


def test_the_crate_of_a_path_decides(folder: Path) -> None:
    found = scan(folder)
    assert [d.crate for d in found.find(("drv_b_api", "Color"))] == ["drv_b_api"]
    assert [d.crate for d in found.find(("Color",))] == ["drv_a_api", "drv_b_api"]
    # Re-exported by a crate that does not define it: both may be meant.
    assert len(found.find(("other", "Color"))) == 2
    assert found.find(("drv_a_api", "Nothing")) == []


def test_shows_comment_and_text_of_a_definition(folder: Path) -> None:
    [definition] = scan(folder).find(("drv_a_api", "Nested"))
    assert show_definition(definition) == (
        "",
        "    pub struct Nested<T> {\n        field: T,\n    }",
    )
    [definition] = scan(folder).find(("drv_a_api", "Color"))
    assert show_definition(definition) == ("A color.\n\nOf light.", "pub enum Color { Red, Green }")


def test_a_file_is_read_again_and_forgotten(folder: Path) -> None:
    found = scan(folder)
    path = folder / "drv-b-api/src/lib.rs"
    path.write_text("pub enum Hue { Blue }\n")
    found.update(str(path))
    assert found.find(("drv_b_api", "Hue")) and not [
        d for d in found.find(("Color",)) if d.crate == "drv_b_api"
    ]
    path.unlink()
    found.update(str(path))
    found.forget(str(folder / "light.idol"))
    assert not found.find(("Hue",)) and not found.idol_files


def test_strange_files_do_not_hold_it_up(folder: Path) -> None:
    os.mkfifo(folder / "pipe.rs")
    (folder / "binary.rs").write_bytes(b"pub struct X\xff;")
    with (folder / "large.rs").open("wb") as file:
        file.truncate(index.MAX_SIZE + 1)
    (folder / "loop").symlink_to(folder)
    (folder / "gone.rs").symlink_to(folder / "nowhere.rs")
    assert not scan(folder).find(("X",))


def test_ends_at_its_limit_and_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "MAX_FILES", 1)
    assert scan(folder).limit == "more than 1 Rust files: the rest is not searched"
    monkeypatch.setattr(index, "MAX_FOLDERS", 1)
    found = RustIndex()
    found.scan([str(folder)])
    assert found.limit is not None and "folders" in found.limit


def test_ends_when_cancelled(folder: Path) -> None:
    found = RustIndex()
    found.scan([str(folder)], lambda: True)
    assert not found.names and not found.idol_files


def test_known_types_are_those_in_use_then_those_of_rust(folder: Path) -> None:
    files = Workspace()
    files.index.scan([str(folder)])
    files.open("file:///open.idol", 'Interface(name: "O", ops: {"a": (reply: Simple("Seen"))})', 1)
    names = [name for name, _ in files.known_types()]
    assert names[:3] == ["Seen", "drv_a_api::Color", "Own"]
    assert "drv_a_api::Level" in names and "drv_a_api::Private" not in names
    assert len(names) == len(set(names))


def test_neighbours_of_an_open_file_count_without_a_folder(folder: Path) -> None:
    files = Workspace()
    path = folder / "open.idol"
    path.write_text("on disk")
    files.open("file:///o", "in the editor", 1, str(path))
    assert [d.text[:9] for d in files.idol_documents()] == ["in the ed", "Interface"]
    files.close("file:///o")
    assert list(files.idol_documents()) == []


def test_files_are_read_again_only_when_they_change(folder: Path) -> None:
    files = Workspace()
    files.index.scan([str(folder)])
    [first] = files.idol_documents()
    assert next(files.idol_documents()) is first
    (folder / "light.idol").write_text("Interface()")
    assert next(files.idol_documents()).text == "Interface()"


def test_all_files_together_have_a_limit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "second.idol").write_text("Interface()")
    files = Workspace()
    files.index.scan([str(folder)])
    size = len((folder / "light.idol").read_text())
    monkeypatch.setattr(workspace, "MAX_CHARACTERS", size + 5)
    assert len(list(files.idol_documents())) == 1
