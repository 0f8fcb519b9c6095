import unittest
from types import SimpleNamespace

import token_source
from refused import Refused

REQUEST = SimpleNamespace(app="web")


class Host:
    def __init__(self, **settings):
        self.setting = settings.get
        self.setting_keys = lambda: sorted(settings)

    def seal(self, text):
        return ("sealed", text)


class TokenSource(unittest.TestCase):
    def test_the_setting_is_the_token(self):
        self.assertEqual(token_source.resolve(REQUEST, Host(token="fm2_x")), (("sealed", "fm2_x"), None))

    def test_without_it_there_is_nothing(self):
        with self.assertRaises(Refused) as caught:
            token_source.resolve(REQUEST, Host())
        self.assertEqual(caught.exception.outcome, "absent")

    def test_a_setting_that_nobody_knows_is_named(self):
        with self.assertRaises(Refused) as caught:
            token_source.resolve(REQUEST, Host(tokne="fm2_x"))
        self.assertIn("`tokne`", caught.exception.text)


if __name__ == "__main__":
    unittest.main()
