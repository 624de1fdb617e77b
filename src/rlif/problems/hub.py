"""`fetch`: one file of a data set on the Hugging Face hub, at a fixed commit, cached and verified."""

import hashlib
import os
import re
from pathlib import Path

from rlif.errors import missing_extra


class FetchError(Exception):
    """A file could not be fetched; says which, and why."""


def fetch(repository: str, revision: str, name: str) -> Path:
    """Return the local path of a file, downloading it the first time; then no network is needed.

    The cache is huggingface_hub's own, as are the variables that govern it (HF_HOME, HF_ENDPOINT, HF_TOKEN,
    HF_HUB_OFFLINE). The hub names large files by their SHA-256, which a fresh download is compared with.

    Args:
        repository: of type data set, "owner/name".
        revision: a commit: a branch would be looked up each time, and mean something else next month.
        name: of the file.

    Raises:
        FetchError: no network, no such file, no right to it, or a damaged download (it is removed).
        UserError: huggingface_hub is not installed.
    """
    try:
        from huggingface_hub import hf_hub_download, try_to_load_from_cache
    except ImportError as error:
        raise missing_extra("huggingface-hub", "hub") from error
    cached = try_to_load_from_cache(repository, name, revision=revision, repo_type="dataset")
    if isinstance(cached, str):
        return Path(cached)
    try:
        fetched = hf_hub_download(
            repository, name, revision=revision, repo_type="dataset", endpoint=_endpoint()
        )
    except Exception as error:  # of many libraries and kinds; what a user can do is the same for all
        reason = str(error).strip().partition("\n")[0]
        raise FetchError(f"{name} of {repository}: {type(error).__name__}: {reason}") from error
    path = Path(fetched)
    _verify(path, name)
    return path


def address(repository: str, revision: str, name: str) -> str:
    """Return where a browser finds a file."""
    return f"{_endpoint()}/datasets/{repository}/resolve/{revision}/{name}"


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def _verify(path: Path, name: str) -> None:
    blob = path.resolve()  # the cache's entry is a link to a file with the hub's etag for a name
    if not re.fullmatch(r"[0-9a-f]{64}", blob.name):
        return  # a small file, which the hub names by its git hash
    with blob.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != blob.name:
        path.unlink()
        blob.unlink(missing_ok=True)
        raise FetchError(
            f"{name} was damaged on the way (its SHA-256 is {found}, not {blob.name}) and was removed; "
            "the same command downloads it again."
        )
