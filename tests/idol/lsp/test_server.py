"""The language server as editors meet it: a process, and pytest-lsp's client at its pipes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

pytest_lsp = pytest.importorskip("pytest_lsp")
import pytest_asyncio  # noqa: E402  # comes with it
from lsprotocol import types as lsp  # noqa: E402

from idol.editor.document import MAX_LENGTH  # noqa: E402
from idol.editor.places import Encoding, Lines  # noqa: E402
from idol.source import Span  # noqa: E402

LIMIT_S = 60.0

GOOD = """\
Interface(
    name: "Light",
    ops: {
        "set": (
            doc: "Sets it. \U0001f600é",
            args: {"color": (type: "drv_light_api::Color", recv: FromPrimitive("u8"))},
            reply: Result(ok: "()", err: CLike("drv_light_api::LightError")),
        ),
    },
)
"""
RUST = "/// Red or so.\npub enum Color {\n    Red = 1,\n}\n"


class Editor:
    """A client with a workspace."""

    def __init__(self, client: Any, root: Path, encoding: Encoding) -> None:
        self.client = client
        self.root = root
        self.encoding = encoding
        self.contents: dict[str, str] = {}
        self.version = 0

    def open(self, text: str, name: str = "light.idol") -> str:
        """Open a text and return its URI."""
        uri = (self.root / name).as_uri()
        self.contents[uri] = text
        item = lsp.TextDocumentItem(uri, "idol", self.version, text)
        self.client.text_document_did_open(lsp.DidOpenTextDocumentParams(item))
        return uri

    def place(self, uri: str, offset: int) -> lsp.Position:
        """Return a position as the editor counts."""
        found = Lines(self.contents[uri], self.encoding).get_position(offset)
        return lsp.Position(found.line, found.column)

    def range(self, uri: str, text: str) -> lsp.Range:
        """Return the range of the first occurrence of a text."""
        start = self.contents[uri].index(text)
        return lsp.Range(self.place(uri, start), self.place(uri, start + len(text)))

    def at(self, uri: str, text: str, behind: int = 1) -> dict[str, Any]:
        """Return the parameters of a question about a place in a text."""
        position = self.place(uri, self.contents[uri].index(text) + behind)
        return {"text_document": lsp.TextDocumentIdentifier(uri), "position": position}

    def change(self, uri: str, old: str, new: str) -> None:
        """Replace the first occurrence of a text, as an edit of that range."""
        self.version += 1
        change = lsp.TextDocumentContentChangePartial(self.range(uri, old), new)
        self.contents[uri] = self.contents[uri].replace(old, new, 1)
        identifier = lsp.VersionedTextDocumentIdentifier(self.version, uri)
        self.client.text_document_did_change(lsp.DidChangeTextDocumentParams(identifier, [change]))

    async def findings(self, uri: str) -> list[tuple[str, str]]:
        """Wait for the findings of the present text; return rule and place in the text of each."""

        async def wait() -> list[Any]:
            while True:
                shown = self.client.diagnostics.get(uri)
                if shown is not None and self.versions.get(uri) == self.version:
                    return list(shown)
                await asyncio.sleep(0.01)

        shown = await asyncio.wait_for(wait(), LIMIT_S)
        return [(str(d.code), self.cut(uri, d.range)) for d in shown]

    def cut(self, uri: str, where: lsp.Range) -> str:
        """Return the text in a range."""
        lines = Lines(self.contents[uri], self.encoding)
        start = lines.get_offset(_position(where.start))
        return self.contents[uri][start : lines.get_offset(_position(where.end))]

    def apply(self, uri: str, edits: Any) -> str:
        """Return the text after edits, as an editor makes them."""
        lines = Lines(self.contents[uri], self.encoding)
        text = self.contents[uri]
        for edit in sorted(edits, key=lambda e: (-e.range.start.line, -e.range.start.character)):
            start = lines.get_offset(_position(edit.range.start))
            end = lines.get_offset(_position(edit.range.end))
            text = text[:start] + edit.new_text + text[end:]
        return text

    @property
    def versions(self) -> dict[str, int]:
        """Versions of the contents that findings came for."""
        found: dict[str, int] = self.client.idol_versions
        return found


def _position(position: lsp.Position) -> Any:
    from idol.editor.places import Position

    return Position(position.line, position.character)


def make_client() -> Any:
    """Return pytest-lsp's client, which also notes versions."""
    client = pytest_lsp.make_test_lsp_client()
    client.idol_versions = {}
    keep = client.protocol.fm.features[lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS]
    del client.protocol.fm.features[lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS]

    @client.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
    def publish(params: lsp.PublishDiagnosticsParams) -> None:
        keep(params)
        client.idol_versions[params.uri] = params.version

    return client


async def begin(root: Path, encoding: Encoding, strict: bool = False) -> Editor:
    """Start a server and say hello to it."""
    crate = root / "light-api"
    (crate / "src").mkdir(parents=True)
    (crate / "Cargo.toml").write_text('[package]\nname = "drv-light-api"\n')
    (crate / "src/lib.rs").write_text(RUST)
    command = [sys.executable, "-P", "-m", "idol", "lsp"]
    config = pytest_lsp.ClientServerConfig(server_command=command, client_factory=make_client)
    client = await config.start()
    capabilities = lsp.ClientCapabilities(
        general=lsp.GeneralClientCapabilities(
            position_encodings=[lsp.PositionEncodingKind(encoding.value)]
        ),
        text_document=lsp.TextDocumentClientCapabilities(
            completion=lsp.CompletionClientCapabilities(
                completion_item=lsp.ClientCompletionItemOptions(snippet_support=True)
            )
        ),
    )
    folder = lsp.WorkspaceFolder(root.as_uri(), "light")
    result = await client.initialize_session(
        lsp.InitializeParams(
            capabilities,
            workspace_folders=[folder],
            initialization_options={"strict": strict},
        )
    )
    assert result.capabilities.position_encoding == encoding.value
    return Editor(client, root, encoding)


@pytest_asyncio.fixture(params=Encoding)
async def editor(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Editor]:
    """An editor in each of the encodings."""
    editor = await begin(tmp_path, request.param)
    yield editor
    await editor.client.shutdown_session()


@pytest_asyncio.fixture
async def plain(tmp_path: Path) -> AsyncIterator[Editor]:
    """An editor with what all of them speak."""
    editor = await begin(tmp_path, Encoding.UTF16)
    yield editor
    await editor.client.shutdown_session()


@pytest.mark.asyncio
async def test_findings_follow_the_text(editor: Editor) -> None:
    """The places stay right behind characters of several units, and lines that are none."""
    uri = editor.open(GOOD)
    assert await editor.findings(uri) == []
    editor.change(uri, '"Sets it. \U0001f600é"', '"\U0001f600\u2028\x0c\U0001f600", wat: 1')
    assert await editor.findings(uri) == [("unknown-field", "wat")]
    editor.change(uri, "\u2028", "é\u2028\r\né")
    assert await editor.findings(uri) == [("unknown-field", "wat")]
    editor.change(uri, ", wat: 1", "")
    assert await editor.findings(uri) == []
    editor.change(uri, "Interface(", "Interface{")
    assert "ron-syntax" in dict(await editor.findings(uri))


@pytest.mark.asyncio
async def test_hover_completion_fix_format_rename_definition(editor: Editor) -> None:
    uri = editor.open(GOOD)
    identifier = lsp.TextDocumentIdentifier(uri)

    found = await editor.client.text_document_hover_async(
        lsp.HoverParams(**editor.at(uri, '"set"'))
    )
    assert "Code 1" in found.contents.value and editor.cut(uri, found.range) == '"set"'

    found = await editor.client.text_document_definition_async(
        lsp.DefinitionParams(**editor.at(uri, "Color"))
    )
    [location] = found
    assert location.uri.endswith("/light-api/src/lib.rs") and location.range.start.line == 1

    hover = await editor.client.text_document_hover_async(
        lsp.HoverParams(**editor.at(uri, "Color"))
    )
    assert "Red or so." in hover.contents.value

    editor.change(uri, '"()"', '"drv_light"')
    proposals = await editor.client.text_document_completion_async(
        lsp.CompletionParams(**editor.at(uri, 'drv_light"', 9))
    )
    items = {item.label: item for item in proposals.items}
    assert "drv_light_api::LightError" in items
    assert '"drv_light_api::Color"' in editor.apply(uri, [items["drv_light_api::Color"].text_edit])

    editor.change(uri, "FromPrimitive", 'recv_\U0001f600", FromPrimitive')
    editor.change(uri, 'recv_\U0001f600", ', "")
    editor.change(uri, "err: CLike", "err: Complex")
    [(rule, _)] = await editor.findings(uri)
    assert rule == "complex-needs-hubpack"
    actions = await editor.client.text_document_code_action_async(
        lsp.CodeActionParams(
            identifier, editor.range(uri, "Complex"), lsp.CodeActionContext(diagnostics=[])
        )
    )
    by_title = {action.title: action for action in actions}
    fixed = editor.apply(uri, by_title["Use `CLike`"].edit.changes[uri])
    assert fixed == editor.contents[uri].replace("Complex", "CLike")

    change = await editor.client.text_document_rename_async(
        lsp.RenameParams(new_name="Hue", **editor.at(uri, "Color"))
    )
    assert "drv_light_api::Hue" in editor.apply(uri, change.changes[uri])

    editor.change(uri, '    name: "Light",\n', 'name   :"Light",')
    edits = await editor.client.text_document_formatting_async(
        lsp.DocumentFormattingParams(identifier, lsp.FormattingOptions(4, True))
    )
    assert '(\n    name: "Light",\n    ops' in editor.apply(uri, edits)


@pytest.mark.asyncio
async def test_typing_is_checked_after_a_pause_and_not_at_each_key(plain: Editor) -> None:
    uri = plain.open(GOOD)
    await plain.findings(uri)
    seen: list[int] = []
    keep = plain.client.protocol.fm.features[lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS]
    plain.client.protocol.fm.features[lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS] = lambda params: (
        seen.append(params.version),
        keep(params),
    )
    for count in range(60):
        plain.change(uri, "Sets it." + "!" * count, "Sets it." + "!" * (count + 1))
    assert await plain.findings(uri) == []
    assert len(seen) < 30


@pytest.mark.asyncio
async def test_a_huge_file_is_refused_kindly_and_holds_nothing_up(plain: Editor) -> None:
    uri = plain.open("(" * (MAX_LENGTH + 1), "huge.idol")
    assert (await plain.findings(uri))[0][0] == "None"
    for question, parameters in (
        (plain.client.text_document_hover_async, lsp.HoverParams),
        (plain.client.text_document_completion_async, lsp.CompletionParams),
        (plain.client.text_document_definition_async, lsp.DefinitionParams),
    ):
        await asyncio.wait_for(question(parameters(**plain.at(uri, "((", 5000))), LIMIT_S)
    small = plain.open(GOOD)
    assert await plain.findings(small) == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "text",
    ["(" * 60_000, '"' * 60_000, "\n" * 60_000, "/*" * 60_000, '{"a":' * 30_000, "\x00\ufeff"],
)
async def test_hostile_files_get_findings_and_answers(plain: Editor, text: str) -> None:
    uri = plain.open(text)
    assert await plain.findings(uri)
    identifier = lsp.TextDocumentIdentifier(uri)
    whole = lsp.Range(lsp.Position(0, 0), lsp.Position(10**6, 10**6))
    actions = plain.client.text_document_code_action_async(
        lsp.CodeActionParams(identifier, whole, lsp.CodeActionContext(diagnostics=[]))
    )
    await asyncio.wait_for(actions, LIMIT_S)
    position = lsp.Position(10**6, 10**6)
    completion = plain.client.text_document_completion_async(
        lsp.CompletionParams(identifier, position)
    )
    await asyncio.wait_for(completion, LIMIT_S)
    editing = lsp.FormattingOptions(4, True)
    assert not await plain.client.text_document_formatting_async(
        lsp.DocumentFormattingParams(identifier, editing)
    )


@pytest.mark.asyncio
async def test_refused_renames_are_errors_with_a_reason(plain: Editor) -> None:
    from pygls.exceptions import JsonRpcException

    uri = plain.open(GOOD)
    with pytest.raises(JsonRpcException, match="not a Rust identifier"):
        await plain.client.text_document_rename_async(
            lsp.RenameParams(new_name="two words", **plain.at(uri, '"set"'))
        )
    with pytest.raises(JsonRpcException, match="no name here"):
        await plain.client.text_document_prepare_rename_async(
            lsp.PrepareRenameParams(**plain.at(uri, "Result"))
        )


@pytest.mark.asyncio
async def test_strict_rules_are_the_editors_choice(plain: Editor) -> None:
    text = GOOD.replace('doc: "Sets it. \U0001f600é",', "")
    uri = plain.open(text)
    assert await plain.findings(uri) == []
    del plain.client.diagnostics[uri]
    plain.client.workspace_did_change_configuration(
        lsp.DidChangeConfigurationParams({"idol": {"strict": True}})
    )
    assert await plain.findings(uri) == [("undocumented", '"set"')]


@pytest.mark.asyncio
async def test_new_rust_code_is_found_when_the_editor_tells(plain: Editor) -> None:
    uri = plain.open(GOOD)
    parameters = lsp.DefinitionParams(**plain.at(uri, "LightError"))
    # Until then only where it is named.
    [use] = await plain.client.text_document_definition_async(parameters)
    assert use.uri == uri
    path = plain.root / "light-api/src/error.rs"
    path.write_text("pub enum LightError { Burnt }\n")
    event = lsp.FileEvent(path.as_uri(), lsp.FileChangeType.Created)
    plain.client.workspace_did_change_watched_files(lsp.DidChangeWatchedFilesParams([event]))
    [found] = await plain.client.text_document_definition_async(parameters)
    assert found.uri == path.as_uri()


@pytest.mark.asyncio
async def test_line_ends_of_windows_stay(plain: Editor) -> None:
    uri = plain.open(GOOD.replace("    name", "name").replace("\n", "\r\n"))
    edits = await plain.client.text_document_formatting_async(
        lsp.DocumentFormattingParams(
            lsp.TextDocumentIdentifier(uri), lsp.FormattingOptions(4, True)
        )
    )
    assert plain.apply(uri, edits) == GOOD.replace("\n", "\r\n")


@pytest.mark.asyncio
async def test_a_closed_file_has_no_findings_and_no_answers(plain: Editor) -> None:
    from pygls.exceptions import JsonRpcException

    uri = plain.open("Interface(")
    assert await plain.findings(uri)
    identifier = lsp.TextDocumentIdentifier(uri)
    plain.client.text_document_did_close(lsp.DidCloseTextDocumentParams(identifier))
    with pytest.raises(JsonRpcException, match="is not open"):
        await plain.client.text_document_hover_async(
            lsp.HoverParams(identifier, lsp.Position(0, 0))
        )
    assert list(plain.client.diagnostics[uri]) == []


@pytest.mark.asyncio
async def test_nothing_goes_to_standard_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """An editor shows it as trouble: neither an error that is an answer nor the end is."""
    editor = await begin(tmp_path, Encoding.UTF16)
    uri = editor.open(GOOD)
    from pygls.exceptions import JsonRpcException

    with pytest.raises(JsonRpcException):
        await editor.client.text_document_rename_async(
            lsp.RenameParams(new_name="", **editor.at(uri, '"set"'))
        )
    await editor.client.shutdown_session()
    assert capfd.readouterr().err == ""


def test_spans_convert_to_ranges_and_back() -> None:
    from idol.editor.document import Document
    from idol.lsp.convert import path_to_uri, to_range

    document = Document("x", "é\U0001f600x", encoding=Encoding.UTF16)
    assert to_range(document, Span(1, 3)) == lsp.Range(lsp.Position(0, 1), lsp.Position(0, 4))
    assert path_to_uri("/a b/\udcff") == "file:///a%20b/%FF"
