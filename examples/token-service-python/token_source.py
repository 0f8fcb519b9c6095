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
        raise Refused("misconfigured", "say what to ask: `settings: { url: \"https://tokens.example/fly/{app}?kind={kind}\" }`")
    field = host.setting("field") or "token"
    kind = request.kind.name.lower().replace("_", "-")
    status, answer = host.http_json(url.replace("{app}", request.app).replace("{kind}", kind))
    if status == 404:
        raise Refused("absent", f"the token service knows nothing of `{request.app}`")
    if status in (401, 403):
        raise Refused("misconfigured", "the token service refuses the request: see `headers` in `grants.http`, and the file that it names")
    if status != 200:
        raise Refused("unavailable", f"the token service answers with status {status}")
    if not isinstance(answer, dict) or not isinstance(answer.get(field), str):
        raise Refused("misconfigured", f"the token service answers without a text `{field}`: see the setting `field`")
    return host.seal(answer[field]), ends_at(answer, request.now)


def ends_at(answer, now):
    """`expires_at` in unix seconds, or `expires_in` from now on, as OAuth has it (RFC 6749, section 5.1)."""
    for key, since in (("expires_at", 0), ("expires_in", now)):
        value = answer.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return since + value
    return None
