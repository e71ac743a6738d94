"""What servers log reaches control: bounded, whatever they log."""

from daemon.runtime.passed_on import PassedOn


def test_of_an_event_one_is_passed_on_at_once_and_then_one_a_minute():
    """The newest, with how many there were, of each model; what clients cause, and what asks for nobody, is not."""
    now = [0.0]
    passed_on = PassedOn(lambda: now[0])
    for event, level in (("input_rejected", "warning"), ("model_swapped", "info"), ("request_failed", "error")):
        passed_on.add({"event": event, "level": level, "path": "/x"})
    assert passed_on.messages() == [
        {"event": "logged", "entry": {"event": "request_failed", "level": "error", "path": "/x"}}
    ]
    for number in range(1_000):
        passed_on.add({"event": "request_failed", "level": "error", "error": f"ValueError({number})"})
        passed_on.add({"event": "labels_not_kept", "level": "error", "model": f"m{number % 2}"})
        passed_on.add({"event": "part_failed", "level": "error", "times": 7})
    now[0] = 59.0
    told = [message["entry"] for message in passed_on.messages()]
    assert told == [
        {"event": "labels_not_kept", "level": "error", "model": "m0", "times": 500},
        {"event": "part_failed", "level": "error", "times": 7},
        {"event": "labels_not_kept", "level": "error", "model": "m1", "times": 500},
    ]
    now[0] = 60.0
    (last,) = passed_on.messages()
    assert last["entry"] == {"event": "request_failed", "level": "error", "error": "ValueError(999)", "times": 1_000}
    assert passed_on.messages() == []
