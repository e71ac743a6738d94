"""E-mail to a real receiver: what it says, who it is for, and what goes wrong, in words."""

import shutil
import socket
import ssl
import subprocess

import pytest
from mail_receivers import MailReceiver, mail_receiver

from daemon.config.config import ConfigErrors, load_config
from daemon.config.notify import NotifySettings
from daemon.runtime.notify.attempt import Attempt, trust
from daemon.runtime.notify.endpoint import Endpoint
from daemon.runtime.notify.mail import send
from daemon.runtime.notify.messages import message
from daemon.runtime.notify.troubles import Trouble

NOW = 1_000_000.0
MODEL = '[models.m]\ndata_dir = "d"\ntask = "regression"\ntarget = "y"\n'


@pytest.fixture
def there():
    """A mail server."""
    with mail_receiver() as running:
        yield running


def sent(there: MailReceiver, password: str | None = None, scheme: str = "smtp", **settings: object) -> Attempt:
    """How sending a message about a file with a hostile name goes."""
    given = {"to": ("ops@example.com", "boss@example.com"), "name": "ops", **settings}
    trouble = Trouble(
        "file_refused", "warning", "m", NOW, {"file": "ä\r\nBcc: x@example.com\x1b[2J\udcff.csv"}, untold=1
    )
    told = message("a-key", "/driftd/host", NOW, [trouble], "https://d.example/{model}")
    endpoint = Endpoint(f"{scheme}://localhost:{there.port}", None, password)
    return send(endpoint, NotifySettings.model_validate(given), told, NOW, limit_s=5.0)


def test_an_e_mail_says_what_happened_and_what_to_do(there):
    """To all addresses, under the message's key; names of files can add no header."""
    assert sent(there, sender="driftd@example.com") == Attempt()
    (letter,) = there.letters
    assert there.recipients == [["ops@example.com", "boss@example.com"]]
    headers = {name: letter[name] for name in ("From", "To", "Subject", "Message-ID", "Auto-Submitted")}
    assert headers == {
        "From": "driftd@example.com", "To": "ops@example.com, boss@example.com", "Message-ID": "<a-key@driftd>",
        "Subject": "[driftd] m: file_refused", "Auto-Submitted": "auto-generated",
    }  # fmt: skip
    text = letter.get_content()
    assert "What to do about file_refused: look at reason" in text and "https://d.example/m" in text
    assert "ä" in text and "\x1b" not in text and letter["Bcc"] is None


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({"CONNECT": "421 too many"}, Attempt("the mail server answered 421 too many")),
        ({"MAIL": "550 who are you"}, Attempt("the mail server answered 550 who are you")),
        ({"RCPT": "550 nobody"}, Attempt("the mail server refused ops@example.com (550 nobody), boss@example.com (550 nobody)")),
        ({"rcpt to:<boss@example.com>": "550 nobody"}, Attempt(partly="the mail server refused boss@example.com (550 nobody)")),
        ({"END": "554 no \x1b[2Jspam"}, Attempt("the mail server answered 554 no \\x1b[2Jspam", only_this=True)),
    ],
)  # fmt: skip
def test_what_a_mail_server_refuses_is_told(answers, expected, there):
    """A letter that some got has arrived; one that it does not like keeps no other waiting."""
    there.answers = answers
    assert sent(there) == expected


def test_who_is_to_log_in_does(there):
    """With the password; a wrong one is told without it."""
    there.extensions, there.password = ("AUTH PLAIN",), "hunter2"
    assert sent(there, "hunter2", user="driftd") == Attempt()
    assert sent(there, "hunter3", user="driftd") == Attempt("the mail server answered 535 no such user")


def test_a_password_goes_over_no_network_as_it_is(there, monkeypatch):
    """Where the server offers no TLS, and is not this machine."""
    monkeypatch.setattr("daemon.runtime.notify.mail._is_here", lambda _host: False)
    there.extensions, there.password = ("AUTH PLAIN",), "hunter2"
    assert "offers no TLS" in sent(there, "hunter2", user="driftd").reason and not there.letters


@pytest.fixture
def certificate(tmp_path):
    """One of this machine that nobody signed."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost")
    names = ("-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(cert))
    subprocess.run(["openssl", "req", "-x509", *curve, *names], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    yield cert, context
    trust.cache_clear()


def test_a_certificate_that_nobody_trusts_is_refused(certificate, monkeypatch):
    """And one that SSL_CERT_FILE names is taken."""
    cert, context = certificate
    with mail_receiver(context) as there:
        trust.cache_clear()
        assert sent(there, scheme="smtps").reason.startswith("its certificate is not trusted: self")
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
        trust.cache_clear()
        assert sent(there, scheme="smtps") == Attempt() and len(there.letters) == 1


def test_a_mail_server_that_hangs_costs_bounded_time():
    """Also one that says nothing at all."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        endpoint = Endpoint(f"smtp://127.0.0.1:{listening.getsockname()[1]}", None)
        settings = NotifySettings(name="ops", to=("ops@example.com",))
        told = message("k", "s", NOW, [Trouble("file_refused", "warning", "m", NOW, {}, untold=1)], None)
        assert send(endpoint, settings, told, NOW, limit_s=0.3).reason == "no answer within 0.3 s"


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ('url = "smtp://mail.example"', "to is missing: who gets the e-mail?"),
        ('url = "https://a.example"\nto = ["ops@example.com"]', "to is of e-mail, and url is none"),
        ('url = "smtp://mail.example"\nto = ["Ops <ops@example.com>"]', "expected addresses such as ops@example.com"),
        ('url = "smtp://mail.example/x"\nto = ["ops@example.com"]', "url of a mail server has more than host and port"),
        ('url = "smtp://mail.example"\nto = ["ops@example.com"]\nsender = "a\\nb@c"', "expected text in one line"),
    ],
)
def test_mistakes_of_e_mail_are_told(section, told, tmp_path):
    """With what was expected."""
    (tmp_path / "config.toml").write_text(f'{MODEL}[[notify]]\nname = "ops"\n{section}\n')
    with pytest.raises(ConfigErrors, match=told):
        load_config(tmp_path / "config.toml")
