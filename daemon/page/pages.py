"""The pages that are no view: who logs in and out, and one sentence about what was asked. Pure."""

from daemon.page.rights import Visitor
from drift.report.page import filled
from drift.report.site import ServedPage

LOGIN = """
<form method="post" action="/login"><input type="hidden" name="next" value="{{ next }}">
<input type="text" name="user" value="driftd" autocomplete="username" hidden>
<p><label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button class="primary">Log in</button></p></form>
<p class="soft small">A line of the file that <code>[service] read_token_file</code> or <code>admin_token_file</code>
names: the first only sees, the second also acts.</p>
"""
OPEN = """
<p class="soft small">Tokens are configured by <code>[service] read_token_file</code> and <code>admin_token_file</code>;
<code>page_acts</code> says whether a page on loopback acts without any.</p>
"""
LOGOUT = """
<form method="post" action="/logout"><input type="hidden" name="csrf" value="{{ csrf }}">
<button>Log out</button></form>
"""
BACK = '<p><a href="{{ back }}">Back</a></p>'


def login_page(reason: str, place: str) -> str:
    """Asks for a token, and leads to `place` with it."""
    return ServedPage("Log in", filled(LOGIN, next=place), reason, view="", views=()).html()


def logout_page(visitor: Visitor) -> str:
    """Who is logged in may end that."""
    return ServedPage("You are logged in", filled(LOGOUT, csrf=visitor.csrf), _may(visitor), view="Access").html()


def open_page(visitor: Visitor) -> str:
    """Where nobody can log in."""
    return ServedPage("No token is needed", filled(OPEN), _may(visitor), view="Access").html()


def _may(visitor: Visitor) -> str:
    return "You may see and act." if visitor.acts else "You may see, and not act."


def sentence_page(title: str, reason: str, back: str) -> str:
    """What there is to say, and a way back."""
    return ServedPage(title, filled(BACK, back=back), reason, view="").html()
