import json
from pathlib import Path

import numpy

from ampc.provenance import provenance, save_result


def test_provenance_is_json_and_names_what_matters() -> None:
    facts = json.loads(json.dumps(provenance()))
    assert facts["versions"]["numpy"] == numpy.__version__
    assert facts["versions"]["ampc"]
    assert facts["cores"] >= 1
    assert facts["python"].startswith("3.")


def test_results_are_saved_with_where_they_come_from(tmp_path: Path) -> None:
    save_result(tmp_path / "new" / "result.json", {"rows": [1, 2]})
    stored = json.loads((tmp_path / "new" / "result.json").read_text())
    assert stored["rows"] == [1, 2]
    assert stored["provenance"]["commit"] == provenance()["commit"]
