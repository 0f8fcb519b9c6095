"""The source itself. It knows nothing of components, so that its test runs anywhere."""

from refused import Refused

SETTINGS = ("token",)


def resolve(request, host):
    """The token for `request.app`, sealed, and when it ends in unix seconds, or None if only the token itself can say."""
    unknown = [key for key in host.setting_keys() if key not in SETTINGS]
    if unknown:
        raise Refused("misconfigured", f"there is no setting `{unknown[0]}`; known is `{SETTINGS[0]}`")
    token = host.setting("token")
    if not token:
        raise Refused("absent", f"the setting `token` is not set, so there is nothing for `{request.app}`")
    return host.seal(token), None
