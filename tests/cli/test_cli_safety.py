"""``ampc margins``: what it writes can be given to the filter."""

from pathlib import Path

import pytest
from rich.console import Console

from ampc.cli.safety import Margins, margins
from ampc.control.safety_settings import CertificateSettings, SafetyFilterSettings
from ampc.errors import SettingsError
from ampc.settings import load_settings


def test_margins_are_written_as_settings_of_the_filter(tmp_path: Path) -> None:
    options = Margins(
        "flexible-arm",
        tmp_path / "margins.json",
        stiffness_scales=(1.0,),
        proposers=("nan", "random"),
        tasks=8,
        duration=0.5,
        quantile=0.9,
    )
    assert margins(options, Console(quiet=True)) == 0
    found = load_settings(SafetyFilterSettings, options.out).certificate
    assert len(found.margins) == len(found.agitated) == len(found.growth) == 2
    assert all(0.0 <= calm <= agitated for calm, agitated in zip(found.margins, found.agitated, strict=True))
    assert 0.001 < max(found.margins) < 0.02
    assert len(found.jolt) == 3
    assert found.kept == CertificateSettings().kept
    written = (tmp_path / "margins.md").read_text()
    assert "random" in written
    assert "| growth [mm/m] | 100, 100 |" in written


def test_margins_want_a_json_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="json"):
        margins(Margins("flexible-arm", tmp_path / "margins.toml"), Console(quiet=True))
