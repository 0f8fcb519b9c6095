"""Why there is no token."""


class Refused(Exception):
    """The text is shown to people: one sentence, lower case, without a full stop and without any part of a token.

    The outcome decides how flytoken goes on:

    - `absent`: nothing here is meant for this app; the next source is asked
    - `unavailable`: this source may answer later; the next one is asked, and this one left alone for a while
    - `needs-human`: somebody has to do something first: type `command`, or open `url`
    - `misconfigured`: its settings or grants are wrong, and asking again will not help
    """

    def __init__(self, outcome, text, command=None, url=None):
        super().__init__(text)
        self.outcome = outcome
        self.text = text
        self.command = command
        self.url = url
