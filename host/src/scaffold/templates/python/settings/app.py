"""The component: what flytoken calls, and what `token_source.py` reaches of flytoken."""

from wit_world import exports
from wit_world.imports import secrets, settings

import glue
import token_source


class Host:
    """What the source may use. A test hands in another."""

    def setting(self, key):
        return settings.get(key)

    def setting_keys(self):
        return settings.keys()

    def seal(self, text):
        return secrets.Secret.seal(text)


class Source(exports.Source):
    def resolve(self, request):
        return glue.answer(lambda: glue.lease(token_source.resolve(request, Host())))
