import json

import numpy

from ampc.provenance import provenance


def test_provenance_is_json_and_names_what_matters() -> None:
    facts = json.loads(json.dumps(provenance()))
    assert facts["versions"]["numpy"] == numpy.__version__
    assert facts["versions"]["ampc"]
    assert facts["cores"] >= 1
    assert facts["python"].startswith("3.")
