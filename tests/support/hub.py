"""A server on this machine that speaks the Hugging Face Hub's HTTP API, for tests.

It serves repositories (`/{id}/resolve/...`, `/api/...`), takes new ones and commits to them
(`/api/repos/create`, preupload, Git LFS, commit), and serves plain files (`/files/...`) and Google
Drive's download pages (`/uc`, `/download`), from memory. Any path can be given a `Fault`; every
request is kept, with the bytes that were really sent, so that a test can say what was and was not
downloaded.

    with LoopbackHub() as hub:
        hub.add_repo("org/name", {"model.safetensors": blob})
        hub.fail("/org/name/resolve/", Fault(cut_after=1000))
        subprocess.run(..., env={**os.environ, "HF_ENDPOINT": hub.url})
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from tests.support.hub_http import (
    Answer,
    Fault,
    Request,
    file_answer,
    folder_listing,
    git_sha1,
    html_answer,
    json_answer,
    request_handler,
)


@dataclass
class Repo:
    """A repository: the files of each of its commits."""

    kind: str
    """"model" or "dataset"."""
    commits: list[tuple[str, dict[str, bytes]]]
    """Commit hash and files, oldest first; the last one is main."""
    tags: dict[str, str] = field(default_factory=dict)
    """Commit hashes by tag."""
    gated: bool = False
    """Whether terms must be accepted first: every file answers 403."""
    private: bool = False
    """Whether the repository is private: requests without a token answer 401."""
    made_private: bool = False
    """Whether a program asked for a private repository; it may do everything with it."""

    def files(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """Commit hash and files of a branch, tag or commit."""
        if revision == "main":
            return self.commits[-1]
        wanted = self.tags.get(revision, revision)
        return next((commit for commit in self.commits if commit[0] == wanted), None)


class LoopbackHub:
    """The server; a context manager that listens on a free port of 127.0.0.1."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.cdn = False
        """Redirect large files to another host name, as the real Hub does."""
        self.git_etags = False
        """Name files in repositories by the SHA-1 of their git blob, as the Hub does small ones."""
        self.read_only = False
        """Refuse to create or commit, as the Hub does without a token."""
        self.lfs_bytes = 10 * 2**20
        """Files of this size or more are uploaded through Git LFS."""
        self._repos: dict[str, Repo] = {}
        self._files: dict[str, bytes] = {}
        self._drive: dict[str, tuple[str, bytes, str]] = {}
        self._blobs: dict[str, bytes] = {}
        self._faults: list[tuple[str, Fault]] = []
        self._lock = threading.Lock()
        self.closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), request_handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.daemon = True
        self._thread.start()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Address of the server, the value for HF_ENDPOINT."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> LoopbackHub:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening and drop hanging connections."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def add_repo(
        self,
        repo_id: str,
        files: dict[str, bytes],
        *,
        kind: str = "model",
        tag: str | None = None,
        gated: bool = False,
        private: bool = False,
    ) -> str:
        """Create a repository, or push a commit to it.

        Returns:
            The hash of the new commit.
        """
        key = _key(kind, repo_id)
        repo = self._repos.setdefault(key, Repo(kind, []))
        repo.gated, repo.private = gated, private
        seed = f"{key}{len(repo.commits)}".encode()
        commit = hashlib.sha1(seed, usedforsecurity=False).hexdigest()
        repo.commits.append((commit, dict(files)))
        if tag:
            repo.tags[tag] = commit
        for content in files.values():
            self._blobs[hashlib.sha256(content).hexdigest()] = content
        return commit

    def add_file(self, name: str, content: bytes) -> str:
        """Serve a plain file and return its address."""
        self._files[f"/files/{name}"] = content
        return f"{self.url}/files/{name}"

    def add_drive_file(
        self, drive_id: str, name: str, content: bytes, page: str = "confirm"
    ) -> None:
        """Serve a file the way Google Drive does.

        Args:
            drive_id: Id of the file.
            name: File name in the Content-Disposition header.
            content: Content of the file.
            page: Answer to a first request: "confirm" a form to press through (files too large for
                the virus scan), "quota" the page that says too many people came, "login" some other
                page, "none" the file itself.
        """
        self._drive[drive_id] = (name, content, page)

    def fail(self, path: str, fault: Fault) -> None:
        """Apply a fault to every path that begins with `path`; the latest fault wins."""
        self._faults.insert(0, (path, fault))

    def heal(self) -> None:
        """Remove all faults."""
        self._faults.clear()

    def bytes_sent(self, path: str = "/") -> int:
        """Bytes of bodies sent for paths that begin with `path`."""
        with self._lock:
            return sum(r.sent_bytes for r in self.requests if r.path.startswith(path))

    def seen(self, path: str = "/", method: str | None = None) -> list[Request]:
        """Requests for paths that begin with `path`."""
        with self._lock:
            return [
                request
                for request in self.requests
                if request.path.startswith(path) and method in (None, request.method)
            ]

    def fault_for(self, path: str) -> Fault:
        """Find the fault that applies now, and count down faults that heal."""
        with self._lock:
            for prefix, fault in self._faults:
                if not path.startswith(prefix) or fault.times == 0:
                    continue
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return Fault()

    def note(
        self, method: str, path: str, range_header: str | None, authorization: str | None
    ) -> Request:
        """Record a request that is about to be answered."""
        request = Request(method, path, 0, range_header, authorization, 0)
        with self._lock:
            self.requests.append(request)
        return request

    def answer(self, path: str, query: dict[str, list[str]]) -> Answer:
        """Find the response for a path."""
        if path in self._files:
            return file_answer(self._files[path])
        if path.startswith("/cdn/"):
            blob = self._blobs.get(path.removeprefix("/cdn/"))
            return file_answer(blob) if blob is not None else Answer(404)
        if path in ("/uc", "/download"):
            return self._drive_answer(query)
        if match := re.fullmatch(
            r"/(?:(dataset|space)s/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path
        ):
            kind = match[1] or "model"
            return self._resolve(kind, match[2], unquote(match[3]), unquote(match[4]))
        api = re.fullmatch(
            r"/api/(models|datasets|spaces)/([^/]+/[^/]+)"
            r"(?:/(revision|tree)/([^/]+)(?:/(.*))?)?",
            path,
        )
        if api:
            kind = api[1].removesuffix("s")
            revision = unquote(api[4] or "main")
            recursive = query.get("recursive", [""])[0].lower() in ("1", "true")
            answer = self._api(kind, api[2], api[3] or "revision", revision, api[5], recursive)
            if answer.status == 200 and api[3] != "tree" and "blobs" in query:
                return self._with_sizes(answer, kind, api[2], revision)
            return answer
        return Answer(404)

    def files_of(self, repo_id: str, kind: str = "dataset") -> dict[str, bytes]:
        """Files of a repository at main."""
        return dict(self._repos[_key(kind, repo_id)].files("main")[1])

    def take(self, method: str, path: str, body: bytes) -> Answer:
        """Answer an upload."""
        if method == "PUT" and path.startswith("/lfs/"):
            digest = hashlib.sha256(body).hexdigest()
            self._blobs[digest] = body
            return Answer(200 if path == f"/lfs/{digest}" else 400)
        if self.read_only:
            return Answer(401)
        if path == "/api/validate-yaml":
            return json_answer({"errors": [], "warnings": []})
        if path == "/api/repos/create":
            asked = json.loads(body)
            name, kind = asked["name"], asked.get("type", "model")
            repo_id = f"{asked.get('organization') or 'me'}/{name}"
            url = json_answer({"url": f"{self.url}/{_folder(kind)}{repo_id}", "id": repo_id})
            if _key(kind, repo_id) in self._repos:
                return Answer(409, url.headers, url.body)
            self.add_repo(repo_id, {}, kind=kind)
            self._repos[_key(kind, repo_id)].made_private = asked.get(
                "visibility"
            ) == "private" or bool(asked.get("private"))
            return url
        if re.fullmatch(r"/(datasets/|spaces/)?[^/]+/[^/]+\.git/info/lfs/objects/batch", path):
            return self._lfs_batch(json.loads(body)["objects"])
        match = re.fullmatch(
            r"/api/(models|datasets|spaces)/([^/]+/[^/]+)/(preupload|commit)/([^/]+)", path
        )
        if not match or _key(match[1].removesuffix("s"), match[2]) not in self._repos:
            return Answer(404, {"X-Error-Code": "RepoNotFound"})
        if match[3] == "preupload":
            return json_answer(
                {
                    "files": [
                        {
                            "path": file["path"],
                            "uploadMode": "lfs" if file["size"] >= self.lfs_bytes else "regular",
                            "shouldIgnore": False,
                        }
                        for file in json.loads(body)["files"]
                    ]
                }
            )
        return self._commit(match[1].removesuffix("s"), match[2], body)

    def _lfs_batch(self, objects: list[dict[str, Any]]) -> Answer:
        answered = [
            {
                **wanted,
                "authenticated": True,
                "actions": {"upload": {"href": f"{self.url}/lfs/{wanted['oid']}", "header": {}}},
            }
            for wanted in objects
        ]
        return json_answer({"transfer": "basic", "objects": answered})

    def _commit(self, kind: str, repo_id: str, body: bytes) -> Answer:
        files = self.files_of(repo_id, kind)
        newest = self._repos[_key(kind, repo_id)].commits[-1][0]
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if value.get("parentCommit", newest) != newest:
                return Answer(412, {}, b'{"error": "A commit has happened since."}')
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self._blobs[value["oid"]]
            elif entry["key"] == "deletedFile":
                files.pop(value["path"], None)
        commit = self.add_repo(repo_id, files, kind=kind)
        url = f"{self.url}/{_folder(kind)}{repo_id}/commit/{commit}"
        return json_answer({"success": True, "commitOid": commit, "commitUrl": url})

    def _open(self, kind: str, repo_id: str, revision: str) -> Answer | tuple[str, dict]:
        repo = self._repos.get(_key(kind, repo_id))
        if repo is None or repo.private:
            return Answer(401, {"X-Error-Code": "RepoNotFound"})
        found = repo.files(revision)
        if found is None:
            return Answer(404, {"X-Error-Code": "RevisionNotFound"})
        return found

    def _resolve(self, kind: str, repo_id: str, revision: str, name: str) -> Answer:
        found = self._open(kind, repo_id, revision)
        if isinstance(found, Answer):
            return found
        commit, files = found
        if self._repos[_key(kind, repo_id)].gated:
            return Answer(403, {"X-Error-Code": "GatedRepo"})
        if name not in files:
            return Answer(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
        answer = file_answer(files[name])
        answer.headers["X-Repo-Commit"] = commit
        if self.git_etags:
            answer.headers["ETag"] = f'"{git_sha1(files[name])}"'
        if self.cdn and name.endswith((".safetensors", ".bin", ".parquet", ".zip")):
            digest = hashlib.sha256(files[name]).hexdigest()
            headers = {
                "X-Repo-Commit": commit,
                "X-Linked-Etag": f'"{digest}"',
                "X-Linked-Size": str(len(files[name])),
                "Location": f"http://localhost:{self.port}/cdn/{digest}",
            }
            return Answer(302, headers)
        return answer

    def _api(
        self,
        kind: str,
        repo_id: str,
        what: str,
        revision: str,
        under: str | None,
        recursive: bool,
    ) -> Answer:
        found = self._open(kind, repo_id, revision)
        if isinstance(found, Answer):
            return found
        commit, files = found
        if what == "tree":
            listing = folder_listing(files, unquote(under or ""), recursive)
            if under and not listing:
                return Answer(404, {"X-Error-Code": "EntryNotFound"})
            return json_answer(listing)
        gated = self._repos[_key(kind, repo_id)].gated
        private = self._repos[_key(kind, repo_id)].made_private
        siblings = [{"rfilename": name} for name in sorted(files)]
        info = {"id": repo_id, "sha": commit, "private": private, "gated": gated, "tags": []}
        return json_answer({**info, "siblings": siblings, "downloads": 0, "likes": 0})

    def _with_sizes(self, answer: Answer, kind: str, repo_id: str, revision: str) -> Answer:
        """Add the sizes that `files_metadata=True` requests."""
        found = self._repos[_key(kind, repo_id)].files(revision)
        files = found[1] if found else {}
        info = json.loads(answer.body)
        for sibling in info["siblings"]:
            sibling["size"] = len(files[sibling["rfilename"]])
        return json_answer(info)

    def _drive_answer(self, query: dict[str, list[str]]) -> Answer:
        drive_id = query.get("id", [""])[0]
        if drive_id not in self._drive:
            return Answer(404)
        name, content, page = self._drive[drive_id]
        if page == "quota":
            return html_answer(
                '<html><p class="uc-error-caption">Sorry</p>\n'
                '<p class="uc-error-subcaption">Too many users have viewed this file.</p></html>'
            )
        if page == "login":
            return html_answer("<html>Sign in</html>")
        if page == "confirm" and "confirm" not in query:
            return html_answer(
                '<html><form id="download-form" action="https://drive.usercontent.google.com/download"'
                f' method="get"><input type="hidden" name="id" value="{drive_id}">'
                '<input type="hidden" name="confirm" value="t"></form></html>'
            )
        answer = file_answer(content)
        answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer


def _key(kind: str, repo_id: str) -> str:
    return f"{kind}:{repo_id}"


def _folder(kind: str) -> str:
    return "" if kind == "model" else f"{kind}s/"
