import unittest
from types import SimpleNamespace

import token_source
from refused import Refused

REQUEST = SimpleNamespace(app="web")


class Host:
    def __init__(self):
        self.kept = None

    def load(self):
        return self.kept

    def save(self, lease):
        self.kept = lease

    def remove(self):
        self.kept = None


class TokenSource(unittest.TestCase):
    def test_what_was_kept_is_the_answer_until_it_is_forgotten(self):
        host = Host()
        token_source.keep("lease", host)
        self.assertEqual(token_source.resolve(REQUEST, host), "lease")
        token_source.forget(host)
        with self.assertRaises(Refused) as caught:
            token_source.resolve(REQUEST, host)
        self.assertEqual(caught.exception.outcome, "absent")


if __name__ == "__main__":
    unittest.main()
