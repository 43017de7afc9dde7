import pytest
import torch

from groundup.base.device import (
    _cpu_quota,
    describe_machine,
    pick_device,
    pick_dtype,
    set_threads,
    usable_cores,
)
from groundup.base.errors import ConfigError


def test_auto_is_something_that_computes():
    device = pick_device()
    assert torch.ones(2, device=device).sum().item() == 2
    assert pick_device("cpu") == torch.device("cpu")


def test_a_device_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=r"'cuda' is not available: .* have cpu"):
        pick_device("cuda")
    with pytest.raises(ConfigError, match=r"'gpu' is unknown\..*Allowed: auto, cpu, cuda, mps"):
        pick_device("gpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert pick_device("cuda:0") == torch.device("cuda:0") and pick_device().type == "cuda"
    with pytest.raises(ConfigError, match="does not exist: there are 1"):
        pick_device("cuda:3")


def test_dtypes_by_name_and_by_device(monkeypatch):
    cpu = torch.device("cpu")
    assert pick_dtype("auto", cpu) == torch.float32 and pick_dtype("bfloat16", cpu) == torch.bfloat16
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    assert pick_dtype("auto", torch.device("cuda")) == torch.bfloat16
    with pytest.raises(ConfigError, match="Did you mean 'float32'"):
        pick_dtype("flaot32", cpu)
    with pytest.raises(ConfigError, match="overflows on a CPU"):
        pick_dtype("float16", cpu)


def test_threads_are_what_was_asked_for(monkeypatch):
    before = torch.get_num_threads()
    try:
        assert set_threads(2) == 2 == torch.get_num_threads()
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        assert set_threads() == 1
        monkeypatch.delenv("OMP_NUM_THREADS")
        assert set_threads() == usable_cores()
        with pytest.raises(ConfigError, match="threads = 0"):
            set_threads(0)
    finally:
        torch.set_num_threads(before)


def test_a_containers_quota_counts(tmp_path):
    assert _cpu_quota(tmp_path) is None
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    assert _cpu_quota(tmp_path) == 1.5
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert _cpu_quota(tmp_path) is None
    (tmp_path / "cpu.max").unlink()
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("200000\n")
    assert _cpu_quota(tmp_path) == 2
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    assert _cpu_quota(tmp_path) is None


def test_the_machine_is_described_without_its_name():
    import platform

    told = describe_machine()
    assert f"{usable_cores()} cores" in told and platform.node() not in told
