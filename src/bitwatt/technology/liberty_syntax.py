"""Liberty's syntax: nested groups of attributes, without their meaning.

Liberty is a tree: `group (args) { attribute : value; complex_attribute (args); group ... }`. The whole text
is walked by one regular expression a statement, which keeps a 13 MB library within about two seconds;
tables of numbers stay strings until somebody asks for them.
"""

from __future__ import annotations

import gzip
import re
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from bitwatt.errors import DataError

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_STATEMENT = re.compile(
    r"""[\s;]*(?:
        (?P<close>\})
      | (?P<name>[A-Za-z_][\w.]*)\s*(?:
            :\s*(?P<value>"[^"]*"|[^;{}\n"]+)\s*(?:;|(?=[\n}]))
          | \(\s*(?P<args>(?:"[^"]*"|[^()"{}])*)\)\s*(?P<open>\{)?
        )
      | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
_ARGUMENT = re.compile(r'"([^"]*)"|([^\s,"]+)')


@dataclass(frozen=True, slots=True)
class Group:
    """One group of a liberty file: `kind (args) { ... }`.

    `attributes` maps each simple attribute to its (last) value; `calls` holds the complex ones in the
    file's order, each a name and its arguments' text; `groups` holds the nested groups likewise.
    """

    kind: str
    args: tuple[str, ...]
    attributes: dict[str, str] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)

    def each(self, kind: str) -> list[Group]:
        """The nested groups of one kind."""
        return [group for group in self.groups if group.kind == kind]

    def arguments(self, name: str) -> list[tuple[str, ...]]:
        """The arguments of each use of a complex attribute such as `capacitive_load_unit (1, ff)`."""
        return [split_arguments(text) for call, text in self.calls if call == name]

    def name(self, where: str) -> str:
        """The group's first argument. Raises `DataError`, beginning with `where`, where it has none."""
        if not self.args:
            raise DataError(f"{where}: a group '{self.kind}' without a name; get the whole file again")
        return self.args[0]

    def number(self, name: str, where: str, default: float | None = None) -> float:
        """A simple attribute as a number, or `default`. Raises `DataError`, beginning with `where`."""
        text = self.attributes.get(name)
        if text is None and default is not None:
            return default
        if text is None:
            raise DataError(f"{where}: '{name}' is needed; the file has none")
        return as_number(text, f"{where}: '{name}'")

    def flag(self, name: str) -> bool:
        """Whether a boolean attribute is present and true."""
        return self.attributes.get(name, "false").strip().lower() == "true"


def as_number(text: str, what: str) -> float:
    """`text` as a number; raises `DataError`, beginning with `what`, where it is none."""
    try:
        return float(text)
    except ValueError:
        raise DataError(f"{what} must be a number, got '{text}'") from None


def split_arguments(text: str) -> tuple[str, ...]:
    """The arguments between parentheses, without their quotes."""
    return tuple(quoted or plain for quoted, plain in _ARGUMENT.findall(text))


def without_comments(text: str) -> str:
    """The text with its comments blank, every line where it was."""
    return _COMMENT.sub(lambda match: "\n" * match.group().count("\n"), text)


def parse_groups(text: str, source: str) -> Group:
    """The library group of a liberty text.

    Raises `DataError` naming `source`, the line, and the groups still open, when the text is not liberty
    or ends before its last brace.
    """
    text = without_comments(text)
    root = Group("file", ())
    stack = [root]
    position = 0
    while True:
        match = _STATEMENT.match(text, position)
        if match is None:
            raise DataError(_unreadable(text, position, source, stack))
        position = match.end()
        if match["end"] is not None:
            break
        if match["close"]:
            if len(stack) == 1:
                raise DataError(
                    f"{source}: line {_line(text, position)}: a '}}' closes nothing; not a liberty file"
                )
            stack.pop()
        elif match["open"]:
            group = Group(match["name"], split_arguments(match["args"]))
            stack[-1].groups.append(group)
            stack.append(group)
        elif match["value"] is None:
            stack[-1].calls.append((match["name"], match["args"]))
        else:
            stack[-1].attributes[match["name"]] = match["value"].strip().strip('"')
    if len(stack) > 1:
        raise DataError(f"{source} is truncated: it ends inside {_path(stack)}; get the whole file again")
    libraries = root.each("library")
    if len(libraries) != 1:
        raise DataError(f"{source} is not liberty: expected one group 'library', found {len(libraries)}")
    return libraries[0]


def read_liberty_text(path: Path) -> str:
    """The text of a liberty file, plain or gzip (told by its first bytes, not by its name).

    Raises `DataError` when the file is missing, is a damaged gzip, or is not text.
    """
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not liberty: byte {error.start} is not text") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is a damaged gzip file ({error}); get the whole file again") from None
    except OSError as error:
        raise DataError(f"cannot read the liberty file {path}: {error.strerror}") from None


def _unreadable(text: str, position: int, source: str, stack: list[Group]) -> str:
    rest = text[position:].lstrip()
    if len(stack) > 1 and not any(mark in rest for mark in "}"):
        return f"{source} is truncated: it ends inside {_path(stack)}; get the whole file again"
    line = _line(text, len(text) - len(rest))
    start = rest.splitlines()[0][:60] if rest else "the end of the file"
    return f"{source} is not liberty: line {line}: expected a group or an attribute, got {start!r}"


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _path(stack: list[Group]) -> str:
    return " > ".join(f"{group.kind}({', '.join(group.args)})" for group in stack[1:])
