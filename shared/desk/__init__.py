"""The page shell of the desk: one look for the pages of every unit (README.md has the macros, with an example each)."""

from shared.desk.files import STATIC, DeskFiles, static_url
from shared.desk.pages import is_fragment, redirect, render, say, templates_for

__all__ = ["STATIC", "DeskFiles", "is_fragment", "redirect", "render", "say", "static_url", "templates_for"]
