"""Changes single lines of Krita's settings file and leaves all others as they are, byte for byte."""

from __future__ import annotations

SECTION = "[python]"


def with_plugin(text: str, name: str) -> str:
    """Return the file's text with the plug-in switched on.

    Args:
        text: the contents of a kritarc; may be empty.
        name: the plug-in's module name.

    Returns:
        The same text with `enable_NAME=true` in its [python] section.
    """
    end = "\r\n" if "\r\n" in text else "\n"
    lines = without_plugin(text, name).splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += end
    switch = f"enable_{name}=true{end}"
    if SECTION in (stripped := [line.strip() for line in lines]):
        lines.insert(stripped.index(SECTION) + 1, switch)
    else:
        lines += [*([end] if lines and stripped[-1] else []), SECTION + end, switch]
    return "".join(lines)


def without_plugin(text: str, name: str) -> str:
    """Return the file's text without the plug-in's switch, whichever way it stood."""
    kept, section = [], ""
    for line in text.splitlines(keepends=True):
        if line.strip().startswith("["):
            section = line.strip()
        if section != SECTION or line.partition("=")[0].strip() != f"enable_{name}":
            kept.append(line)
    return "".join(kept)
