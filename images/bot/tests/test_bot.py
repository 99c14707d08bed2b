import json
import threading
import urllib.error
import urllib.request
from http.server import ThreadingHTTPServer

import pytest

from bot.chat import client
from bot.matching import Matcher, read, trigrams
from bot.server import handler


@pytest.fixture(scope="module")
def matcher() -> Matcher:
    return Matcher(read())


@pytest.mark.parametrize(
    ("question", "word"),
    [
        ("when's the exam", "exam"),
        ("WHERE DO I SUBMIT MY HOMEWORK??", "repository"),
        ("are there slides of the lecture", "Slides"),
        ("office hours of my tutor", "Tuesdays"),
    ],
)
def test_a_question_in_other_words_is_answered(matcher: Matcher, question: str, word: str) -> None:
    assert word in (matcher.answer(question) or "")


@pytest.mark.parametrize("question", ["", "?!", "xyzzy quux", "🙂"])
def test_what_nobody_knows_is_not_answered(matcher: Matcher, question: str) -> None:
    assert matcher.answer(question) is None


def test_a_known_question_is_most_like_itself(matcher: Matcher) -> None:
    scores = matcher.scores("When is the exam?")
    assert max(scores) == pytest.approx(1, abs=1e-5)


def test_trigrams_do_not_see_case_and_signs() -> None:
    assert trigrams("Exam!") == trigrams("exam")
    assert trigrams("...") == {}


def test_the_chat_client_reads_messages(matcher: Matcher) -> None:
    assert client(matcher).intents.message_content


def test_over_http(matcher: Matcher) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(matcher)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        with urllib.request.urlopen(f"{address}/health") as answer:
            assert json.load(answer)["status"] == "ok"
        with urllib.request.urlopen(f"{address}/ask", data=b"When is the exam?") as answer:
            assert "exam" in json.load(answer)["answer"]
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{address}/ask", data=b"x" * 5000)
        assert refused.value.code == 413
        server.shutdown()
