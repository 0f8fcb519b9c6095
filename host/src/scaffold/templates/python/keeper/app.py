"""The component: what flytoken calls, and what `token_source.py` reaches of flytoken."""

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import records

import glue
import token_source
from refused import Refused


class Host:
    """What the source may use. A test hands in another."""

    def load(self):
        return told(records.load)

    def save(self, lease):
        told(lambda: records.save(lease))

    def remove(self):
        told(records.remove)


class Source(exports.Source):
    def resolve(self, request):
        return glue.answer(lambda: token_source.resolve(request, Host()))


class Keeper(exports.Keeper):
    def keep(self, request, lease):
        glue.answer(lambda: token_source.keep(lease, Host()))

    def forget(self, request):
        glue.answer(lambda: token_source.forget(Host()))


def told(work):
    """What a record that cannot be read or written means."""
    try:
        return work()
    except Err as failure:
        outcome = "unavailable" if isinstance(failure.value, records.Failure_Unavailable) else "absent"
        raise Refused(outcome, failure.value.value) from None
