"""Between the contract and `token_source.py`. Nothing in here is about your source."""

from componentize_py_types import Err
from wit_world.imports import contract

from refused import Refused

REFUSALS = {
    "absent": contract.Refusal_Absent,
    "unavailable": contract.Refusal_Unavailable,
    "misconfigured": contract.Refusal_Misconfigured,
}


def refusal(refused):
    """Why there is no token, in the words of the contract."""
    if refused.outcome == "needs-human":
        return contract.Refusal_NeedsHuman(contract.HumanAction(refused.text, refused.command, refused.url))
    return REFUSALS[refused.outcome](refused.text)


def lease(found):
    """The answer of `token_source`, a pair of secret and end, in the words of the contract."""
    token, ends_at = found
    expiry = contract.Expiry_Unknown() if ends_at is None else contract.Expiry_At(ends_at)
    return contract.Lease(token, expiry, None)


def answer(work):
    """What `work` returns, or its refusal in the words of the contract."""
    try:
        return work()
    except Refused as refused:
        raise Err(refusal(refused)) from None
