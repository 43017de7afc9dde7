import torch

from groundup.base.log import EventLog
from groundup.train.metrics import curve, peak_flops


def test_of_a_cpu_no_peak_is_claimed():
    assert peak_flops(torch.device("cpu")) is None


def test_a_known_card_has_its_makers_number(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H100 80GB HBM3")
    assert peak_flops(torch.device("cuda")) == 989e12
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "A card of next year")
    assert peak_flops(torch.device("cuda")) is None


def test_a_curve_is_one_label_in_order_with_repeated_steps_once(tmp_path):
    log = EventLog(tmp_path / "events.jsonl", console=False)
    for label, step, loss in [("a", 1, 4.0), ("a", 2, 3.0), ("b", 1, 9.0), ("a", 1, 3.9), ("a", 3, 2.0)]:
        log.write("train", label=label, step=step, loss=loss)
    log.write("eval", label="a", step=1, loss=7.0)
    assert curve(log.read(), "train", "loss", "a") == [(1, 3.9), (2, 3.0), (3, 2.0)]
    assert curve(log.read(), "train", "grad_norm", "a") == []
