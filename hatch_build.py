"""Ships the top-level asset folders inside the wheel, and its software bill of materials."""

import hashlib
import json
import re
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ASSETS = ("templates", "rtl", "sim")
SBOM = "flow.cdx.json"
_REQUIREMENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(\[[^\]]*\])?\s*([^;]*)(?:;\s*(.*))?")


class Assets(BuildHookInterface):  # type: ignore[type-arg]
    """Copies the asset folders into the package; an editable install uses the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add `templates/ rtl/ sim/` as `flow/_assets/` unless the install is editable, and the
        bill of materials as `.dist-info/sboms/flow.cdx.json` (PEP 770)."""
        if version != "editable":
            build_data["force_include"].update({name: f"flow/_assets/{name}" for name in ASSETS})
        self._scratch = tempfile.TemporaryDirectory(prefix="flow-sbom-")
        path = Path(self._scratch.name) / SBOM
        path.write_text(bill_of_materials(self.metadata.core, self.metadata.version, self.root))
        build_data["sbom_files"].append(str(path))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the scratch folder."""
        self._scratch.cleanup()


def bill_of_materials(core: Any, version: str, root: str) -> str:
    """CycloneDX 1.6 as JSON: the package, what it requires, and the data that it ships.

    Nothing in it says when, where or by whom it was made: equal sources, equal bytes. A
    requirement is a range, so its component has no version; the range is a property.
    """
    needed = list(core.dependencies)
    extras = {extra: list(names) for extra, names in core.optional_dependencies.items()}
    parts = [_component(text, "required", "") for text in needed]
    seen = {part["bom-ref"] for part in parts}
    for extra in sorted(extras):
        for part in (_component(text, "optional", extra) for text in extras[extra]):
            if part["bom-ref"] not in seen:
                parts.append(part)
                seen.add(part["bom-ref"])
    parts.sort(key=lambda part: part["bom-ref"])
    own = f"pkg:pypi/{core.name}@{version}"
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": core.name,
                "version": version,
                "description": core.description,
                "licenses": [{"expression": core.license_expression or "Apache-2.0"}],
                "purl": own,
            }
        },
        "components": parts + _data(Path(root)),
        "dependencies": [
            {"ref": own, "dependsOn": sorted(_purl(text) for text in needed)},
            *({"ref": ref} for ref in sorted(seen)),
        ],
    }
    return json.dumps(bill, indent=1, sort_keys=True) + "\n"


def _component(text: str, scope: str, extra: str) -> dict[str, Any]:
    match = _REQUIREMENT.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"the requirement {text!r} cannot be read")
    told = {"flow:requirement": (match[3] or "").strip(), "flow:extra": extra}
    return {
        "type": "library",
        "bom-ref": _purl(text),
        "name": match[1],
        "purl": _purl(text),
        "scope": scope,
        "properties": [{"name": name, "value": value} for name, value in told.items() if value],
    }


def _purl(text: str) -> str:
    name = re.split(r"[\s\[<>=!~;]", text.strip(), maxsplit=1)[0]
    return f"pkg:pypi/{re.sub(r'[-_.]+', '-', name).lower()}"


def _data(root: Path) -> list[dict[str, Any]]:
    """Files that are shipped and are no Python, with their hashes."""
    folders = [*ASSETS, "flow"]
    files = (
        path for folder in folders for path in sorted((root / folder).rglob("*"))
        if path.is_file() and path.suffix not in (".py", ".pyc") and "_assets" not in path.parts
    )  # fmt: skip
    return [
        {
            "type": "file",
            "bom-ref": f"file:{path.relative_to(root).as_posix()}",
            "name": path.relative_to(root).as_posix(),
            "hashes": [
                {"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}
            ],
        }
        for path in files
    ]
