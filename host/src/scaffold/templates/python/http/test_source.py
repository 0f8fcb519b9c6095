import unittest
from types import SimpleNamespace

import token_source
from refused import Refused

REQUEST = SimpleNamespace(app="web")
URL = "https://tokens.example/fly/{app}"


class Host:
    def __init__(self, answer=(200, {}), **settings):
        self.setting = settings.get
        self.setting_keys = lambda: sorted(settings)
        self.answer = answer
        self.asked = []

    def seal(self, text):
        return ("sealed", text)

    def http_json(self, url):
        self.asked.append(url)
        return self.answer


class TokenSource(unittest.TestCase):
    def test_the_field_of_the_answer_is_the_token(self):
        host = Host((200, {"token": "fm2_x", "expires_at": 2000}), url=URL)
        self.assertEqual(token_source.resolve(REQUEST, host), (("sealed", "fm2_x"), 2000))
        self.assertEqual(host.asked, ["https://tokens.example/fly/web"])

    def test_everything_else_is_a_refusal(self):
        for host, outcome in [
            (Host(), "misconfigured"),
            (Host(url=URL, feild="x"), "misconfigured"),
            (Host((404, None), url=URL), "absent"),
            (Host((503, None), url=URL), "unavailable"),
            (Host((200, ["fm2_x"]), url=URL), "misconfigured"),
            (Host((200, {"token": 7}), url=URL), "misconfigured"),
        ]:
            with self.subTest(outcome=outcome), self.assertRaises(Refused) as caught:
                token_source.resolve(REQUEST, host)
            self.assertEqual(caught.exception.outcome, outcome)


if __name__ == "__main__":
    unittest.main()
