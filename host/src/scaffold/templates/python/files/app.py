"""The component: what flytoken calls, and what `token_source.py` reaches of flytoken."""

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import files, settings

import glue
import token_source
from refused import Refused


class Host:
    """What the source may use. A test hands in another."""

    def setting(self, key):
        return settings.get(key)

    def setting_keys(self):
        return settings.keys()

    def file(self, name):
        """A granted file as a secret, which nobody here reads."""
        try:
            return files.seal(name)
        except Err as failure:
            match failure.value:
                case files.Failure_Absent():
                    raise Refused("absent", f"the file `{name}` is not there") from None
                case files.Failure_Denied(line):
                    raise Refused("misconfigured", line) from None
                case files.Failure_Failed(text):
                    raise Refused("unavailable", text) from None


class Source(exports.Source):
    def resolve(self, request):
        return glue.answer(lambda: glue.lease(token_source.resolve(request, Host())))
