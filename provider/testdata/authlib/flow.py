"""Authlib drives Signet as two clients that register themselves: one has the code flow and a secret, the other hybrid and
implicit answers, a key, and names of its own for users and their sessions. Both are logged out.

The test that starts it gives the settings as its argument, and plays the person at the browser: for a line like
{"open": URL} on standard output it answers with a line of JSON on standard input. Each finished step is a line
{"step": NAME}. The first step that fails ends the program.
"""
import contextlib
import json
import sys
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlsplit

from authlib.common.security import generate_token
from authlib.common.urls import add_params_to_uri
from authlib.integrations.base_client import FrameworkIntegration, OAuthError
from authlib.integrations.base_client.sync_app import BaseApp, OAuth2Mixin
from authlib.integrations.base_client.sync_openid import OpenIDMixin
from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import JsonWebKey, JsonWebToken
from authlib.jose.errors import InvalidClaimError
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oauth2.rfc7591 import ClientMetadataClaims
from authlib.oidc.core import CodeIDToken, HybridIDToken, ImplicitIDToken
from authlib.oidc.core.claims import get_claim_cls_by_response_type
from authlib.oidc.discovery import OpenIDProviderMetadata, get_well_known_url

settings = json.loads(sys.argv[1])
callback = settings["callback"]
after_logout, frame = callback + "/signed-out", callback + "/frame"


class Framework(FrameworkIntegration):
    """No web framework: tokens are kept by nobody."""

    def update_token(self, token, refresh_token=None, access_token=None):
        pass


class App(OAuth2Mixin, OpenIDMixin, BaseApp):
    """What Authlib makes of these parts for Flask and Django."""

    client_cls = OAuth2Session


def say(message):
    print(json.dumps(message), flush=True)


def browse(url):
    """Has the person follow the URL; returns where they are then, and the page that they see."""
    say({"open": url})
    seen = json.loads(sys.stdin.readline())
    return seen["at"], seen["page"]


class LoggedOut(HTMLParser):
    """The page after a logout: the frames that tell the clients, and the link that leads on."""

    def __init__(self, page):
        super().__init__()
        self.frames, self.onwards = [], None
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "iframe":
            self.frames.append(attributes["src"])
        elif attributes.get("id") == "logout-continue":
            self.onwards = attributes["href"]


@contextlib.contextmanager
def step(name):
    yield
    say({"step": name})


@contextlib.contextmanager
def refused(kind, reason):
    """What is run in it must fail, and for this reason."""
    try:
        yield
    except kind as error:
        said = f"{getattr(error, 'error', '')} {error}"
        assert reason in said, said
    else:
        raise AssertionError(f"not refused: {reason}")


def discover():
    with OAuth2Session() as session:
        answer = session.get(get_well_known_url(settings["issuer"], external=True), withhold_token=True)
        answer.raise_for_status()
    metadata = OpenIDProviderMetadata(answer.json())
    metadata.validate()
    assert metadata["issuer"] == settings["issuer"], metadata["issuer"]
    return metadata


def register(metadata, key=None, **wanted):
    """Registers a client (RFC 7591), and makes it an app, which authenticates with its secret or its key."""
    with OAuth2Session() as session:
        answer = session.post(metadata["registration_endpoint"], json={"redirect_uris": [callback], **wanted}, withhold_token=True)
    assert answer.status_code == 201, answer.text
    registered = answer.json()
    ClientMetadataClaims(dict(registered), {}).validate()
    app = App(
        Framework("signet"), "signet", client_id=registered["client_id"], client_secret=key or registered["client_secret"],
        server_metadata_url=get_well_known_url(settings["issuer"], external=True),
        client_kwargs={"token_endpoint_auth_method": registered["token_endpoint_auth_method"], "code_challenge_method": "S256"},
        client_auth_methods=[PrivateKeyJWT(metadata["token_endpoint"])],
    )
    return app, registered


def read_id_token(app, id_token, response_type, **params):
    """Verifies an ID token of the authorization endpoint with the claims class of its response type."""
    keys = JsonWebKey.import_key_set(app.fetch_jwk_set())
    claims = JsonWebToken(["RS256"]).decode(
        id_token, key=keys, claims_cls=get_claim_cls_by_response_type(response_type), claims_params={"client_id": app.client_id, **params},
        claims_options={"iss": {"essential": True, "value": settings["issuer"]}, "aud": {"essential": True, "value": app.client_id}},
    )
    claims.validate(leeway=120)
    return claims


def code_flow(metadata):
    with step("code: registration"):
        app, registered = register(
            metadata, client_name="Authlib", grant_types=["authorization_code", "refresh_token"], scope="openid email offline_access accounts",
            post_logout_redirect_uris=[after_logout],
        )
        assert registered["response_types"] == ["code"], registered

    with step("code: authorization"):
        request = app.create_authorization_url(callback, scope="openid email offline_access accounts")
        answer, _ = browse(request["url"])
        assert dict(parse_qsl(urlsplit(answer).query))["iss"] == settings["issuer"], answer
    with step("code: another state"), refused(Exception, "CSRF"):
        app.fetch_access_token(callback, authorization_response=answer, state="another", code_verifier=request["code_verifier"])
    with step("code: code and ID token"):
        token = app.fetch_access_token(callback, authorization_response=answer, state=request["state"], code_verifier=request["code_verifier"])
        options = {"iss": {"value": settings["issuer"]}, "aud": {"essential": True, "value": app.client_id}}
        user = app.parse_id_token(token, nonce=request["nonce"], claims_options=options)
        assert token["token_type"] == "Bearer", token["token_type"]
    with step("code: ID token for another nonce"), refused(InvalidClaimError, "nonce"):
        app.parse_id_token(token, nonce="another", claims_options=options)
    with step("code: userinfo"):
        info = app.userinfo(token=token)
        assert info.sub == user.sub and info.email == "alice@example.com" and info.email_verified is True, info

    with app._get_oauth_client(**metadata) as session:
        with step("code: refresh"):
            following = session.refresh_token(metadata["token_endpoint"], refresh_token=token["refresh_token"])
            assert following["access_token"] != token["access_token"]
            assert following["refresh_token"] != token["refresh_token"]
            assert app.userinfo(token=following).sub == user.sub
        with step("code: a refresh token twice"), refused(OAuthError, "invalid_grant"):
            session.refresh_token(metadata["token_endpoint"], refresh_token=token["refresh_token"])

    with step("code: own registration"):
        manage = {"access_token": registered["registration_access_token"], "token_type": "Bearer"}
        own = app.get(registered["registration_client_uri"], token=manage)
        assert own.status_code == 200 and own.json()["client_name"] == "Authlib", own.text
    with step("code: without PKCE"):
        app.client_kwargs.pop("code_challenge_method")
        plain = app.create_authorization_url(callback, scope="openid")
        assert "code_challenge" not in plain["url"]
        answer, _ = browse(plain["url"])
        token = app.fetch_access_token(callback, authorization_response=answer, state=plain["state"])
        user = app.parse_id_token(token, nonce=plain["nonce"], claims_options=options)
    return app, registered, token, user


def hybrid(metadata, user):
    types = {
        "code id_token": HybridIDToken, "code token": HybridIDToken, "code id_token token": HybridIDToken,
        "id_token": ImplicitIDToken, "id_token token": ImplicitIDToken,
    }
    key = JsonWebKey.generate_key("RSA", 2048, {"kid": "k1", "use": "sig", "alg": "RS256"}, is_private=True)
    with step("hybrid: registration"):
        app, registered = register(
            metadata, key, client_name="Hybrid", grant_types=["authorization_code", "implicit"], response_types=list(types),
            token_endpoint_auth_method="private_key_jwt", jwks={"keys": [key.as_dict()]}, subject_type="pairwise",
            frontchannel_logout_uri=frame, frontchannel_logout_session_required=True,
        )
        assert sorted(registered["response_types"]) == sorted(types), registered
    known = None
    for response_type, claims_class in types.items():
        with step(f"hybrid: {response_type}"):
            assert get_claim_cls_by_response_type(response_type) is claims_class
            request = app.create_authorization_url(callback, scope="openid email", response_type=response_type)
            url = urlsplit(browse(request["url"])[0])
            assert url.query == "", url.query
            answer = dict(parse_qsl(url.fragment, strict_parsing=True))
            assert answer["state"] == request["state"], answer
            wanted = {{"token": "access_token"}.get(part, part) for part in response_type.split()}
            assert wanted == {"code", "id_token", "access_token"} & set(answer), answer
            read = {"nonce": request["nonce"], "code": answer.get("code"), "access_token": answer.get("access_token")}
            if "id_token" in answer:
                claims = read_id_token(app, answer["id_token"], response_type, **read)
                known = known or claims
                assert (claims["sub"], claims["sid"]) == (known["sub"], known["sid"]), claims
            if "access_token" in answer:
                token = {"access_token": answer["access_token"], "token_type": answer["token_type"]}
                info = app.userinfo(token=token)
                assert info.sub == known["sub"] and info.email == "alice@example.com", info
        if response_type == "code id_token token":
            whole, checks, asked = answer, read, request
    with step("hybrid: another code"), refused(InvalidClaimError, "c_hash"):
        read_id_token(app, whole["id_token"], "code id_token token", **{**checks, "code": "of somebody else"})
    with step("hybrid: another access token"), refused(InvalidClaimError, "at_hash"):
        read_id_token(app, whole["id_token"], "code id_token token", **{**checks, "access_token": "of somebody else"})
    with step("hybrid: code and ID token behind it"):
        token = app.fetch_access_token(callback, code=whole["code"])
        claims = read_id_token(app, token["id_token"], "code", nonce=asked["nonce"], access_token=token["access_token"])
        assert isinstance(claims, CodeIDToken)
        assert (claims["sub"], claims["sid"]) == (known["sub"], known["sid"]), claims
        assert claims["sub"] != user.sub, claims
    return claims["sid"]


def logout(metadata, app, registered, token, sid):
    with step("logout: the other client is told in a frame"):
        state = generate_token(20)
        wanted = [("id_token_hint", token["id_token"]), ("post_logout_redirect_uri", after_logout), ("state", state)]
        _, page = browse(add_params_to_uri(metadata["end_session_endpoint"], wanted))
        shown = LoggedOut(page)
        assert len(shown.frames) == 1 and shown.frames[0].startswith(frame + "?"), shown.frames
        assert dict(parse_qsl(urlsplit(shown.frames[0]).query)) == {"iss": settings["issuer"], "sid": sid}, shown.frames
    with step("logout: back at the client"):
        assert shown.onwards == f"{after_logout}?state={state}", shown.onwards
    with step("logout: signed out"), refused(OAuthError, "login_required"):
        request = app.create_authorization_url(callback, scope="openid", prompt="none")
        answer = dict(parse_qsl(urlsplit(browse(request["url"])[0]).query))
        raise OAuthError(answer["error"], answer.get("error_description"))
    with step("code: removed"):
        manage = {"access_token": registered["registration_access_token"], "token_type": "Bearer"}
        assert app.delete(registered["registration_client_uri"], token=manage).status_code == 204
        assert app.get(registered["registration_client_uri"], token=manage).status_code == 401


def main():
    with step("code: discovery"):
        metadata = discover()
    app, registered, token, user = code_flow(metadata)
    sid = hybrid(metadata, user)
    logout(metadata, app, registered, token, sid)


main()
