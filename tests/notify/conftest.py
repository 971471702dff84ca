"""The center's inbox under way, and a real Chromium in front of it."""

from tests.shared.desk.conftest import axe, browser

__all__ = ["axe", "browser"]
