"""Writes the map of files in docs/architecture.md from the first line of each module."""

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"
FOLDERS = ("services", "client-kivy", "loadtest")
BEGIN, END = "<!-- map -->", "<!-- /map -->"


def first_line(path: Path) -> str:
    """Returns what a module says that it owns."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0]


def file_map() -> str:
    """Returns the map: a table for each folder."""
    folders: dict[Path, list[Path]] = {}
    for top in FOLDERS:
        for path in sorted((ROOT / top).rglob("*.py")):
            if "versions" not in path.parts and "migrations" not in path.parts:
                folders.setdefault(path.parent, []).append(path)
    lines: list[str] = []
    for folder, paths in sorted(folders.items()):
        package = folder / "__init__.py"
        title = f"**{folder.relative_to(ROOT)}**"
        if package.exists() and (owns := first_line(package)):
            title += f" — {owns}"
        lines += [title, "", "| file | owns |", "|---|---|"]
        lines += [f"| `{path.name}` | {first_line(path)} |" for path in paths if path != package]
        lines.append("")
    return "\n".join(lines)


def with_map(page: str) -> str:
    """Returns a page with the map of today between its markers."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{file_map()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_map(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"{PAGE.relative_to(ROOT)}: written\n")
