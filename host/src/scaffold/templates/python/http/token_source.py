"""The source itself. It knows nothing of components, so that its test runs anywhere."""

from refused import Refused

SETTINGS = ("url", "field")


def resolve(request, host):
    """The token for `request.app`, sealed, and when it ends in unix seconds, or None if only the token itself can say."""
    unknown = [key for key in host.setting_keys() if key not in SETTINGS]
    if unknown:
        raise Refused("misconfigured", f"there is no setting `{unknown[0]}`; known are `{'`, `'.join(SETTINGS)}`")
    url = host.setting("url")
    if not url:
        raise Refused("misconfigured", "say what to ask: `settings: { url: \"https://tokens.example/fly/{app}\" }`")
    field = host.setting("field") or "token"
    status, answer = host.http_json(url.replace("{app}", request.app))
    if status == 404:
        raise Refused("absent", f"the token service knows nothing of `{request.app}`")
    if status != 200:
        raise Refused("unavailable", f"the token service answers with status {status}")
    if not isinstance(answer, dict) or not isinstance(answer.get(field), str):
        raise Refused("misconfigured", f"the token service answers without a text `{field}`: see the setting `field`")
    ends_at = answer.get("expires_at")
    return host.seal(answer[field]), ends_at if isinstance(ends_at, int) else None
