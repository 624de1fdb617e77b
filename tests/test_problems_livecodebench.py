"""LiveCodeBench from the hub: the real loading code against a small hub on loopback, and from a folder."""

import base64
import datetime as dt
import os
import pickle
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest
from hub_server import FILES, ROWS, Hub, jsonl, row, serve, shards

from rlif.errors import UserError
from rlif.problems.livecodebench import REPOSITORY, REVISION, release_files
from rlif.problems.load import load_problems


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return shards()


@pytest.fixture
def hub(files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    hub = Hub(dict(files))
    with serve(hub) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        # The library reads HF_HUB_CACHE once, when it is imported.
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        yield hub


def test_releases_have_their_official_counts(hub: Hub):
    counts = [len(load_problems("livecodebench", split=f"release_v{n}")) for n in range(1, 7)]
    assert counts == [400, 511, 612, 713, 880, 1055]
    assert len(load_problems("livecodebench")) == 1055


@pytest.mark.parametrize(
    ("release", "counts"),
    [
        ("release_v1", ROWS[:1]),
        ("release_v5", ROWS[:5]),
        ("release_latest", ROWS),
        ("v1", ROWS[:1]),
        ("v6", ROWS[5:]),
        ("v2_v4", ROWS[1:4]),
        ("v5_v6", ROWS[4:]),
    ],
)
def test_release_arithmetic(release: str, counts: tuple[int, ...]):
    assert [ROWS[FILES.index(name)] for name in release_files(release)] == list(counts)


@pytest.mark.parametrize(
    "release", ["release_v7", "v0", "v4_v2", "v3_v3", "v5_v7", "latest", "v2_release_v3", ""]
)
def test_an_unknown_release_lists_those_there_are(release: str):
    with pytest.raises(UserError, match=r"release_v1 to release_v6.*release_latest.*v1 to v6.*v2_v4"):
        release_files(release)


def test_a_release_may_be_part_of_the_name(hub: Hub):
    named = load_problems("livecodebench/v6")
    assert named == load_problems("livecodebench", split="v6")
    assert {(p.source, p.date.year if p.date else 0) for p in named} == {("livecodebench", 2026)}
    with pytest.raises(UserError, match="names a release; got split 'v5' too"):
        load_problems("livecodebench/v6", split="v5")


def test_only_the_files_of_the_release_are_fetched_once_and_at_the_pinned_commit(hub: Hub):
    for _ in range(2):
        load_problems("livecodebench", split="v2_v3")
    addresses = [f"/datasets/{REPOSITORY}/resolve/{REVISION}/{name}" for name in FILES[1:3]]
    assert hub.requests == [f"{method} {path}" for path in addresses for method in ("HEAD", "GET")]


def test_another_commit_by_the_environment(hub: Hub, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RLIF_LIVECODEBENCH_REVISION", "a" * 40)
    load_problems("livecodebench/v2")
    assert all(f"/resolve/{'a' * 40}/" in request for request in hub.requests)


def test_hidden_tests_come_from_the_cache_when_they_are_used(hub: Hub):
    first = load_problems("livecodebench/v2", limit=1)[0]
    assert [(test.input, test.output) for test in first.tests] == [("0", "0"), ("10", "20")]


class Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_malicious_pickle_from_the_hub_is_refused_and_does_nothing(hub: Hub, tmp_path: Path):
    packed = base64.b64encode(zlib.compress(pickle.dumps(Malicious(tmp_path / "owned")))).decode()
    hub.files["test2.jsonl"] = jsonl([row("good"), row("evil", private_test_cases=packed)])
    good, evil = load_problems("livecodebench/v2")
    assert len(good.hidden_tests) == 1
    with pytest.raises(UserError, match=r", line 2: problem 'evil': .*more than a string"):
        _ = evil.tests
    assert not (tmp_path / "owned").exists()


def test_a_damaged_download_is_named_and_can_be_repeated(hub: Hub):
    hub.damaged.add("test3.jsonl")
    with pytest.raises(UserError, match=r"test3\.jsonl was damaged on the way .*was removed"):
        load_problems("livecodebench/v3")
    hub.damaged.clear()
    assert len(load_problems("livecodebench/v3")) == 101


@pytest.mark.parametrize(("status", "reason"), [(401, "GatedRepoError"), (404, "RemoteEntryNotFoundError")])
def test_what_the_hub_refuses_can_be_got_by_hand(hub: Hub, status: int, reason: str):
    hub.status = status
    with pytest.raises(UserError) as caught:
        load_problems("livecodebench/v5_v6")
    text = str(caught.value)
    assert f"Cannot fetch LiveCodeBench: test5.jsonl of {REPOSITORY}: {reason}" in text
    for name in FILES[4:]:
        assert f"/datasets/{REPOSITORY}/resolve/{REVISION}/{name}\n" in text
    assert "FOLDER --split v5_v6" in text


def test_without_a_network_the_error_says_how_to_get_the_files(tmp_path: Path):
    # In a process of its own, where HF_HUB_OFFLINE is read.
    code = "from rlif.problems.load import load_problems\nload_problems('livecodebench')"
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    environment.pop("HF_ENDPOINT", None)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert "rlif.errors.UserError: Cannot fetch LiveCodeBench: test.jsonl" in done.stderr
    assert f"  https://huggingface.co/datasets/{REPOSITORY}/resolve/{REVISION}/test6.jsonl\n" in done.stderr


def test_the_missing_package_is_named_with_its_pip_command(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match=r"pip install 'rlif\[hub\]'"):
        load_problems("livecodebench")


@pytest.fixture
def folder(files: dict[str, bytes], tmp_path: Path) -> Path:
    for name in FILES[4:]:
        (tmp_path / name).write_bytes(files[name])
    return tmp_path


def test_a_folder_holds_what_was_fetched_by_hand(folder: Path):
    assert len(load_problems(str(folder), split="v5_v6")) == 342
    alone = load_problems(str(folder), split="v6")
    assert (len(alone), {problem.source for problem in alone}) == (175, {"livecodebench"})
    assert len(load_problems(str(folder))) == 342  # without a release: whatever is there
    with pytest.raises(UserError, match=r"does not hold test\.jsonl, .*test4\.jsonl, which release_v5 needs"):
        load_problems(str(folder), split="release_v5")


def test_a_window_across_files_and_an_empty_one(folder: Path):
    chosen = load_problems(str(folder), start=dt.date(2025, 1, 28), end=dt.date(2026, 1, 1))
    assert {(p.date.year, p.date.day) for p in chosen if p.date} == {(2025, 28), (2026, 1)}
    with pytest.raises(UserError, match="342 dated problems run from 2025-01-01 to 2026-01-28"):
        load_problems(str(folder), start=dt.date(2027, 1, 1))
