"""Damaged and re-spaced Idol texts, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Sequence

from idol.ron_tokens import Token, TokenKind, iter_tokens

#: What mutations put in: pieces of RON, of Idol and of Rust types, whole and broken.
WORDS = (
    *"(){}[]:,\"'\\0\n#!<>&*;",
    *("//", "/*", "*/", 'r#"', '"#', "b'", "\\u{", "\ufeff", "\u2028", "\x00", "é", "\U0001f600"),
    *('"u8"', '"[u8]"', '"Option<"', '"()"', '"bool"', '"&\'a mut [T; N]"', '"dyn A + B"'),
    *("args", "reply", "leases", "ops", "name", "type", "recv", "doc", "max_len", "encoding"),
    *("Simple", "Result", "CLike", "Complex", "ServerDeath", "Hubpack", "From", "FromPrimitive"),
    *("Some", "None", "true", "false", "-1", "1e999", "0x", "NaN", "99999999999", "ok", "err"),
    *("#![enable(implicit_some)]", "#![enable(unwrap_newtypes)]", "idempotent: true,"),
)
#: What may stand where a name, string or number stood.
ATOMS = (
    *(word for word in WORDS if word[0] in '"0-' or word.isidentifier()),
    *("Unit", "Some(Some(1))", "[]", "{}", "()", "(1, 2)", "A(b: 1)", "'x'", 'b"x"', "1.5e3"),
    *("max_len", "read", "write", '"type"', '"recv_source"', '"x y"', '""', '"[[u8; 9]; 9]"'),
    *('"Option<Result<(u8, bool), [u64; 8]>>"', '"' + "[" * 80 + '"', '"' + "Option<" * 80 + '"'),
)
#: What may stand between any two tokens.
SPACES = (
    *(" ", "  ", "\t", "\n", "\n\n", "\n\n\n\n", "\r\n", "\u200e"),
    *(
        " // line\n",
        "\n    // own line\n",
        "//\n",
        "\n\n// apart\n\n",
        " // a // b \t\n",
        "// /* \n",
    ),
    *(
        "/* block */",
        " /**/ ",
        "\n/* own */\n",
        "/* two\n   lines */",
        "/* a /* b */ c */",
        "/*/**/*/",
    ),
)


def damage(generator: random.Random, sources: Sequence[str]) -> str:
    """Return a text with a few places overwritten, cut, doubled, or taken from another text."""
    text = list(generator.choice(sources))
    for _ in range(generator.randint(1, 6)):
        at = generator.randrange(len(text) + 1)
        match generator.randrange(6):
            case 0 | 1:
                text[at : at + generator.randint(0, 8)] = generator.choice(WORDS)
            case 2:
                del text[at : at + generator.randint(1, 60)]
            case 3:
                text[at:at] = text[at : at + generator.randint(1, 300)] * generator.randint(1, 4)
            case 4:
                other = generator.choice(sources)
                start = generator.randrange(len(other))
                text[at:at] = other[start : start + generator.randint(1, 300)]
            case 5:
                text[at:at] = generator.choice("([{<") * generator.choice((1, 3, 200))
    return "".join(text)


def scramble(generator: random.Random, sources: Sequence[str]) -> str:
    """Return a text with a few names, strings and numbers exchanged; its brackets still match."""
    tokens = [token.text for token in iter_tokens(generator.choice(sources))]
    others = [t.text for t in iter_tokens(generator.choice(sources)) if t.kind is TokenKind.ATOM]
    atoms = [n for n, text in enumerate(tokens) if text[0] not in "()[]{},:/"]
    for _ in range(generator.randint(1, 6)):
        at = generator.choice(atoms)
        match generator.randrange(4):
            case 0 | 1:
                tokens[at] = generator.choice(others)
            case 2:
                tokens[at] = generator.choice(ATOMS)
            case 3:
                start = generator.choice(atoms)
                tokens[at], tokens[start] = tokens[start], tokens[at]
    return "".join(f"{text}\n" if text.startswith("//") else f"{text} " for text in tokens)


def mutate(generator: random.Random, sources: Sequence[str]) -> str:
    """Return a text with damage to its characters or to its meaning."""
    return generator.choice((damage, scramble))(generator, sources)


def respace(generator: random.Random, text: str) -> str:
    """Return the same RON with other white space and more comments between its tokens."""
    tokens = [token for token in iter_tokens(text) if not token.is_comment]
    pieces: list[str] = []
    for number, token in enumerate(tokens):
        following = tokens[number + 1] if number + 1 < len(tokens) else None
        if token.kind is TokenKind.COMMA and _may_drop(following) and generator.random() < 0.5:
            continue
        pieces.append(token.text)
        while generator.random() < 0.3:
            pieces.append(generator.choice(SPACES))
    return "".join(pieces)


def _may_drop(following: Token | None) -> bool:
    return following is not None and following.kind is TokenKind.CLOSE
