import os
import signal
import subprocess
import sys
import threading

from groundup.train.interrupt import stop_on_signal


def test_the_first_signal_asks_and_the_handlers_come_back():
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with stop_on_signal() as stop:
        assert not stop.requested
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.requested
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_the_second_signal_ends_the_process_at_once():
    program = (
        "import os, signal\nfrom groundup.train.interrupt import stop_on_signal\n"
        "with stop_on_signal() as stop:\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n    print('still here', stop.requested, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n    print('never reached', flush=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout == "still here True\n"
    assert done.returncode == -signal.SIGTERM
    assert "Once more" in done.stderr


def test_another_thread_leaves_the_handlers_alone():
    seen = []

    def work() -> None:
        before = signal.getsignal(signal.SIGTERM)
        with stop_on_signal() as stop:
            seen.append((signal.getsignal(signal.SIGTERM) is before, stop.requested))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(True, False)]
