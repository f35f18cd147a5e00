"""STUB: the media store of a homeserver, with the rules that the hub depends on."""

from __future__ import annotations

import secrets

from deploy.world.stub.world import Json, StubError


class StubMedia:
    """What was uploaded, by (server, media id). ``most`` bytes are taken; ``uploads`` keeps who sent which type."""

    def __init__(self, server_name: str) -> None:
        self._server = server_name
        self.most = 100_000_000
        self.kept: dict[tuple[str, str], bytes] = {}
        self.uploads: list[tuple[str, str, str]] = []  # user, content type, query
        self.downloads: list[str] = []  # users

    def upload(self, user: str, mime: str, query: str, raw: bytes) -> Json:
        """POST /_matrix/media/v3/upload."""
        if len(raw) > self.most:
            raise StubError(413, "M_TOO_LARGE")
        media = secrets.token_urlsafe(18)
        self.kept[(self._server, media)] = raw
        self.uploads.append((user, mime, query))
        return {"content_uri": f"mxc://{self._server}/{media}"}

    def download(self, user: str, server: str, media: str) -> bytes:
        """GET /_matrix/client/v1/media/download/{server}/{media}; without a token nobody comes here."""
        self.downloads.append(user)
        if (server, media) in self.kept:
            return self.kept[(server, media)]
        if server != self._server:
            raise StubError(502, "M_UNKNOWN", "Failed to fetch remote media")
        raise StubError(404, "M_NOT_FOUND")
