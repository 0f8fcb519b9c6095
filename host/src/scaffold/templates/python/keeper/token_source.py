"""The source itself: it remembers what others obtained. It knows nothing of components, so that its test runs anywhere."""

from refused import Refused


def resolve(request, host):
    """The lease that was kept for the app and kind of `request`: flytoken finds the record, no function takes an app."""
    lease = host.load()
    if lease is None:
        raise Refused("absent", f"nothing kept for `{request.app}`")
    return lease


def keep(lease, host):
    host.save(lease)


def forget(host):
    host.remove()
