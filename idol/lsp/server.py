"""The language server: pygls carries the messages, `idol.editor` has the answers.

Documents are kept here, not by pygls: it also ends lines at U+2028 and the like, which no editor
does. Findings come after a pause in typing, and only for the text as it is then.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import sys
import threading
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import urlsplit

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol
from pygls.protocol.language_server import lsp_method
from pygls.uris import to_fs_path

from idol.editor.completion import complete
from idol.editor.document import MAX_LENGTH, Document
from idol.editor.fixes import FixFinder
from idol.editor.hover import hover, type_at
from idol.editor.names import RenameError, find_name, find_uses, outline, rename
from idol.editor.places import Encoding
from idol.editor.workspace import Workspace
from idol.errors import IdolError
from idol.format import format_text
from idol.hints import Final
from idol.lsp import convert
from idol.source import Diagnostic, Span

#: Pause in typing after which a text is checked.
DELAY_S: Final = 0.15
#: Longest wait for the search through Rust code before a definition is looked up without it.
INDEX_WAIT_S: Final = 5.0
#: Most findings of a selection that fixes are looked for.
MAX_FIXED: Final = 12


class Protocol(LanguageServerProtocol):
    """pygls's protocol without its own copies of the documents."""

    @lsp_method(lsp.TEXT_DOCUMENT_DID_OPEN)
    def lsp_text_document__did_open(self, params: Any) -> Iterator[Any]:
        """Hand on."""
        yield self.fm.features[lsp.TEXT_DOCUMENT_DID_OPEN], (params,), None

    @lsp_method(lsp.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(self, params: Any) -> Iterator[Any]:
        """Hand on."""
        yield self.fm.features[lsp.TEXT_DOCUMENT_DID_CHANGE], (params,), None

    @lsp_method(lsp.TEXT_DOCUMENT_DID_CLOSE)
    def lsp_text_document__did_close(self, params: Any) -> Iterator[Any]:
        """Hand on."""
        yield self.fm.features[lsp.TEXT_DOCUMENT_DID_CLOSE], (params,), None


class IdolServer(LanguageServer):
    """State of one editor's session."""

    def __init__(self, *, strict: bool) -> None:
        super().__init__("idol", _version(), protocol_cls=Protocol)
        self.strict = strict
        self.files = Workspace()
        self.has_snippets = False
        #: Number of times that findings were looked for, which tests count.
        self.checks = 0
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._indexed = threading.Event()
        self._ended = threading.Event()

    # -- the beginning ---------------------------------------------------------------------

    def begin(self, params: lsp.InitializeParams) -> None:
        """Take over what the editor can do and wants."""
        general = params.capabilities.general
        wanted = list(general.position_encodings or ()) if general else []
        # The same choice as pygls makes for its answer: the editor's first that we know.
        known = [Encoding(e) for e in map(str, map(_name, wanted)) if e in set(Encoding)]
        self.files.encoding = known[0] if known else Encoding.UTF16
        options = params.initialization_options
        if isinstance(options, dict) and isinstance(options.get("strict"), bool):
            self.strict = options["strict"]
        document = params.capabilities.text_document
        item = document.completion.completion_item if document and document.completion else None
        self.has_snippets = bool(item and item.snippet_support)
        uris = [folder.uri for folder in params.workspace_folders or ()]
        if not uris and params.root_uri:
            uris = [params.root_uri]
        folders = [path for uri in uris if (path := uri_to_path(uri)) is not None]
        threading.Thread(target=self._scan, args=(folders,), daemon=True).start()

    def _scan(self, folders: list[str]) -> None:
        try:
            self.files.index.scan(folders, self._ended.is_set)
        finally:
            self._indexed.set()
        if self.files.index.limit:
            logging.getLogger(__name__).warning("%s", self.files.index.limit)

    def end(self) -> None:
        """Stop what still runs."""
        self._ended.set()
        for timer in self._timers.values():
            timer.cancel()

    async def wait_for_index(self) -> None:
        """Wait until Rust code has been looked through, but not for long."""
        if not self._indexed.is_set():
            await asyncio.to_thread(self._indexed.wait, INDEX_WAIT_S)

    # -- documents -------------------------------------------------------------------------

    def get(self, uri: str) -> Document:
        """Return an open document."""
        document = self.files.documents.get(uri)
        if document is None:
            raise JsonRpcException(f"{uri} is not open", code=-32602)
        return document

    def locate(self, params: Any) -> tuple[Document, int]:
        """Return the document of a request, and the offset of its position."""
        document = self.get(params.text_document.uri)
        return document, document.lines.get_offset(convert.from_position(params.position))

    def plan(self, uri: str, delay_s: float) -> None:
        """Look for findings after a pause; an earlier plan is dropped."""
        if (timer := self._timers.pop(uri, None)) is not None:
            timer.cancel()
        loop = asyncio.get_running_loop()
        self._timers[uri] = loop.call_later(delay_s, self.publish, uri)

    def publish(self, uri: str) -> None:
        """Send the findings of a document to the editor."""
        self._timers.pop(uri, None)
        document = self.files.documents.get(uri)
        if document is None:
            return
        self.checks += 1
        if document.is_too_long:
            shown = [_too_long(document)]
        else:
            found = document.find(strict=self.strict)
            shown = [convert.to_diagnostic(document, uri, finding) for finding in found]
        self.text_document_publish_diagnostics(
            lsp.PublishDiagnosticsParams(uri, shown, document.version)
        )

    def drop(self, uri: str) -> None:
        """Forget a document and its findings."""
        if (timer := self._timers.pop(uri, None)) is not None:
            timer.cancel()
        self.files.close(uri)
        self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, []))

    def uri_of(self, name: str) -> str:
        """Return the URI of a document: open ones are named by it, others by their path."""
        return name if name in self.files.documents else convert.path_to_uri(name)


def uri_to_path(uri: str) -> str | None:
    """Return the path of a file's URI; other schemes have none."""
    if urlsplit(uri).scheme != "file":
        return None
    with contextlib.suppress(ValueError):
        return to_fs_path(uri)
    return None


def _name(kind: lsp.PositionEncodingKind | str) -> str:
    return kind.value if isinstance(kind, lsp.PositionEncodingKind) else kind


def _version() -> str:
    try:
        return version("idoldbg")
    except PackageNotFoundError:
        return "checkout"


def _too_long(document: Document) -> lsp.Diagnostic:
    message = (
        f"this file has {len(document.text)} characters and is not checked while it is edited: "
        f"at most {MAX_LENGTH} are; `idol check` reads larger ones"
    )
    start = lsp.Position(0, 0)
    return lsp.Diagnostic(
        lsp.Range(start, start), message, lsp.DiagnosticSeverity.Warning, source="idol"
    )


def make_server(*, strict: bool = False) -> IdolServer:
    """Return a server with all its features."""
    server = IdolServer(strict=strict)
    for register in (_add_lifetime, _add_questions, _add_places, _add_changes):
        register(server)
    return server


def serve(*, strict: bool) -> int:
    """Serve on standard input and output until the editor goes away."""
    logging.basicConfig(level=logging.WARNING)  # on standard error
    logging.getLogger("pygls.protocol.json_rpc").addFilter(_is_unexpected)
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as out:
        sys.stdout = sys.stderr  # nothing but messages may go to the editor
        make_server(strict=strict).start_io(stdout=out)
    return 0


def _is_unexpected(record: logging.LogRecord) -> bool:
    """Return whether a record is more than an answer that is an error: those reach the editor."""
    return not (record.exc_info and isinstance(record.exc_info[1], JsonRpcException))


def _add_lifetime(server: IdolServer) -> None:
    @server.feature(lsp.INITIALIZE)
    def initialize(params: lsp.InitializeParams) -> None:
        server.begin(params)

    @server.feature(lsp.SHUTDOWN)
    def shutdown(*_: Any) -> None:
        server.end()

    @server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
    def did_open(params: lsp.DidOpenTextDocumentParams) -> None:
        item = params.text_document
        server.files.open(item.uri, item.text, item.version, uri_to_path(item.uri))
        server.plan(item.uri, 0)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
    def did_change(params: lsp.DidChangeTextDocumentParams) -> None:
        uri = params.text_document.uri
        document = server.get(uri)
        for change in params.content_changes:
            if isinstance(change, lsp.TextDocumentContentChangePartial):
                start, end = change.range.start, change.range.end
                document = document.edit(
                    convert.from_position(start), convert.from_position(end), change.text
                )
            else:
                document = document.replace(change.text)
        document.version = params.text_document.version
        server.files.documents[uri] = document
        server.plan(uri, DELAY_S)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
    def did_close(params: lsp.DidCloseTextDocumentParams) -> None:
        server.drop(params.text_document.uri)

    @server.feature(lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def did_change_files(params: lsp.DidChangeWatchedFilesParams) -> None:
        for change in params.changes:
            path = uri_to_path(change.uri)
            if path is None:
                continue
            if change.type is lsp.FileChangeType.Deleted:
                server.files.index.forget(path)
            elif path.endswith(".rs"):
                server.files.index.update(path)
            elif path.endswith((".idol", ".idl")):
                server.files.index.idol_files.add(path)

    @server.feature(lsp.WORKSPACE_DID_CHANGE_CONFIGURATION)
    def did_change_configuration(params: lsp.DidChangeConfigurationParams) -> None:
        settings = params.settings
        section = settings.get("idol") if isinstance(settings, dict) else None
        if isinstance(section, dict) and isinstance(section.get("strict"), bool):
            server.strict = section["strict"]
            for uri in server.files.documents:
                server.plan(uri, 0)


def _add_questions(server: IdolServer) -> None:
    @server.feature(lsp.TEXT_DOCUMENT_HOVER)
    def on_hover(params: lsp.HoverParams) -> lsp.Hover | None:
        document, offset = server.locate(params)
        found = hover(document, offset, server.files.index)
        if found is None:
            return None
        content = lsp.MarkupContent(lsp.MarkupKind.Markdown, found.markdown)
        return lsp.Hover(content, convert.to_range(document, found.span))

    @server.feature(
        lsp.TEXT_DOCUMENT_COMPLETION,
        lsp.CompletionOptions(trigger_characters=['"', "(", ":", "<", "["]),
    )
    def on_completion(params: lsp.CompletionParams) -> lsp.CompletionList:
        document, offset = server.locate(params)
        proposals = complete(document, offset, server.files.known_types())
        items = [
            convert.to_completion(document, item, snippets=server.has_snippets, rank=rank)
            for rank, item in enumerate(proposals.items)
        ]
        return lsp.CompletionList(proposals.has_more, items)

    @server.feature(lsp.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    def on_symbols(params: lsp.DocumentSymbolParams) -> list[lsp.DocumentSymbol]:
        document = server.get(params.text_document.uri)
        interface = document.interface
        if interface is None or document.tree is None:
            return []
        operations = [
            lsp.DocumentSymbol(
                name,
                lsp.SymbolKind.Method,
                convert.to_range(document, whole),
                convert.to_range(document, place),
                detail,
            )
            for name, detail, whole, place in outline(document)
        ]
        return [
            lsp.DocumentSymbol(
                interface.name or "?",
                lsp.SymbolKind.Interface,
                convert.to_range(document, document.tree.root.span),
                convert.to_range(document, interface.span),
                children=operations,
            )
        ]


def _add_places(server: IdolServer) -> None:
    def to_location(name: str, span: Span) -> lsp.Location | None:
        document = _document_of(server, name)
        if document is None:
            return None
        return lsp.Location(server.uri_of(name), convert.to_range(document, span))

    def find(params: Any) -> list[lsp.Location]:
        document, offset = server.locate(params)
        name = type_at(document, offset)
        if name is None:
            return []
        uses = find_uses(name.segments, server.files.idol_documents())
        found = [to_location(place, span) for place, span in uses]
        return [location for location in found if location is not None]

    @server.feature(lsp.TEXT_DOCUMENT_DEFINITION)
    async def on_definition(params: lsp.DefinitionParams) -> list[lsp.Location]:
        document, offset = server.locate(params)
        name = type_at(document, offset)
        if name is None:
            return []
        await server.wait_for_index()
        found = [to_location(d.path, d.span) for d in server.files.find_definitions(name)]
        return [location for location in found if location is not None] or find(params)

    @server.feature(lsp.TEXT_DOCUMENT_REFERENCES)
    def on_references(params: lsp.ReferenceParams) -> list[lsp.Location]:
        return find(params)


def _document_of(server: IdolServer, name: str) -> Document | None:
    """Return an open document, or a file as one."""
    from idol.editor.index import read_text

    if name in server.files.documents:
        return server.files.documents[name]
    text = read_text(name)
    return None if text is None else Document(name, text, 0, server.files.encoding)


def _add_changes(server: IdolServer) -> None:
    @server.feature(lsp.TEXT_DOCUMENT_FORMATTING)
    def on_formatting(params: lsp.DocumentFormattingParams) -> list[lsp.TextEdit] | None:
        document = server.get(params.text_document.uri)
        if document.is_too_long:
            return None
        try:
            text = format_text(document.source)
        except IdolError:
            return None  # its errors are shown as findings
        return _minimal_edit(document, text)

    @server.feature(lsp.TEXT_DOCUMENT_PREPARE_RENAME)
    def on_prepare(params: lsp.PrepareRenameParams) -> lsp.PrepareRenamePlaceholder:
        document, offset = server.locate(params)
        try:
            name = find_name(document, offset)
        except RenameError as error:
            raise JsonRpcException(str(error), code=-32602) from None
        return lsp.PrepareRenamePlaceholder(convert.to_range(document, name.span), name.text)

    @server.feature(lsp.TEXT_DOCUMENT_RENAME, lsp.RenameOptions(prepare_provider=True))
    async def on_rename(params: lsp.RenameParams) -> lsp.WorkspaceEdit:
        document, offset = server.locate(params)
        try:
            name = find_name(document, offset)
            if name.kind == "type":
                await server.wait_for_index()
            others = server.files.idol_documents() if name.kind == "type" else ()
            changed = rename(document, name, params.new_name, others)
        except RenameError as error:
            raise JsonRpcException(str(error), code=-32602) from None
        server.window_show_message(
            lsp.ShowMessageParams(
                lsp.MessageType.Info,
                f"the {name.kind} is renamed in Idol files only: Rust code that names it is not",
            )
        )
        edits: dict[str, list[lsp.TextEdit]] = {}
        for place, changes in changed.items():
            other = _document_of(server, place)
            if other is not None:
                edits[server.uri_of(place)] = [convert.to_edit(other, c) for c in changes]
        return lsp.WorkspaceEdit(edits)

    @server.feature(
        lsp.TEXT_DOCUMENT_CODE_ACTION,
        lsp.CodeActionOptions(code_action_kinds=[lsp.CodeActionKind.QuickFix]),
    )
    def on_actions(params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
        wanted = params.context.only
        if wanted and not any("quickfix".startswith(_kind(kind)) for kind in wanted):
            return []
        document = server.get(params.text_document.uri)
        actions: list[lsp.CodeAction] = []
        finder = FixFinder(document, strict=server.strict)
        for finding in _chosen(finder.findings, document, params.range)[:MAX_FIXED]:
            actions += _actions_of(finder, params.text_document.uri, document, finding)
        return actions


def _kind(kind: lsp.CodeActionKind | str) -> str:
    return kind.value if isinstance(kind, lsp.CodeActionKind) else kind


def _chosen(
    found: tuple[Diagnostic, ...], document: Document, chosen: lsp.Range
) -> tuple[Diagnostic, ...]:
    """Return the findings that a selection touches."""
    start = document.lines.get_offset(convert.from_position(chosen.start))
    end = document.lines.get_offset(convert.from_position(chosen.end))
    return tuple(f for f in found if f.span.start <= end and start <= f.span.end)


def _actions_of(
    finder: FixFinder, uri: str, document: Document, finding: Diagnostic
) -> list[lsp.CodeAction]:
    shown = convert.to_diagnostic(document, uri, finding)
    return [
        lsp.CodeAction(
            title=fix.title,
            kind=lsp.CodeActionKind.QuickFix,
            diagnostics=[shown],
            is_preferred=number == 0,
            edit=lsp.WorkspaceEdit({uri: [convert.to_edit(document, e) for e in fix.edits]}),
        )
        for number, fix in enumerate(finder.find(finding))
    ]


def _minimal_edit(document: Document, text: str) -> list[lsp.TextEdit]:
    """Return the change from a document to a text, without what is the same at both ends."""
    from idol.editor.edits import Edit

    before = document.text
    if "\r\n" in before:  # the editor's own line ends stay
        text = re.sub(r"(?<!\r)\n", "\r\n", text)
    if before == text:
        return []
    start = 0
    most = min(len(before), len(text))
    while start < most and before[start] == text[start]:
        start += 1
    while start and before[start - 1] == "\r":
        start -= 1
    tail = 0
    while tail < most - start and before[-1 - tail] == text[-1 - tail]:
        tail += 1
    while tail and before[len(before) - tail] == "\n":
        tail -= 1  # a pair of line ends stays together
    edit = Edit(Span(start, len(before) - tail), text[start : len(text) - tail])
    return [convert.to_edit(document, edit)]
