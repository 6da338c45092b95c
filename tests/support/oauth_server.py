"""A sign-in server on this machine that speaks OpenID Connect as the Hugging Face Hub does."""

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwk, jwt

CLIENT_ID, CLIENT_SECRET = "space-client", "space-secret"


class OAuthServer:
    """The server; a context manager that signs in whoever comes as `user`.

    Args:
        user: Claims about the visitor: preferred_username, orgs.
    """

    def __init__(self, user: dict[str, Any]):
        self.user = user
        self.key = jwk.RSAKey.generate_key(2048, parameters={"kid": "one"})
        self.nonces: dict[str, str] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self) -> "OAuthServer":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def space(self, owner: str) -> dict[str, str]:
        """Environment of a Space of `owner` that signs in here."""
        return {
            "SYSTEM": "spaces",
            "SPACE_ID": f"{owner}/studio",
            "SPACE_HOST": f"{owner}-studio.hf.test",
            "OAUTH_CLIENT_ID": CLIENT_ID,
            "OAUTH_CLIENT_SECRET": CLIENT_SECRET,
            "OAUTH_SCOPES": "openid profile",
            "OPENID_PROVIDER_URL": self.url,
        }

    def token(self, code: str) -> dict[str, Any]:
        """Answer to an authorization code."""
        claims = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "sub": "1",
            "iat": int(time.time()),
            "exp": int(time.time()) + 3600,
            "nonce": self.nonces.pop(code),
            **self.user,
        }
        signed = jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.key)
        return {
            "access_token": "hf_oauth_access",
            "token_type": "bearer",
            "expires_in": 3600,
            "id_token": signed,
        }


def _handler(server: OAuthServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
            if path == "/.well-known/openid-configuration":
                self._json(
                    {
                        "issuer": server.url,
                        "authorization_endpoint": f"{server.url}/oauth/authorize",
                        "token_endpoint": f"{server.url}/oauth/token",
                        "jwks_uri": f"{server.url}/jwks",
                        "id_token_signing_alg_values_supported": ["RS256"],
                    }
                )
            elif path == "/jwks":
                self._json({"keys": [server.key.as_dict(private=False)]})
            elif path == "/oauth/authorize" and query["client_id"] == [CLIENT_ID]:
                code = base64.urlsafe_b64encode(str(len(server.nonces)).encode()).decode()
                server.nonces[code] = query["nonce"][0]
                answer = urlencode({"code": code, "state": query["state"][0]})
                back = query["redirect_uri"][0]
                self.send_response(302)
                self.send_header("Location", f"{back}{'&' if '?' in back else '?'}{answer}")
                self.end_headers()
            else:
                self.send_error(404)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._json(server.token(parse_qs(body)["code"][0]))

        def _json(self, content: object) -> None:
            body = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
