"""The source itself. It knows nothing of components, so that its test runs anywhere."""

from refused import Refused

SETTINGS = ("file",)


def resolve(request, host):
    """The token for `request.app`, sealed, and when it ends in unix seconds, or None if only the token itself can say."""
    unknown = [key for key in host.setting_keys() if key not in SETTINGS]
    if unknown:
        raise Refused("misconfigured", f"there is no setting `{unknown[0]}`; known is `{SETTINGS[0]}`")
    # By the name that the file has under `grants.files`: no source names a path.
    return host.file(host.setting("file") or "token"), None
