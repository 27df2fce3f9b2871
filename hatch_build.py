"""Ships the top-level asset folders inside the wheel."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ASSETS = ("templates", "rtl", "sim")


class Assets(BuildHookInterface):  # type: ignore[type-arg]
    """Copies the asset folders into the package; an editable install uses the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add `templates/ rtl/ sim/` as `flow/_assets/` unless the install is editable."""
        if version != "editable":
            build_data["force_include"].update({name: f"flow/_assets/{name}" for name in ASSETS})
