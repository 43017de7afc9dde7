import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch


@pytest.fixture(scope="session")
def job() -> ModuleType:
    """job.py as a module: tests run it here, and as a program to kill."""
    spec = importlib.util.spec_from_file_location("train_job", Path(__file__).with_name("job.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    torch.set_num_threads(1)  # as the program does: a sum in another order has other last bits
    return module
