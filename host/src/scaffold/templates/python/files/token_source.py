"""The source itself. It knows nothing of components, so that its test runs anywhere."""


def resolve(request, host):
    """The token for `request.app`, sealed, and when it ends in unix seconds, or None if only the token itself can say."""
    # By the name that the file has under `grants.files`: no source names a path.
    return host.file(host.setting("file") or "token"), None
