"""`show_versions` prints JSON with what a bug report needs."""

from __future__ import annotations

import json
import platform

import numpy as np

from raskal._versions import show_versions, versions


def test_show_versions_prints_json(capsys):
    show_versions()
    shown = json.loads(capsys.readouterr().out)
    assert shown == versions()
    assert shown["Python"] == platform.python_version()
    assert shown["numpy"] == np.__version__
    assert {"raskal", "pandas", "pyarrow", "cloudpickle", "Platform"} <= set(shown)
