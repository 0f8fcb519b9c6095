import unittest
from types import SimpleNamespace

import token_source
from refused import Refused

REQUEST = SimpleNamespace(app="web")


class Host:
    def __init__(self, **settings):
        self.setting = settings.get
        self.setting_keys = lambda: sorted(settings)

    def file(self, name):
        return ("sealed", name)


class TokenSource(unittest.TestCase):
    def test_the_granted_file_holds_the_token(self):
        self.assertEqual(token_source.resolve(REQUEST, Host()), (("sealed", "token"), None))

    def test_a_setting_names_another(self):
        self.assertEqual(token_source.resolve(REQUEST, Host(file="deploy")), (("sealed", "deploy"), None))

    def test_a_setting_that_nobody_knows_is_named(self):
        with self.assertRaises(Refused) as caught:
            token_source.resolve(REQUEST, Host(flie="deploy"))
        self.assertIn("`flie`", caught.exception.text)


if __name__ == "__main__":
    unittest.main()
