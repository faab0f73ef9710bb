"""Settings: sources and their order, names, `set` and its undoing, and messages for mistakes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import warnings
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from raskal import _config_check, config
from raskal._config_dask import advice


@pytest.fixture
def settings():
    """Settings of a test's own, so that those of the process stay."""
    return {"num-workers": 2, "array": {"chunk-size": "1MiB"}}


def test_defaults_come_from_the_packaged_file():
    packaged = yaml.safe_load((Path(config.__file__).parent / "raskal.yaml").read_text())
    assert config.merge(*config.defaults) == packaged
    assert config.get("array.chunk-size", config=packaged) == "128MiB"


def test_names_with_dash_and_underscore_are_equal(settings):
    assert config.get("array.chunk_size", config=settings) == "1MiB"
    with config.set({"array.chunk_size": "2MiB"}, config=settings):
        assert settings["array"] == {"chunk-size": "2MiB"}
    assert config.canonical_name("some_thing_long", {"some-thing-long": 1}) == "some-thing-long"
    assert config.canonical_name("neither-nor", {}) == "neither-nor"


def test_get_offers_the_nearest_name():
    with pytest.raises(KeyError) as caught:
        config.get("array.chunk_sise")
    assert str(caught.value).startswith("there is no setting 'array.chunk_sise'\nhint: did you mean 'array.chunk-size'")


def test_get_with_default_and_override(settings):
    assert config.get("no.such", 3, config=settings) == 3
    assert config.get("no.such", None, config=settings) is None
    assert config.get("num-workers.below-a-value", "default", config=settings) == "default"
    assert config.get("num-workers", config=settings, override_with=7) == 7
    assert config.get("num-workers", config=settings, override_with=None) == 2


def test_set_undoes_what_it_changed_and_made(settings):
    before = {"num-workers": 2, "array": {"chunk-size": "1MiB"}}
    with config.set({"array.chunk-size": "3MiB", "new.deep.thing": 1}, config=settings, num_workers=5) as inside:
        assert inside is settings
        assert settings == {"num-workers": 5, "array": {"chunk-size": "3MiB"}, "new": {"deep": {"thing": 1}}}
        with config.set(new__deep__other=2, config=settings):
            assert settings["new"]["deep"] == {"thing": 1, "other": 2}
        assert settings["new"]["deep"] == {"thing": 1}
    assert settings == before


def test_set_without_a_block_stays(settings):
    config.set(array__chunk_size="9MiB", config=settings)
    assert settings["array"]["chunk-size"] == "9MiB"


def test_set_undoes_after_an_exception(settings):
    with pytest.raises(ZeroDivisionError), config.set({"num-workers": 9}, config=settings):
        raise ZeroDivisionError
    assert settings["num-workers"] == 2


def test_set_restores_into_settings_that_were_refreshed_in_between(settings):
    with config.set({"array.chunk-size": "3MiB", "made.here": 1}, config=settings):
        settings.clear()
    assert settings == {"array": {"chunk-size": "1MiB"}}


def test_set_below_a_plain_value_is_refused_and_changes_nothing(settings):
    with pytest.raises(TypeError, match="'num-workers' holds the value 2, not a group of settings"):
        config.set({"array.chunk-size": "5MiB", "num-workers.of-what": 3}, config=settings)
    assert settings == {"num-workers": 2, "array": {"chunk-size": "1MiB"}}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("array.chunk-size", "lots"),
        ("array.chunk_size", -1),
        ("num-workers", 0),
        ("num-workers", True),
        ("distributed.comm.timeouts.connect", "soon"),
        ("distributed.comm.timeouts.connect", 0),
        ("tokenize.ensure-deterministic", "perhaps"),
    ],
)
def test_bad_value_is_refused_where_it_is_set(key, value, settings):
    with pytest.raises(ValueError) as caught:
        config.set({key: value}, config=settings)
    assert repr(value) in str(caught.value)
    assert key.replace("_", "-") in str(caught.value)
    assert settings == {"num-workers": 2, "array": {"chunk-size": "1MiB"}}


def test_every_checked_setting_has_a_default_that_passes():
    from raskal._config_check import _CHECKS, check_value

    defaults = config.merge(*config.defaults)
    for key in _CHECKS:
        check_value(key, config.get(key, config=defaults), "defaults")
    assert len(_CHECKS) >= 4


def test_the_documentation_lists_every_setting_with_its_default():
    page = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
    listed = dict(re.findall(r"^\| `([a-z.-]+)` \| `([^`]+)` \|", page, re.MULTILINE))
    defaults = config.merge(*config.defaults)
    for key, value in listed.items():
        assert config.get(key, config=defaults) == yaml.safe_load(value)
    leaves = {key for key in config._names(defaults) if not isinstance(config.get(key, config=defaults), dict)}
    assert leaves == set(listed)


def test_update_merges_by_priority():
    assert config.update({"x": 1, "y": {"a": 2}}, {"x": 2, "y": {"b": 3}}) == {"x": 2, "y": {"a": 2, "b": 3}}
    assert config.update({"x": 1}, {"x": 2, "z": 3}, priority="old") == {"x": 1, "z": 3}
    assert config.update({"x": None}, {"x": {"a": 1}}, priority="old") == {"x": {"a": 1}}
    merged = config.update(
        {"kept": 5, "changed": 1, "y": {"deep": 1}},
        {"kept": 6, "changed": 2, "y": {"deep": 2}},
        priority="new-defaults",
        defaults={"kept": 1, "changed": 1, "y": {"deep": 1}},
    )
    assert merged == {"kept": 5, "changed": 2, "y": {"deep": 2}}
    with pytest.raises(ValueError, match="'newest'"):
        config.update({}, {}, priority="newest")  # type: ignore[arg-type]


def test_update_keeps_the_spelling_that_is_there():
    assert config.update({"a-b": 1}, {"a_b": 2}) == {"a-b": 2}


def test_update_defaults_respects_what_the_user_set():
    mine: dict = {}
    known: list = []
    config.update_defaults({"x": 1, "y": {"a": 1}}, config=mine, defaults=known)
    config.set({"y.a": 5}, config=mine)
    config.update_defaults({"x": 2, "y": {"a": 2}}, config=mine, defaults=known)
    assert mine == {"x": 2, "y": {"a": 5}}
    assert len(known) == 2


def test_pop_removes(settings):
    assert config.pop("array.chunk_size", config=settings) == "1MiB"
    assert settings == {"num-workers": 2, "array": {}}
    assert config.pop("array.chunk-size", 4, config=settings) == 4
    with pytest.raises(KeyError):
        config.pop("array.chunk-size", config=settings)


def test_environment_is_read_as_python_values_at_any_depth():
    env = {
        "RASKAL_NUM_WORKERS": "3",
        "RASKAL_ARRAY__CHUNK_SIZE": "64MiB",
        "RASKAL_MINE__LIST": "[1, 2]",
        "RASKAL_MINE__FLAG": "TRUE",
        "RASKAL_MINE__NOTHING": "null",
        "RASKAL_CONFIG": "/somewhere",
        "OTHER": "1",
    }
    assert config.collect_env(env) == {
        "num_workers": 3,
        "array": {"chunk_size": "64MiB"},
        "mine": {"list": [1, 2], "flag": True, "nothing": None},
    }


def test_variables_of_dask_count_below_our_own():
    env = {
        "RASKAL_ARRAY__CHUNK_SIZE": "1MiB",
        "DASK_ARRAY__CHUNK_SIZE": "2MiB",
        "DASK_MINE__X": "3",
        "DASK_CONFIG": "/c",
    }
    assert config.collect_env(env) == {"array": {"chunk_size": "1MiB"}, "mine": {"x": 3}}


def test_secrets_and_addresses_in_the_environment_are_no_settings():
    env = {"RASKAL_TOKEN": "secret", "RASKAL_SCHEDULER_FILE": "/f.json", "RASKAL_BUILD_PROFILE": "dev", "RASKAL_X": "1"}
    assert config.collect_env(env) == {"x": 1}


def test_inherited_settings_are_weaker_than_variables():
    inherited = config.serialize({"array": {"chunk-size": "1MiB"}, "num-workers": 7})
    env = {"RASKAL_INTERNAL_INHERIT_CONFIG": inherited, "RASKAL_NUM_WORKERS": "3"}
    assert config.collect_env(env) == {"array": {"chunk-size": "1MiB"}, "num-workers": 3}


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"RASKAL_NUM_WORKERS": "many"}, ["RASKAL_NUM_WORKERS='many'", "whole number"]),
        ({"RASKAL_MINE": "1", "RASKAL_MINE__DEEP": "2"}, ["RASKAL_MINE__DEEP", "'mine' holds the value 1"]),
        ({"RASKAL_INTERNAL_INHERIT_CONFIG": "%%%"}, ["RASKAL_INTERNAL_INHERIT_CONFIG"]),
    ],
)
def test_bad_environment_names_the_variable(env, words):
    with pytest.raises(ValueError) as caught:
        config.collect_env(env)
    assert all(word in str(caught.value) for word in words)


def test_files_count_in_order_and_the_environment_last(tmp_path):
    (tmp_path / "10.yaml").write_text("array: {chunk-size: 1MiB, mine: 1}\nnum-workers: 2\n")
    (tmp_path / "20.yml").write_text("array:\n  chunk_size: 2MiB\n")
    (tmp_path / "30.json").write_text('{"other": [1]}')
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    (tmp_path / "notes.txt").write_text("not: [settings")
    paths = [str(tmp_path), str(tmp_path / "not-there")]
    assert config.collect(paths, env={}) == {
        "array": {"chunk-size": "2MiB", "mine": 1},
        "num-workers": 2,
        "other": [1],
    }
    mine: dict = {"stale": 1}
    config.refresh(config=mine, defaults=[{"array": {"default": 0}}], paths=paths, env={"RASKAL_NUM_WORKERS": "4"})
    assert mine == {"array": {"default": 0, "chunk-size": "2MiB", "mine": 1}, "num-workers": 4, "other": [1]}
    assert [p.name for p in config.paths_containing_key("array.chunk-size", paths)] == ["10.yaml", "20.yml"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("array:\n  chunk-size: 1MiB\n bad", ["line 3", "is malformed"]),
        ("a: [1, 2\nb: 3\n", ["line 2", "is malformed"]),
        ("# comment\n- just\n- a list\n", ["line 2", "not a list", "hint:"]),
        ("array:\n\n  chunk-size: lots\n", ["line 3", "'lots'", "array.chunk-size"]),
        ("1: one\n", ["line 1", "is text, not 1"]),
        ("x: 1\nnum-workers: 2.5\n", ["line 2", "2.5", "num-workers", "whole number"]),
    ],
)
def test_bad_file_is_named_with_its_line(tmp_path, text, words):
    path = tmp_path / "mistake.yaml"
    path.write_text(text)
    mine = {"still": "there"}
    with pytest.raises(ValueError) as caught:
        config.refresh(config=mine, paths=[str(tmp_path)], env={})
    assert f"'{path}'" in str(caught.value)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert mine == {"still": "there"}


def test_file_that_is_not_text_is_named(tmp_path):
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"binary\.yaml' is not UTF-8"):
        config.collect([str(tmp_path)], env={})


def test_ensure_file_copies_commented_and_never_overwrites(tmp_path):
    source = tmp_path / "raskal.yaml"
    source.write_text("# about\n\narray:\n  chunk-size: 1MiB\n")
    home = tmp_path / "home"
    config.ensure_file(str(source), str(home))
    copy = home / "raskal.yaml"
    assert copy.read_text() == "# about\n\n# array:\n#   chunk-size: 1MiB\n"
    assert [p.name for p in home.iterdir()] == ["raskal.yaml"]
    copy.write_text("mine: 1\n")
    config.ensure_file(str(source), str(home), comment=False)
    assert copy.read_text() == "mine: 1\n"


def test_expand_environment_variables_at_any_depth(monkeypatch):
    monkeypatch.setenv("PLACE", "/scratch")
    assert config.expand_environment_variables({"a": ["$PLACE/x", 1], "b": {"c": ("${PLACE}",)}}) == {
        "a": ["/scratch/x", 1],
        "b": {"c": ("/scratch",)},
    }


def test_serialize_roundtrip():
    data = {"array": {"chunk-size": "1MiB"}, "list": [1, None, "ü"]}
    assert config.deserialize(config.serialize(data)) == data


def test_a_process_reads_files_and_environment_at_import(tmp_path):
    (tmp_path / "mine.yaml").write_text("array: {chunk-size: 5MiB}\nnum-workers: 9\n")
    code = "from raskal import config; print(config.get('array.chunk-size'), config.get('num-workers'))"
    env = {**os.environ, "RASKAL_CONFIG": str(tmp_path), "RASKAL_NUM_WORKERS": "3"}
    env["PYTHONPATH"] = os.pathsep.join(sys.path)
    result = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["5MiB", "3"]


def test_set_in_many_threads_leaves_the_settings_as_they_were(settings):
    threads_count, rounds = 8, 200
    start = threading.Barrier(threads_count)
    seen: list[bool] = []

    def work(number: int) -> None:
        start.wait()
        for i in range(rounds):
            with config.set({f"threads.t{number}.value": i, "array.mine": i}, config=settings):
                seen.append(config.get(f"threads.t{number}.value", config=settings) == i)

    config.set({"threads": {f"t{n}": {} for n in range(threads_count)}, "array.mine": None}, config=settings)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(threads_count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == threads_count * rounds
    assert all(seen)
    assert settings["threads"] == {f"t{n}": {} for n in range(threads_count)}


def test_every_setting_that_the_package_reads_is_listed():
    package = Path(config.__file__).parent
    reads = re.compile(r"""config\.get\(\s*["']([^"']+)["']""")
    read = {
        name.replace("_", "-")
        for path in package.rglob("*.py")
        if path.name not in ("config.py", "_config_check.py", "_config_dask.py")
        for name in reads.findall(path.read_text())
    }
    defaults = config.merge(*config.defaults)
    listed = {key for key in config._names(defaults) if not isinstance(config.get(key, config=defaults), dict)}
    assert read
    assert read <= listed


def test_a_setting_of_dask_that_changes_nothing_is_told_once_with_what_to_use(monkeypatch, tmp_path):
    monkeypatch.setattr(_config_check, "_told", set())
    setting = {"distributed.scheduler": {"worker_ttl": "1 minute"}}
    with pytest.warns(UserWarning, match="(?s)worker-ttl' changes nothing here.*--worker-timeout"):
        with config.set(setting):
            assert config.get("distributed.scheduler.worker-ttl") == "1 minute"
    with warnings.catch_warnings(action="error"), config.set(setting):
        pass
    with pytest.raises(KeyError, match="(?s)of Dask does not exist here.*--worker-timeout"):
        config.get("distributed.scheduler.worker-ttl")
    file = tmp_path / "mine.yaml"
    file.write_text("array:\n  svg:\n    size: 120\n")
    with pytest.warns(UserWarning, match=r"mine.yaml', line 3: 'array.svg.size' changes nothing here"):
        config.collect([str(file)], env={})
    with pytest.warns(UserWarning, match="(?s)RASKAL_DISTRIBUTED__WORKER__MEMORY__SPILL='0.5'.*memory_limit="):
        config.collect([], env={"RASKAL_DISTRIBUTED__WORKER__MEMORY__SPILL": "0.5"})
    with warnings.catch_warnings(action="error"):
        config.collect([], env={"DASK_DISTRIBUTED__WORKER__MEMORY__TARGET": "0.5"})


def test_no_setting_that_is_read_is_said_to_change_nothing():
    defaults = config.merge(*config.defaults)
    listed = [key for key in config._names(defaults) if not isinstance(config.get(key, config=defaults), dict)]
    assert len(listed) > 10
    assert [key for key in listed if advice(key) is not None] == []


def test_every_setting_of_dask_is_read_here_or_told_what_to_use():
    theirs = pytest.importorskip("dask.config", reason="compares with Dask, which is not installed")
    pytest.importorskip("distributed", reason="its settings are Dask's, too")
    own = config.merge(*config.defaults)

    def leaves(values, prefix=""):
        for key, value in values.items():
            if isinstance(value, Mapping) and value:
                yield from leaves(value, f"{prefix}{key}.")
            else:
                yield f"{prefix}{key}"

    names = [name for one in theirs.defaults for name in leaves(one)]
    assert len(names) > 100
    missing = object()
    untold = [name for name in names if advice(name) is None and config.get(name, missing, own) is missing]
    # Files of certificates, which `Security` reads, have no default.
    assert [name for name in untold if not name.startswith("distributed.comm.tls")] == []
