"""One training on one device, several GPUs or several machines: who does what, with accelerate."""

from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState

from ...classifier.device import Device, choose_device
from ...classifier.errors import SettingsError
from ..recipe import TrainingSettings


def make_accelerator(device: Device) -> Accelerator:
    """Make the accelerator for a device; a second training in the same process may use another one than the first.

    accelerate keeps one state for the whole process. It is forgotten here where it names another device, unless
    several processes work together, which are bound to theirs.

    Raises:
        ModelError: ``cuda`` was asked for and is not there.
        SettingsError: several processes were launched on another device than the one that was asked for.
    """
    wanted = choose_device(device).type
    if PartialState._shared_state and PartialState().device.type != wanted and PartialState().num_processes == 1:
        AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = Accelerator(cpu=wanted == "cpu")
    if device != "auto" and accelerator.device.type != wanted:
        raise SettingsError(
            f"training.device is {device!r}, but the processes were launched for {accelerator.device.type!r}: "
            "set it to auto, or launch them otherwise"
        )
    return accelerator


def require_shares(settings: TrainingSettings, processes: int) -> None:
    """Refuse batches of which some process would get nothing.

    Raises:
        SettingsError: a batch is smaller than the number of processes.
    """
    for name, batch in (
        ("labelled_batch", settings.labelled_batch),
        ("unlabelled_batch", settings.unlabelled_batch),
    ):
        if batch < processes:
            raise SettingsError(
                f"training.{name} is {batch}, but {processes} processes share each batch: "
                f"set it to at least {processes}, or launch fewer processes"
            )


def share(batch: list[int], accelerator: Accelerator) -> list[int]:
    """Take this process's share of a batch; every process knows the whole batch."""
    return batch[accelerator.process_index :: accelerator.num_processes]
